#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Zones, lengths and stated risk on the command line: risk.sh ASSAY GEN JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: risk.sh ASSAY GEN JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") gen=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS
cd "$tmp"
mkdir good bad masks
"$gen" good good 0 24
"$gen" defect bad 100 4 masks
quick="--working-size 128 --bank 256"
get() { "$jsonl" get "$1"; }
exits 0 "teach" "$assay" teach -o plain.assay $quick --json good
hash=$(get content_hash <out)

# --- millimetres
exits 0 "teach --mm-per-px" "$assay" teach -o mm.assay $quick --mm-per-px 0.5 --json good
check "the size of a pixel is in the content hash" test "$(get content_hash <out)" != "$hash"
exits 64 "a pixel of 0 mm is a usage error" "$assay" teach -o x.assay --mm-per-px 0 good
exits 0 "info of a recipe with a pixel size" "$assay" info mm.assay --json
same "info tells the pixel size" "$(get mm_per_px <out) $(get zones <out)" "0.5 0"
exits 1 "inspect tells lengths" "$assay" inspect mm.assay bad/100.png
says out " mm long" "inspect tells lengths in millimetres"
exits 1 "inspect --json tells lengths" "$assay" inspect mm.assay --json bad
same "millimetres go with pixels" "$(grep -o '"length_px":[0-9]*,"length_mm":[0-9.]*' out |
	awk -F'[:,]' '$2 < 1 || $4 != $2 / 2' | wc -l | tr -d ' ')" 0
check "every place has a length" grep -q '"length_mm":[0-9]' out
exits 1 "inspect --json without a pixel size" "$assay" inspect plain.assay --json bad
check "without a pixel size millimetres are null" grep -q '"length_mm":null,"area_mm2":null,"zone":null,"counts":true' out

# --- zones
printf '%s\n' '# all of it, far above what a defect scores' 'zone 1 rough weight 100' \
	'polygon 1 0,0 128,0 128,128 0,128' >rough.zones
exits 0 "teach --zones" "$assay" teach -o zones.assay $quick --zones rough.zones --json good
check "zones are in the content hash" test "$(get content_hash <out)" != "$hash"
exits 0 "inspect: a zone that tolerates" "$assay" inspect zones.assay bad
exits 0 "info of a recipe with zones" "$assay" info zones.assay
says out "zones         2" "info counts the zones"
printf 'zone 1 face length 1mm\npolygon 1 0,0 128,0 128,128 0,128\n' >face.zones
exits 0 "teach --zones in millimetres" "$assay" teach -o zones.assay $quick --zones face.zones --mm-per-px 0.5 good
exits 1 "inspect: a zone that does not tolerate" "$assay" inspect zones.assay bad/100.png
says out "(face)" "inspect names the zone"
printf 'zone 1 face length 99999px\npolygon 1 0,0 128,0 128,128 0,128\n' >long.zones
exits 0 "teach --zones with a least length" "$assay" teach -o zones.assay $quick --zones long.zones good
exits 0 "inspect: too short to count" "$assay" inspect zones.assay bad/100.png
says out "(face, tolerated)" "inspect tells what is tolerated"
exits 2 "zones in millimetres without a pixel size" "$assay" teach -o x.assay $quick --zones face.zones good
says err "face.zones:1: '1mm' is in millimetres" "millimetres without a pixel size: file, line and reason"
printf 'zone 1 face\n\npolygon 1 0,0 128;0 128,128\n' >broken.zones
exits 2 "a broken zones file" "$assay" teach -o x.assay $quick --zones broken.zones good
says err "broken.zones:3: found '128;0', expected a corner" "a broken zones file: file, line and what was expected"
printf 'zone 1 face\npolygon 1 0,0 129,0 128,128\n' >outside.zones
exits 2 "zones outside the pictures" "$assay" teach -o x.assay $quick --zones outside.zones good
says err "outside.zones:2: the corner 129,0 is outside" "zones outside the pictures: file, line and corner"
exits 2 "zones do not go with --scale" "$assay" teach -o x.assay $quick --scale --zones rough.zones good
check "no recipe is left behind by refusals" test ! -e x.assay

# --- check
exits 0 "teach --check" "$assay" teach -o check.assay $quick --check bad good
says out "0 of 4 defects would escape, 0 %" "teach --check tells escapes"
says out "(95 % confidence 0 to 60 %)" "teach --check tells how sure that is"
says out "to catch them all would reject 0 of 24 good parts" "teach --check tells the overkill at zero escapes"
cp -r bad mixed
cp good/000.png mixed/zz_good.png
exits 0 "teach --check --json" "$assay" teach -o check.assay $quick --check mixed --json good
same "teach --check leaves the recipe as it is" "$(get content_hash <out)" "$hash"
says out '"check":{"judged":5,"faults":0,"escaped":1,"escape":0.2,' "a good part among the defects escapes"
says out '"risk":"24 good parts support an overkill of 4 %; for 0.5 % show about 199"' "teach --json states the risk"
: >mixed/broken.png
exits 2 "teach --check with an unreadable picture" "$assay" teach -o check.assay $quick --check mixed --json good
says err "mixed/broken.png" "teach --check names the unreadable picture"
says out '"judged":5,"faults":1' "teach --check counts the unreadable picture"
mkdir empty
exits 2 "teach --check with an empty folder" "$assay" teach -o check.assay $quick --check empty good
says err "the recipe has been written" "teach --check with an empty folder: the message"

# --- splits
mkdir -p set/train/good set/test/good set/test/blob
cp good/*.png set/train/good
"$gen" good set/test/good 60 8
cp bad/*.png set/test/blob
exits 0 "eval --splits" "$assay" eval set $quick --splits 2
says out "set: 2 splits of 32 good parts; taught from 16.0, held out 16.0" "eval --splits tells how it split"
exits 0 "eval --splits --json" "$assay" eval set $quick --keep-suspects --splits 2 --split-parts 20 --json
cp out splits.jsonl
same "eval --splits keys" "$("$jsonl" keys <out)" "dataset splits n_good taught_mean held_out_mean n_fault levels"
same "eval --splits counts" "$(get splits <out) $(get n_good <out) $(get taught_mean <out) $(get held_out_mean <out)" "2 32 20 12"
same "eval --splits: four levels" "$(grep -o '"wanted":[0-9.]*' out | tr '\n' ' ')" '"wanted":0.005 "wanted":0.01 "wanted":0.02 "wanted":0.05 '
exits 0 "eval --splits on one thread" "$assay" eval set $quick --keep-suspects --splits 2 --split-parts 20 --threads 1 --json
check "splits do not depend on threads" cmp -s out splits.jsonl
exits 2 "eval --splits without parts to hold out" "$assay" eval set $quick --splits 1 --split-parts 32
says err "cannot teach from 32 of them and hold others out" "eval --splits without parts to hold out: the message"
exits 64 "--splits and --recipe is a usage error" "$assay" eval set --splits 2 --recipe plain.assay
exits 64 "--split-parts alone is a usage error" "$assay" eval set --split-parts 8
: >set/train/good/broken.png
exits 2 "eval --splits with an unreadable picture" "$assay" eval set $quick --splits 1 --json
says err "broken.png" "eval --splits names the unreadable picture"
same "eval --splits counts the unreadable picture" "$(get n_fault <out)" 1

conclude
