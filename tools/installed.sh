#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The end-to-end libraries as others get them: installed, found by pkg-config, their examples built against that, and a
# program in C++.
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
# And from C++.
cat >all.cc <<'END'
#include <mls/mls.h>
#include <opaque/opaque.h>
#include <sframe/sframe.h>

int main()
{
	opaque_client client{};

	mls_group_free(nullptr);
	sframe_sender_free(nullptr);
	opaque_client_done(&client);
	return 0;
}
END
# shellcheck disable=SC2046
c++ -std=c++17 -Wall -Wextra -Werror -o example all.cc \
	$(PKG_CONFIG_PATH=$folder pkg-config --define-variable=prefix="$prefix" --cflags --libs \
		conclave-mls conclave-sframe conclave-opaque)
./example
