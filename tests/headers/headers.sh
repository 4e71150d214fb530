#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every public header compiles alone.
# usage: headers.sh SOURCE-ROOT CC INCLUDE-FLAGS…
set -u
root=$1 cc=$2
shift 2
bad=0 n=0
for lib in "$root"/libs/*/ "$root"/client/core/ "$root"/client/gst/; do
	[ -d "$lib/include" ] || continue
	while IFS= read -r h; do
		n=$((n + 1))
		printf '#include <%s>\n#include <%s>\n' "${h#"$lib"include/}" "${h#"$lib"include/}" |
			"$cc" -std=gnu17 -Wall -Wextra -Werror -fsyntax-only -xc - "$@" || {
			echo "does not compile alone: $h"
			bad=$((bad + 1))
		}
	done < <(find "$lib/include" -name '*.h' | sort)
done
echo "$n headers, $bad bad"
[ "$n" -gt 0 ] && [ "$bad" = 0 ]
