#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Labelled defects on the command line: labels.sh ASSAY GEN JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: labels.sh ASSAY GEN JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") gen=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS
cd "$tmp"
mkdir -p good more ng/scratch ng/dent masks new
"$gen" good good 0 16
"$gen" defect ng/scratch 100 4 masks
"$gen" defect ng/dent 200 3 masks
"$gen" defect new 300 2 masks
quick="--working-size 128 --bank 256"
get() { "$jsonl" get "$1"; }
exits 0 "teach" "$assay" teach -o plain.assay $quick --json good
hash=$(get content_hash <out)
same "teach without labels says so" "$(grep -o '"labels":null' out)" '"labels":null'

# --- teach and info
exits 0 "teach --ng" "$assay" teach -o part.assay $quick --json --ng ng good
says out '"labels":{"offered":7,"unreadable":0,"repeated":0,"taught":7,"kinds":2,"folds":5,' "teach --ng counts"
labelled=$(get content_hash <out)
check "labels are in the content hash" test "$labelled" != "$hash"
exits 0 "teach --ng again, one thread" "$assay" teach -o again.assay $quick --json --threads 1 --ng ng/ good
same "the same labels give the same recipe" "$(get content_hash <out)" "$labelled"
exits 0 "info" "$assay" info part.assay
says out "labels        7 defects of 2 kinds, " "info tells what labels taught"
exits 0 "info --json" "$assay" info part.assay --json
says out '"taught":7,"kinds":2' "info --json tells what labels taught"

# --- inspect
exits 1 "inspect" "$assay" inspect part.assay --json new
check "every place has a kind" sh -c 'grep -q "\"kind\":\"" out && ! grep -q "\"kind\":null" out'
check "the bank's score is told" grep -q '"bank_score":[0-9]' out
exits 1 "inspect without labels" "$assay" inspect plain.assay --json new
check "without labels there is no kind and no head" grep -q '"head_score":null.*"kind":null' out

# --- masks and boxes
echo '10 10 20 20' >ng/scratch/100.boxes
cp "$(find masks -name '100*' | head -n 1)" ng/scratch/101_mask.png
exits 0 "teach --ng with a mask and boxes" "$assay" teach -o marked.assay $quick --json --ng ng good
says out '"offered":7' "a mask is not a picture"
printf '10 10 20 20\n10 10 900 20\n' >ng/scratch/100.boxes
exits 2 "boxes outside the picture" "$assay" teach -o x.assay $quick --ng ng good
says err 'ng/scratch/100.boxes:2: expected "x y width height"' "boxes outside the picture: file, line and what was expected"
rm ng/scratch/100.boxes ng/scratch/101_mask.png

# --- refusals
mkdir empty
exits 2 "--ng without pictures" "$assay" teach -o x.assay $quick --ng empty good
exits 2 "--ng that is not there" "$assay" teach -o x.assay $quick --ng nowhere good
says err nowhere "--ng that is not there is named"
cp good/000.png ng/dent/zz.png
exits 2 "a good part among the defects" "$assay" teach -o x.assay $quick --ng ng good
says err "ng/dent/zz.png is among the defects and, the same picture, among the good parts as" "a good part among the defects is named"
: >ng/dent/zz.png
exits 2 "an unreadable defect" "$assay" teach -o left.assay $quick --json --ng ng good
says err "ng/dent/zz.png: " "an unreadable defect is named"
says out '"offered":8,"unreadable":1,' "an unreadable defect is counted"
check "the others are learnt from" test -e left.assay
rm ng/dent/zz.png
check "no recipe is left behind by refusals" test ! -e x.assay

# --- eval
mkdir -p set/train set/test
cp -r good set/train/good
cp -r ng/scratch ng/dent set/train
cp -r new set/test/dent
mkdir set/test/good
"$gen" good set/test/good 400 4
exits 0 "eval --labels all" "$assay" eval set $quick --json --labels all
says out '"labels":{"offered":7,' "eval --labels all takes all"
exits 0 "eval --labels 4" "$assay" eval set $quick --json --labels 4
says out '"labels":{"offered":4,' "eval --labels 4 takes four"
first=$(get content_hash <out)
exits 0 "eval --labels 4 again" "$assay" eval set $quick --json --labels 4 --threads 1
same "eval --labels takes the same ones again" "$(get content_hash <out)" "$first"
exits 0 "eval --labels 99" "$assay" eval set $quick --json --labels 99
says err "has only 7 labelled defects; all are taken" "eval --labels says if there are fewer"
exits 0 "eval without --labels" "$assay" eval set $quick --json
says out '"labels":null' "eval without --labels uses none"
says err "--labels all learns from them too" "eval without --labels says that there are some"
exits 64 "--labels 0 is a usage error" "$assay" eval set --labels 0
exits 64 "--labels some is a usage error" "$assay" eval set --labels some
exits 64 "--labels with --recipe is a usage error" "$assay" eval set --labels 3 --recipe part.assay

conclude
