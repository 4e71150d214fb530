#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/build.sh BUILD-FOLDER [meson arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
shift
if [ ! -f "$build/build.ninja" ]; then
	meson setup "$build" "$@" >"${TMPDIR:-/tmp}/conclave-meson.$$" 2>&1 || {
		cat "${TMPDIR:-/tmp}/conclave-meson.$$" >&2
		rm -f "${TMPDIR:-/tmp}/conclave-meson.$$"
		exit 1
	}
	rm -f "${TMPDIR:-/tmp}/conclave-meson.$$"
fi
# Quiet when all goes well: one line for what was built, the compiler's words when it was not.
# The client with test hooks is for the demo and the tests; it is in no package and never installed.
exec ninja -C "$build" --quiet all client/cli/conclave-cli-testhooks
