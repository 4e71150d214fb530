#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The API's description names every route and every problem of the program, and no others.
# usage: openapi.sh ROOT-OF-THE-SOURCES
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^[[:space:]]*{"\(GET\|POST\|PATCH\|DELETE\)", "\([^"]*\)".*/\1 \2/p' manager/api/*.c | sort >"$work/routes"
awk '/^  \/.*:$/ { path = $1; sub(/:$/, "", path) } /^components:/ { path = "" }
	path != "" && /^    (get|post|patch|delete):$/ { sub(/:$/, "", $1); print toupper($1), path }' \
	proto/openapi.yaml | sort >"$work/described"
grep -o '[0-9], "[a-z_-]*",' manager/domain/problem.c | sed 's/.*"\(.*\)",/\1/' | sort >"$work/problems"
sed -n 's/^ *- urn:conclave:problem://p' proto/openapi.yaml | sort >"$work/named"
[ "$(wc -l <"$work/routes")" -gt 20 ] && [ "$(wc -l <"$work/problems")" -gt 20 ]
diff -u "$work/described" "$work/routes"
diff -u "$work/named" "$work/problems"
