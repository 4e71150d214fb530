#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tools/demo.sh BUILD-FOLDER [CAMERA-FILE] [VOICE-FILE]
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
for file in "${2:-}" "${3:-}"; do
	[ -z "$file" ] || [ -r "$file" ] || { echo "cannot read $file" >&2; exit 2; }
done
(cd tests && node build.mjs "$build/tests" demo)
CONCLAVE_BUILD=$build exec node "$build/tests/demo/demo.mjs" "$build/demo" "${2:-}" "${3:-}"
