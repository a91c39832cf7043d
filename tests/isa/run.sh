#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same bits on every instruction set: runs same_bits natively, and under qemu as older and other CPUs, and compares.
# Usage: run.sh [BUILD_DIR]; run.sh --renew [BUILD_DIR] writes golden.txt anew once all paths agree (after a new network).
# One line a path, then "N passed, N failed, N skipped". Exit status 0: none failed, 1 otherwise.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
renew=
[ "${1:-}" != --renew ] || { renew=1; shift; }
out=${1:-$root/build-isa}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
network=$root/models/base.net golden=$here/golden.txt
cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok - $*"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $*"; }
skip() { skipped=$((skipped + 1)); echo "skip - $*"; }
has() { command -v "$1" >/dev/null 2>&1; }

# A build file: folder, compiler, architecture, further flags. The warnings are the project's build's to give.
configure() {
	dir=$out/$1 cc=$2 arch=$3 flags=$4
	mkdir -p "$dir"
	{
		echo "cc = $cc"
		echo "flags = -std=gnu17 -O2 -g -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -I$here/stub -I$here -I$root/include -I$root/src $flags"
		echo 'rule cc'
		echo '  command = $cc $flags $own -MMD -MF $out.d -c $in -o $out'
		echo '  depfile = $out.d'
		echo '  deps = gcc'
		echo 'rule link'
		echo '  command = $cc $flags $in -lm -o $out'
		objects=
		for f in "$here"/same_bits.c "$here"/sweep.c "$here"/sweep_pictures.c "$here"/sweep_position.c "$here"/sweep_labels.c "$here"/blake2b.c "$root"/src/base/err.c \
			"$root"/src/station/source/virtual_*.c "$root"/src/vision/net/net.c "$root"/src/vision/net/plan.c \
			"$root"/src/vision/net/isa.c "$root"/src/vision/net/kernel_*.c "$root"/src/vision/bank*.c \
			"$root"/src/vision/prep*.c "$root"/src/vision/bayer*.c "$root"/src/vision/warp*.c "$root"/src/vision/registration.c "$root"/src/vision/place.c \
			"$root"/src/vision/light*.c "$root"/src/vision/scale*.c "$root"/src/vision/features*.c "$root"/src/vision/judge*.c \
			"$root"/src/vision/head*.c "$root"/src/vision/join*.c "$root"/src/vision/labels.c \
			"$root"/src/vision/workspace*.c "$root"/src/vision/calibrate*.c "$root"/src/vision/metrics*.c; do
			own=
			case $f in
			*_neondot.c) of=aarch64 own=-march=armv8.2-a+dotprod ;;
			*_neon.c) of=aarch64 ;;
			*_avx512vnni.c) of=x86_64 own='-mavx512f -mavx512bw -mavx512vl -mavx512vnni' ;;
			*_avxvnni.c) of=x86_64 own="-mavx2 $vnni" ;;
			*_avx2.c) of=x86_64 own=-mavx2 ;;
			*) of=$arch ;;
			esac
			[ "$of" = "$arch" ] || continue
			object=$(basename "$f" .c).o objects="$objects $(basename "$f" .c).o"
			echo "build $object: cc $f"
			echo "  own = $own"
		done
		echo "build same_bits: link$objects"
	} >"$dir/build.ninja.new"
	if cmp -s "$dir/build.ninja.new" "$dir/build.ninja"; then rm "$dir/build.ninja.new"; else mv "$dir/build.ninja.new" "$dir/build.ninja"; fi
	ninja -C "$dir" >"$dir/compile.log" 2>&1 || { tail -n 30 "$dir/compile.log"; return 1; }
}

# Jobs run side by side, as many as there are cores; each leaves NAME.out, NAME.err and NAME.rc in $out.
jobs=$out/jobs
: >"$jobs"
job() { # name, command...
	name=$1
	shift
	rm -f "$out/$name.rc"
	printf '%s\0' "cd '$out' && $* >'$name.out' 2>'$name.err'; echo \$? >'$name.rc'" >>"$jobs"
}
run_jobs() {
	xargs -0 -P "$cores" -n 1 sh -c <"$jobs"
	: >"$jobs"
}
worked() { [ "$(cat "$out/$1.rc" 2>/dev/null)" = 0 ]; }
value() { sed -n "s/^$2 //p" "$out/$1.out" 2>/dev/null; }
why() { # the end of what a job had to say
	sed '/^qemu-.*: warning:/d' "$out/$1.err" | tail -n 3
	[ ! -s "$out/$1.rc" ] || echo "exit status $(cat "$out/$1.rc")"
}

# One path: description, instruction set it must have used, jobs (inspect_..., kernels_..., pictures_...).
judge() {
	what=$1 isa=$2 bad=
	shift 2
	for name in "$@"; do
		kind=${name%%_*}
		if ! worked "$name"; then
			bad="$bad; $kind failed: $(why "$name" | tr '\n' ' ')"
		elif [ "$kind" = pictures ]; then
			cmp -s "$out/pictures" "$out/$name" || bad="$bad; the virtual line's pictures differ"
		else
			[ "$(value "$name" isa)" = "$isa" ] || bad="$bad; $kind ran on $(value "$name" isa)"
			stages=$(diff "$out/${kind}_scalar.out" "$out/$name.out" | sed -n '/^> isa/d; s/^> \([a-z]*\) .*/\1/p' | tr '\n' ' ')
			[ -z "$stages" ] || bad="$bad; $kind differs in $stages"
		fi
	done
	if [ -z "$bad" ]; then ok "$what"; else not_ok "$what$bad"; fi
}

end() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" = 0 ]
	exit
}

machine=$(uname -m) compiler=${CC:-cc} vnni=
[ "$machine" != arm64 ] || machine=aarch64
flags_here=" $(sed -n 's/^flags[^:]*://p' /proc/cpuinfo 2>/dev/null | head -n 1) "
# A CPU that encodes vpdpbusd only as AVX-512 runs the AVX-VNNI source in that encoding.
case $flags_here in
*' avx_vnni '*) ;;
*' avx512_vnni '*) vnni=-DASSAY__VNNI_EVEX ;;
esac

if ! configure native "$compiler" "$machine" ''; then
	not_ok 'same_bits does not compile'
	end
fi
native=$out/native/same_bits
"$native" render "$out/pictures" || { not_ok 'the virtual line cannot be rendered'; end; }
inspect="'$network' '$out/pictures'"

arm=
if [ "$machine" != aarch64 ]; then
	if ! has aarch64-linux-gnu-gcc || ! has qemu-aarch64; then
		skip 'aarch64: aarch64-linux-gnu-gcc or qemu-aarch64 is not installed (sh packaging/deps.sh test)'
	elif ! configure aarch64 aarch64-linux-gnu-gcc aarch64 -static; then
		not_ok 'same_bits does not compile for aarch64'
	else
		arm=1
	fi
fi
memory=
if ! has clang || ! echo 'int main(void) { return 0; }' | clang -fsanitize=memory -x c - -o "$out/probe" 2>/dev/null; then
	skip 'MemorySanitizer: clang or its runtime is not installed (sh packaging/deps.sh test)'
elif ! configure msan clang "$machine" '-fsanitize=memory -fno-omit-frame-pointer'; then
	not_ok 'same_bits does not compile with MemorySanitizer'
else
	memory=1
fi
intel=
if [ "$machine" = x86_64 ] && has qemu-x86_64; then intel=1; else skip 'older x86-64 CPUs: not this machine, or no qemu-x86_64'; fi

# Longest first.
[ ! "$memory" ] || job kernels_msan 'msan/same_bits kernels scalar'
if [ "$arm" ]; then
	job inspect_neon "qemu-aarch64 -cpu cortex-a53 aarch64/same_bits inspect best $inspect"
	job inspect_arm_scalar "qemu-aarch64 -cpu cortex-a53 aarch64/same_bits inspect scalar $inspect"
fi
[ ! "$intel" ] || job inspect_nehalem "qemu-x86_64 -cpu Nehalem native/same_bits inspect best $inspect"
if [ "$arm" ]; then
	job pictures_arm "qemu-aarch64 -cpu cortex-a53 aarch64/same_bits render pictures_arm"
	job inspect_neondot "qemu-aarch64 -cpu max aarch64/same_bits inspect best $inspect"
fi
[ ! "$intel" ] || job inspect_haswell "qemu-x86_64 -cpu Haswell native/same_bits inspect best $inspect"
if [ "$arm" ]; then
	job kernels_neon "qemu-aarch64 -cpu cortex-a53 aarch64/same_bits kernels best"
	job kernels_neondot "qemu-aarch64 -cpu max aarch64/same_bits kernels best"
fi
if [ "$memory" ]; then
	job pictures_msan 'msan/same_bits render pictures_msan'
	job inspect_msan "msan/same_bits inspect scalar $inspect"
fi
for isa in $("$native" list); do
	job "inspect_$isa" "native/same_bits inspect $isa $inspect"
	job "kernels_$isa" "native/same_bits kernels $isa"
done
run_jobs

for isa in $("$native" list); do
	note=
	[ "$isa" != avxvnni ] || [ -z "$vnni" ] || note=" (as AVX-512 encodes it)"
	judge "this CPU, $isa$note" "$isa" "inspect_$isa" "kernels_$isa"
done
if [ "$machine" = x86_64 ]; then
	for isa in avx2 avxvnni avx512vnni; do
		"$native" list | grep -qx "$isa" || skip "$isa: this CPU does not have it"
	done
fi
if [ "$intel" ]; then
	judge 'a CPU with AVX2 (Haswell under qemu)' avx2 inspect_haswell
	judge 'a CPU without AVX2 (Nehalem under qemu)' scalar inspect_nehalem
fi
if [ "$arm" ]; then
	judge 'aarch64, scalar (under qemu)' scalar inspect_arm_scalar pictures_arm
	judge 'aarch64 without dot product (Cortex-A53 under qemu)' neon inspect_neon kernels_neon
	judge 'aarch64 with dot product (under qemu)' neondot inspect_neondot kernels_neondot
fi
[ ! "$memory" ] || judge 'MemorySanitizer, scalar' scalar inspect_msan kernels_msan pictures_msan

# The same as ever: golden.txt belongs to the network whose checksum it names.
checksum=$(tail -c 32 "$network" | od -An -v -tx1 | tr -d ' \n')
inspections=$(value inspect_scalar all) kernels=$(value kernels_scalar all) labels=$(value kernels_scalar labels)
recorded() { sed -n "s/^$1 //p" "$golden" 2>/dev/null; }
if [ "$renew" ]; then
	if [ "$failed" != 0 ]; then
		not_ok 'golden values: not renewed, because the paths do not agree'
	else
		printf 'network %s\ninspections %s\nkernels %s\nlabels %s\n' "$checksum" "$inspections" "$kernels" "$labels" >"$golden"
		ok "golden values: written to tests/isa/golden.txt"
	fi
elif [ "$(recorded network)" != "$checksum" ]; then
	not_ok "golden values: recorded for network $(recorded network | cut -c 1-16)..., models/base.net is $(echo "$checksum" | cut -c 1-16)...; if the new network is meant, run tests/isa/run.sh --renew and commit tests/isa/golden.txt"
elif [ "$(recorded inspections)" != "$inspections" ] || [ "$(recorded kernels)" != "$kernels" ] ||
	[ "$(recorded labels)" != "$labels" ]; then
	not_ok "golden values: inspections $inspections, kernels $kernels, labels $labels; tests/isa/golden.txt says otherwise: results changed for all users (if that is meant, tests/isa/run.sh --renew)"
else
	ok 'golden values'
fi
end
