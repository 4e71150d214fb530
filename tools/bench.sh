#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every program of bench/; each prints a table of ratios and writes build/bench/<name>.json. Fails, after all
# tables, when one of them missed a bound.
# usage: tools/bench.sh BUILD-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
failed=0
mkdir -p "$build/bench"
for program in "$build"/bench/bench-*; do
	[ -f "$program" ] && [ -x "$program" ] || continue
	name=$(basename "$program")
	echo "== ${name#bench-}"
	"$program" "$build/bench/${name#bench-}.json" || failed=1
done
exit $failed
