#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Type-checks the TypeScript tests, bundles them into BUILD/tests, and builds the client with test hooks.
# usage: tools/test-bundles.sh BUILD-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "$1")
# Never part of `ninja all` nor of what is installed: it hands out keys.
ninja -C "$build" --quiet client/cli/conclave-cli-testhooks
cd tests
npx --no-install tsc --noEmit -p .
node build.mjs "$build/tests"
