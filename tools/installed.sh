#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The end-to-end libraries as others get them: installed, found by pkg-config, and their examples built against that.
# usage: tools/installed.sh BUILD-FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
DESTDIR=$place meson install -C "$1" --no-rebuild --quiet
folder=$(dirname "$(find "$place" -name conclave-mls.pc)")
prefix=$place$(PKG_CONFIG_PATH=$folder pkg-config --variable=prefix conclave-mls)
cd "$place"
for name in mls sframe opaque; do
	for example in "$root/libs/$name/examples"/*.c; do
		# shellcheck disable=SC2046
		cc -std=c17 -Wall -Wextra -Wno-unused-parameter -Werror -o example "$example" \
			$(PKG_CONFIG_PATH=$folder pkg-config --define-variable=prefix="$prefix" --cflags --libs "conclave-$name")
		./example
	done
done
