#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A relay has no key: its program holds no symbol of the mls or sframe libraries.
# usage: tools/relay-links.sh BUILD-FOLDER
set -euo pipefail
relay=$1/relay/conclave-relay
[ -x "$relay" ] || { echo "not built: $relay"; exit 1; }
nm "$relay" | grep ' relay_' >/dev/null || { echo "the symbol table of $relay cannot be read"; exit 1; }
if nm "$relay" | grep -E ' (mls|sframe)_'; then
	echo "$relay holds symbols of the end-to-end libraries"
	exit 1
fi
