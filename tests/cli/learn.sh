#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Learning, lineage, going back and suspects on the command line: learn.sh ASSAY GEN JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: learn.sh ASSAY GEN JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") gen=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS
cd "$tmp"
mkdir good more bad masks
"$gen" good good 0 24
"$gen" good more 60 8
"$gen" defect bad 100 4 masks
quick="--working-size 128 --bank 256"
get() { "$jsonl" get "$1"; }

# --- suspects
mkdir mixed
cp good/*.png mixed
cp bad/100.png bad/101.png mixed
exits 0 "teach with bad parts among the good" "$assay" teach -o mixed.assay $quick --json mixed
same "they are left out" "$(get parts_used <out)" 24
same "teach --json names the suspects" "$(grep -o '"part":"[0-9]*.png"' out | sort | tr '\n' ' ')" \
	'"part":"100.png" "part":"101.png" '
exits 0 "info of a recipe with suspects" "$assay" info mixed.assay
says out "suspects      2 parts look bad among the others and were left out" "info tells the suspects"
exits 0 "teach --keep-suspects" "$assay" teach -o kept.assay $quick --keep-suspects mixed
says out "were learnt all the same" "teach tells that they were learnt"
says out "parts         26 offered, 26 used" "all parts are used then"

# --- learn
exits 0 "teach" "$assay" teach -o plain.assay $quick --json good
taught=$(get content_hash <out)
same "a clean set has no suspects" "$(grep -c '"suspects":\[\]' out)" 1
exits 0 "teach --keep-parts" "$assay" teach -o part.assay $quick --keep-parts 16 --json good
same "stored pictures leave the recipe as it is" "$(get content_hash <out)" "$taught"
cp part.assay first.assay
exits 0 "learn --dry-run" "$assay" learn part.assay --good more --ng bad --dry-run --json
learnt=$(get content_hash <out)
check "a dry run writes nothing" cmp -s part.assay first.assay
same "a dry run says so" "$(get written <out) $(get goods_learnt <out) $(get defects_stored <out)" "false 8 4"
exits 0 "learn" "$assay" learn part.assay --ng bad --author "M. Chen" --good more
says out "8 good learnt, 4 defects stored" "learn tells what it took"
says out "flips         1 good parts pass now:" "learn tells the flips"
says out "064.png" "learn names the flips"
check "learn tells that all can be compared" sh -c '! grep -q "not compared" out'
exits 0 "info tells the lineage" "$assay" info part.assay --json
same "learn does what its dry run told" "$(get content_hash <out)" "$learnt"
says out '"author":"M. Chen","goods":8,"defects":4' "the lineage tells who and how many"
exits 0 "info for people" "$assay" info part.assay
says out "lineage       0: taught, $(echo "$taught" | cut -c1-12)" "info tells what was taught"
says out "stored        32 good parts and 4 defects" "info tells what is stored"
cp part.assay learnt.assay
exits 0 "learn what is known" "$assay" learn part.assay --good more good --ng bad
says out "nothing is new" "nothing is new"
check "then nothing is written" cmp -s part.assay learnt.assay
cp first.assay other.assay
exits 0 "learn with other threads and another order" "$assay" learn other.assay -j 3 --ng bad --good $(ls more/*.png | sort -r) --json
same "neither matters" "$(get content_hash <out)" "$learnt"
exits 0 "learn without stored parts" "$assay" learn plain.assay --good more
says out "not compared  22 good parts" "learn tells what it cannot compare"
exits 0 "learn --catch" "$assay" learn plain.assay --ng bad --catch 10% --json

# --- refusals
exits 64 "nothing to learn is a usage error" "$assay" learn part.assay
exits 64 "--good without pictures is a usage error" "$assay" learn part.assay --good --json
exits 64 "--revert and --good is a usage error" "$assay" learn part.assay --revert --good more
exits 2 "a defect that was taught as good" "$assay" learn part.assay --ng good/000.png
says err "good/000.png is labelled a defect" "a defect that was taught as good: the message"
exits 2 "a step that is not there" "$assay" learn part.assay --revert 7
says err "has no step 7" "a step that is not there: the message"
: >broken.png
exits 2 "an unreadable picture" "$assay" learn other.assay --good broken.png
says err "broken.png" "an unreadable picture is named"
check "refusals leave the recipe" cmp -s part.assay learnt.assay

# --- back
exits 0 "learn --revert --dry-run" "$assay" learn part.assay --revert --dry-run
check "which writes nothing" cmp -s part.assay learnt.assay
exits 0 "learn --revert" "$assay" learn part.assay --revert --json
same "the earlier bits are back" "$(get content_hash <out) $(get reverted_to <out)" "$taught 0"
"$assay" inspect first.assay more bad --json >before || :
"$assay" inspect part.assay more bad --json >after || :
check "with the same verdicts to the bit" cmp -s before after
exits 0 "learn --revert HASH" "$assay" learn part.assay --revert "$(echo "$learnt" | cut -c1-10)" --json
same "and forward again" "$(get content_hash <out)" "$learnt"
exits 0 "info after going back and forth" "$assay" info part.assay
says out "3: revert, " "the lineage tells all steps"

# --- killed at any moment it is the old recipe or the new one
cp first.assay killed.assay
for wait in 0.05 0.1 0.2 0.3 0.4 0.6 0.8 1.0 1.3; do
	"$assay" learn killed.assay --good more --ng bad >/dev/null 2>&1 &
	pid=$!
	sleep $wait
	kill -9 $pid 2>/dev/null || :
	wait $pid 2>/dev/null || :
	hash=$("$assay" info killed.assay --json | get content_hash)
	[ "$hash" = "$taught" ] || [ "$hash" = "$learnt" ] || not_ok "killed after $wait s: the recipe" "$hash"
done
exits 0 "learn after being killed" "$assay" learn killed.assay --good more --ng bad --json
same "killed at any moment, learning ends the same" "$(get content_hash <out)" "$learnt"

conclude
