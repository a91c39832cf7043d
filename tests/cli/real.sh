#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Real pictures, where they are at hand: real.sh ASSAY JSONL. They lie in $ASSAY_DATA or in ../shared/data beside the project.
set -eu
[ $# = 2 ] || { echo "usage: real.sh ASSAY JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
data=${ASSAY_DATA:-$here/../../../shared/data}
if [ ! -d "$data/bottle" ]; then
	echo "skip - real pictures ($data/bottle is not there)"
	exit 77
fi
assay=$1 jsonl=$2
. "$here/lib.sh"
tmp=$(mktemp -d)
done=
trap '[ -n "$done" ] || echo "not ok - the script stopped early"; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS

exits 0 "teach on bottle" "$assay" teach -o "$tmp/bottle.assay" --json "$data/bottle/train/good"
same "all bottles are used" "$("$jsonl" get parts_used <"$tmp/out")" 209
exits 0 "eval on bottle" "$assay" eval --recipe "$tmp/bottle.assay" --json "$data/bottle"
auroc=$("$jsonl" get auroc <"$tmp/out")
check "bottle: image AUROC $auroc is at least 0.99" awk "BEGIN { exit !($auroc >= 0.99) }"
few="$data/bottle/test/good/000.jpg $data/bottle/test/broken_large/000.jpg $data/bottle/test/contamination/000.jpg"
"$assay" inspect --json "$tmp/bottle.assay" $few >"$tmp/best" || :
ASSAY_ISA=scalar "$assay" inspect --json "$tmp/bottle.assay" $few >"$tmp/scalar" || :
same "bottle: a line each" "$(wc -l <"$tmp/best" | tr -d ' ')" 3
check "bottle: scalar kernels print the same bytes" cmp -s "$tmp/best" "$tmp/scalar"
if [ -d "$data/cookies" ]; then
	exits 0 "eval on cookies" "$assay" eval --json "$data/cookies"
	same "cookies: all parts" "$("$jsonl" get n_train <"$tmp/out") $("$jsonl" get n_test_defect <"$tmp/out")" "31 40"
fi
done=yes
conclude
