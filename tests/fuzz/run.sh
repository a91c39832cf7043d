#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh SECONDS: fuzzes the readers of pictures, recipes, networks, ONNX models and requests, a fifth of the time each.
# Exit status 0: nothing found; 1: a finding, kept in build-fuzz/findings; 77: no clang with libFuzzer here.
set -eu
cd "$(dirname "$0")/../.."
seconds=${1:-30}
case $seconds in '' | *[!0-9]*) echo "usage: run.sh SECONDS" >&2; exit 64 ;; esac
each=$((seconds / 5))
[ "$each" -ge 1 ] || each=1
clang=${FUZZ_CC:-clang}
out=build-fuzz

probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { (void)d; (void)n; return 0; }' >"$probe/p.c"
if ! command -v "$clang" >/dev/null 2>&1; then
	echo "skipped: $clang is not installed (Debian: apt install clang)"
	exit 77
fi
if ! "$clang" -fsanitize=fuzzer,address,undefined "$probe/p.c" -o "$probe/p" >/dev/null 2>&1; then
	echo "skipped: $clang lacks libFuzzer or the sanitizers (Debian: apt install libclang-rt-dev)"
	exit 77
fi

flags='-g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all'
if [ ! -f "$out/build.ninja" ]; then
	CC=$clang meson setup "$out" --buildtype=plain -Db_sanitize=address,undefined -Db_lundef=false \
		-Dc_args="$flags -fsanitize=fuzzer-no-link" >"$out.log" 2>&1 || { cat "$out.log"; exit 1; }
	rm -f "$out.log"
fi
libs=$(ninja -C "$out" -t targets all | sed -n 's/^\(src\/\(base\|vision\)\/lib[a-z0-9_]*\.a\):.*/\1/p')
ninja -C "$out" $libs >"$out/compile.log" 2>&1 || { tail -n 60 "$out/compile.log"; exit 1; }

archives=$(for lib in $libs; do printf '%s/%s ' "$out" "$lib"; done)
compile() { # program, source, sanitizers, further sources from the root
	"$clang" -std=gnu17 -D_GNU_SOURCE -ffp-contract=off -Wall -Wextra $flags -fsanitize="$3" -Iinclude -Isrc "tests/fuzz/$2" ${4:-} -o "$out/$1" \
		-Wl,--start-group $archives -Wl,--end-group \
		$(pkg-config --cflags --libs libjpeg spng libtiff-4 sqlite3 libsodium) -lm -pthread
}
# fuzzer-no-link: the libraries it links carry coverage counters, which want a runtime
compile make_seeds make_seeds.c address,undefined,fuzzer-no-link
for target in image recipe net onnx; do
	compile "fuzz_$target" "fuzz_$target.c" fuzzer,address,undefined
done
# of the station only what reads requests: it needs no server
compile fuzz_http fuzz_http.c fuzzer,address,undefined src/station/http/target.c

rm -rf "$out/seeds" "$out/corpus"
mkdir -p "$out/findings"
for target in image recipe net onnx http; do mkdir -p "$out/seeds/$target" "$out/corpus/$target"; done
"$out/make_seeds" "$out/seeds"

status=0
for target in image recipe net onnx http; do
	log=$out/fuzz_$target.log
	if ASAN_OPTIONS=allocator_may_return_null=1:${ASAN_OPTIONS:-} "$out/fuzz_$target" -max_total_time="$each" \
		-rss_limit_mb=2048 -timeout=10 -max_len=65536 -artifact_prefix="$out/findings/$target-" -print_final_stats=1 \
		"$out/corpus/$target" "$out/seeds/$target" >"$log" 2>&1; then
		printf 'fuzz %s: %s inputs in %s s, nothing found\n' "$target" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$each"
	else
		status=1
		tail -n 60 "$log"
		echo "fuzz $target: a finding, kept as $out/findings/$target-*"
	fi
done
exit $status
