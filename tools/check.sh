#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tests. Each part prints what it does; the last line counts, "N passed, N failed" alone. Above it stand how many
# were skipped, which and why, and how long each part took.
# usage: tools/check.sh BUILD-FOLDER
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
build=$1
logs=$build/check
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0
part='' part_begun=0 times=() skips=()

# A part begins; the one before it, if any, has ended.
say() {
	[ -z "$part" ] || times+=("$(printf '%3d:%02d  %s' $(((SECONDS - part_begun) / 60)) $(((SECONDS - part_begun) % 60)) "$part")")
	part=$* part_begun=$SECONDS
	[ -z "$part" ] || printf '\n== %s\n' "$part"
}

# one NAME COMMAND…: a check that passes or fails as a whole
one() {
	local name=$1
	shift
	if "$@" >"$logs/$name.log" 2>&1; then
		passed=$((passed + 1))
		echo "ok    $name"
	else
		failed=$((failed + 1))
		echo "FAIL  $name"
		tail -n 60 "$logs/$name.log"
	fi
}

# meson_suite BUILD-FOLDER NAME: all C tests of a build
meson_suite() {
	local dir=$1 name=$2 ok bad skip
	# A limit of time ends what hangs; it is no test of the machine.
	meson test -C "$dir" --no-rebuild --print-errorlogs --timeout-multiplier 5 >"$logs/$name.log" 2>&1
	ok=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$logs/$name.log")
	bad=$(awk '/^(Fail|Unexpected Pass|Timeout): /{n += $NF} END {print n + 0}' "$logs/$name.log")
	skip=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$logs/$name.log")
	if [ -z "$ok" ]; then
		tail -n 40 "$logs/$name.log"
		bad=1
	fi
	passed=$((passed + ${ok:-0})) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
	echo "$name: ${ok:-0} passed, $bad failed${skip:+, $skip skipped}"
	mapfile -t -O "${#skips[@]}" skips < <(
		sed -nE "s|^ *[0-9]+/[0-9]+ (.*[^ ]) +SKIP .*|$name: \\1|p" "$logs/$name.log" | sort -u
	)
	[ "$bad" = 0 ] || grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$logs/$name.log" | tail -n 150
}

# node_suite NAME FOLDER: a folder of bundled TypeScript tests
node_suite() {
	local name=$1 files ok bad skip
	files=$(find "$root/$build/tests/$name" -name '*.test.mjs' 2>/dev/null | sort)
	[ -n "$files" ] || return 0
	# shellcheck disable=SC2086
	# A test that hangs costs its suite, not the whole run.
	(cd tests && CONCLAVE_BUILD="$root/$build" timeout -k 10 1500 node --test --test-concurrency=1 --test-reporter=tap $files) >"$logs/$name.log" 2>&1
	ok=$(sed -n 's/^# pass \([0-9]*\)/\1/p' "$logs/$name.log" | tail -n 1)
	bad=$(awk '/^# (fail|cancelled) /{n += $3} END {print n + 0}' "$logs/$name.log")
	skip=$(sed -n 's/^# skipped \([0-9]*\)/\1/p' "$logs/$name.log" | tail -n 1)
	[ -n "$ok" ] || bad=1
	passed=$((passed + ${ok:-0})) failed=$((failed + bad)) skipped=$((skipped + ${skip:-0}))
	echo "$name: ${ok:-0} passed, $bad failed, ${skip:-0} skipped"
	mapfile -t -O "${#skips[@]}" skips < <(sed -nE "s|^ *ok [0-9]+ - (.*) # SKIP ?(.*)|$name: \\1: \\2|p" "$logs/$name.log")
	[ "$bad" = 0 ] || grep -A 40 -E '^ *not ok' "$logs/$name.log" | head -n 200
}

say "unit tests, vectors, headers, fuzz seeds"
meson_suite "$build" c-tests

export LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
say "the same C tests under AddressSanitizer and UndefinedBehaviorSanitizer"
one asan-build tools/build.sh "$build/asan" -Db_sanitize=address,undefined -Db_lundef=false -Dbuildtype=debugoptimized
[ ! -f "$build/asan/build.ninja" ] || meson_suite "$build/asan" asan-tests

say "format and static analysis"
one clang-format bash -c "git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror"
one cppcheck tools/cppcheck.sh
one relay-has-no-keys tools/relay-links.sh "$build"
one installed-libraries tools/installed.sh "$build"

if [ -f tests/package.json ]; then
	say "interoperability with implementations that we did not write"
	one test-bundles tools/test-bundles.sh "$build"
	node_suite interop
	say "system tests: real processes on loopback"
	node_suite system
	node_suite browser
fi

say ''
printf '\n== minutes\n'
printf '%s\n' "${times[@]}"
printf '%3d:%02d  all\n' $((SECONDS / 60)) $((SECONDS % 60))
if ((skipped)); then
	printf '\n== %d skipped, and why\n' "$skipped"
	((${#skips[@]} == 0)) || printf '%s\n' "${skips[@]}"
fi
printf '\n%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
