#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Type-checks the TypeScript tests and bundles them into BUILD/tests.
# usage: tools/test-bundles.sh BUILD-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
cd tests
npx --no-install tsc --noEmit -p .
node build.mjs "$build/tests"
