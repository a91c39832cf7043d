#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The whole test run: optimised build, sanitizer build, a short fuzz run, real images where they are at hand.
# Ends in one line "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0
export MALLOC_PERTURB_=165

count() { # file with "ok - ", "not ok - " and "skip - " lines, or meson's summary
	p=$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$1" | tail -n 1)
	f=$(sed -n 's/^Fail: *\([0-9]*\).*/\1/p' "$1" | tail -n 1)
	t=$(sed -n 's/^Timeout: *\([0-9]*\).*/\1/p' "$1" | tail -n 1)
	s=$(sed -n 's/^Skipped: *\([0-9]*\).*/\1/p' "$1" | tail -n 1)
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0} + ${t:-0})) skipped=$((skipped + ${s:-0}))
}

suite() { # name, build folder, meson test arguments...
	name=$1 dir=$2
	shift 2
	log=$(mktemp)
	echo "== $name"
	meson test -C "$dir" --print-errorlogs "$@" 2>&1 | tee "$log" | grep -v '^ninja: '
	count "$log"
	grep -q '^Ok:' "$log" || { failed=$((failed + 1)); echo "not ok - $name did not run"; }
	rm -f "$log"
}

configure() { # build folder, meson setup arguments...
	dir=$1
	shift
	# an older folder may have been set up before the test packages were there
	[ ! -f "$dir/build.ninja" ] || set -- --reconfigure "$@"
	meson setup "$dir" "$@" >"$dir.log" 2>&1 || { cat "$dir.log"; failed=$((failed + 1)); return 1; }
	rm -f "$dir.log"
	ninja -C "$dir" >"$dir/compile.log" 2>&1 || { tail -n 60 "$dir/compile.log"; failed=$((failed + 1)); echo "not ok - $dir does not compile"; return 1; }
	meson test -C "$dir" --list --suite unit 2>/dev/null | grep -q ':unit' || { failed=$((failed + 1)); echo "not ok - no unit tests in $dir: is cmocka installed?"; }
}

configure build --buildtype=release -Dwerror=true && suite 'gcc, release' build
configure build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=true &&
	suite 'gcc, AddressSanitizer and UBSan' build-asan --suite unit --suite cli --suite station --no-suite slow --timeout-multiplier 6
echo "== fuzz, ${FUZZ_SECONDS:-30} s"
sh tests/fuzz/run.sh "${FUZZ_SECONDS:-30}"
case $? in
0) passed=$((passed + 1)) ;;
77) skipped=$((skipped + 1)) ;;
*) failed=$((failed + 1)); echo 'not ok - fuzz' ;;
esac
if sh tests/layers.sh; then passed=$((passed + 1)); else failed=$((failed + 1)); fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
