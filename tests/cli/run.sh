#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The command line as its contract says: run.sh ASSAY GEN JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: run.sh ASSAY GEN JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") gen=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/lib.sh"

tmp=$(mktemp -d)
mounted=
done=
clean() {
	[ -n "$done" ] || echo "not ok - the script stopped early"
	[ -z "$mounted" ] || umount "$mounted" 2>/dev/null || :
	chmod -R u+rwx "$tmp" 2>/dev/null || :
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS
cd "$tmp"
mkdir good bad masks more
"$gen" good good 0 24
"$gen" defect bad 100 6 masks
"$gen" good more 60 8
quick="--working-size 128 --bank 256"
get() { "$jsonl" get "$1"; }

# --- usage
exits 64 "no verb is a usage error" "$assay"
exits 64 "an unknown verb is a usage error" "$assay" teech
says err teach "an unknown verb: the near one is named"
exits 0 "--version" "$assay" --version
exits 0 "--help" "$assay" --help
for verb in teach inspect eval info import; do
	exits 0 "$verb --help" "$assay" "$verb" --help
	says out "Exit status" "$verb --help tells the exit status"
	exits 64 "$verb without arguments is a usage error" "$assay" "$verb"
done
exits 64 "teach without -o is a usage error" "$assay" teach good
exits 64 "an overkill that cannot be is a usage error" "$assay" teach -o x.assay --overkill 60% good
exits 64 "-o on a folder is a usage error" "$assay" teach -o good good
before=$(cksum <good/000.png)
exits 64 "-o on a picture is refused" "$assay" teach -o good/000.png good/001.png good/002.png
same "-o on a picture leaves it as it was" "$(cksum <good/000.png)" "$before"
exits 74 "-o in a folder that does not exist" "$assay" teach -o none/x.assay good
check "no recipe is left behind by refusals" test ! -e x.assay

# --- teach
exits 0 "teach" "$assay" teach -o part.assay $quick good
says out "24 good parts support an overkill of 4 %" "teach states the risk the parts support"
says out "look at it" "teach names the odd part"
says out "assay inspect part.assay" "teach says what to do next"
exits 0 "teach --json" "$assay" teach -o again.assay $quick --json good
hash=$(get content_hash <out)
same "teach --json keys" "$("$jsonl" keys <out)" "recipe parts_offered parts_used parts_repeated parts_unreadable unreadable width height working_width working_height smallest_defect exposure light_tolerance parts_brightened scales position patches bank_size folds threshold score_min score_median score_max overkill_wanted overkill_stated overkill_low overkill_high parts_for_wanted risk odd_part suspects labels content_hash seconds"
same "teach --json counts" "$(get parts_used <out) $(get width <out) $(get parts_for_wanted <out)" "24 128 199"
exits 0 "teach in another order on one thread" "$assay" teach -o other.assay $quick --threads 1 --json \
	$(ls -r good/*.png)
same "the content hash does not depend on order and threads" "$(get content_hash <out)" "$hash"
ASSAY_ISA=scalar exits 0 "teach with scalar kernels" "$assay" teach -o scalar.assay $quick --json good
same "the content hash does not depend on the kernels" "$(get content_hash <out)" "$hash"
mkdir twice
cp good/0*.png twice
cp good/000.png twice/copy.png
exits 0 "teach with a repeated picture" "$assay" teach -o twice.assay $quick --json twice
same "a repeated picture counts once" "$(get parts_repeated <out) $(get content_hash <out)" "1 $hash"
head -c 500 good/003.png >cut.png
exits 2 "teach with an unreadable picture" "$assay" teach -o cut.assay $quick --json good cut.png missing.png
says err "cut.png" "teach names the unreadable picture"
says err "missing.png: " "teach names the missing picture"
same "teach goes on without them" "$(get parts_unreadable <out) $(get content_hash <out)" "2 $hash"
mkdir empty one
cp good/000.png one/a.png
cp good/000.png one/b.png
exits 2 "teach refuses an empty folder" "$assay" teach -o x.assay empty
says err "no picture in this folder" "an empty folder: the reason"
exits 2 "teach refuses one picture repeated" "$assay" teach -o x.assay one
"$gen" png wide.png 160 128 1 8
"$gen" png colour.png 128 128 3 8
exits 2 "teach refuses mixed sizes" "$assay" teach -o x.assay $quick good wide.png
says err "wide.png" "mixed sizes: the message names the picture"
exits 0 "teach --scale takes mixed sizes" "$assay" teach -o scale.assay $quick --scale good wide.png
exits 2 "teach refuses mixed channels" "$assay" teach -o x.assay $quick good colour.png
check "no recipe is left behind by refused sets" test ! -e x.assay
exits 64 "a light tolerance that cannot be is a usage error" "$assay" teach -o x.assay --light-tolerance 200% good
exits 2 "teach refuses a working size beside a smallest defect" "$assay" teach -o x.assay $quick --smallest-defect 9 good
says err "give one of them" "a working size beside a smallest defect: the reason"
exits 0 "teach at the usual scales" "$assay" teach -o usual.assay --bank 512 --folds 2 --light-tolerance 0 good/00*.png
says out "judged at 160 x 160 and 320 x 320 px" "teach tells the scales"
exits 0 "info of several scales" "$assay" info usual.assay
says out "40 x 40 places" "info tells every scale"
says out "brought to the mean of the good parts" "info tells what is done about light"
says out "position      " "info tells how parts lie"
exits 0 "info --json of several scales" "$assay" info usual.assay --json
says out '"scales":[{"working_width":160' "info --json lists the scales"
says out '"position":{"wanted":"auto","chosen":"' "info --json tells how parts lie"
exits 0 "inspect at several scales" "$assay" inspect usual.assay good/001.png
exits 0 "teach --no-exposure" "$assay" teach -o plain.assay $quick --no-exposure good
says out "left as it is" "teach tells that light is left"
exits 0 "teach --roi" "$assay" teach -o roi.assay $quick --roi 16,16,96,96 good
exits 2 "teach refuses a region outside the pictures" "$assay" teach -o x.assay $quick --roi 100,100,96,96 good
exits 2 "teach refuses a mask that does not fit" "$assay" teach -o x.assay $quick --mask wide.png good
exits 0 "teach --mask" "$assay" teach -o mask.assay $quick --mask masks/100_mask.png good
ln -s ../good good/loop
ln -s . good/self
exits 0 "teach survives folders that contain themselves" "$assay" teach -o loop.assay $quick --json good
same "links in circles: every picture once" "$(get parts_offered <out) $(get content_hash <out)" "24 $hash"
rm good/loop good/self

# --- inspect
cp good/000.png plain.png
exits 0 "inspect of taught parts" "$assay" inspect part.assay good/000.png good/001.png
same "inspect prints a line each and a summary" "$(wc -l <out | tr -d ' ')" 3
exits 1 "inspect with defects" "$assay" inspect part.assay bad
says out "6 FAIL" "inspect finds the defects"
says out "place" "inspect tells the places"
exits 1 "inspect --json" "$assay" inspect part.assay --json good bad more
cp out best.jsonl
keys="file verdict score threshold bank_score head_score p_value regions regions_total width height reason"
same "inspect --json keys" "$("$jsonl" keys <out | sort -u)" "$keys"
same "inspect --json in input order" "$(get file <out)" "$(ls good/*.png bad/*.png more/*.png | sed 's,^\(good\),1\1,;s,^\(bad\),2\1,;s,^\(more\),3\1,' | sort | cut -c2-)"
same "inspect --json prints scores exactly" "$(get score <out | grep -cvE '^[0-9]+(\.[0-9]{1,8})?$' || :)" 0
regions='"regions":\[{"x":[0-9]*,"y":[0-9]*,"width":[0-9]*,"height":[0-9]*,"area_px":[0-9]*,"peak":[0-9.]*,"mean":[0-9.]*,"peak_x":[0-9]*,"peak_y":[0-9]*,"length_px":[0-9]*,"length_mm":null,"area_mm2":null,"zone":null,"counts":true,"kind":null}[],]'
same "inspect --json tells the places of every FAIL" "$(grep '"FAIL"' out | grep -c "$regions")" "$(get verdict <out | grep -c FAIL)"
exits 1 "inspect on one thread" "$assay" inspect part.assay --threads 1 --json good bad more
check "the verdicts do not depend on threads" cmp -s out best.jsonl
ASSAY_ISA=scalar exits 1 "inspect with scalar kernels" "$assay" inspect part.assay --json good bad more
check "the verdicts do not depend on the kernels" cmp -s out best.jsonl
ASSAY_ISA=nonsense exits 64 "an unknown kernel name" "$assay" inspect part.assay plain.png
exits 1 "inspect --heatmap" "$assay" inspect part.assay --heatmap heat/maps bad good
check "heat maps mirror the folders" test -s heat/maps/bad/100.png -a -s heat/maps/good/000.png
exits 1 "inspect --heatmap with equal names" "$assay" inspect part.assay --heatmap equal bad/100.png good/000.png twice/000.png
check "equal names are made unique" test -s equal/100.png -a -s equal/000.png -a -s equal/000-2.png
before=$(cksum <bad/100.png)
exits 1 "inspect --heatmap into the folder of the pictures" "$assay" inspect part.assay --heatmap bad bad
same "pictures are never overwritten" "$(cksum <bad/100.png)" "$before"
rm -f bad/*-2.png
touch file
exits 74 "inspect --heatmap on a file" "$assay" inspect part.assay --heatmap file/x plain.png

# --- bad input
mkdir odd
"$gen" jpeg whole.jpg 128 128 1 8
head -c 700 whole.jpg >odd/truncated.jpg
: >odd/zero.png
echo "this is not a picture" >odd/text.jpg
"$gen" png odd/deep.png 128 128 1 16
"$gen" cmyk odd/cmyk.jpg 128 128
"$gen" png odd/long.png 20000 1 1 8
cp wide.png odd/wrong_size.png
cp colour.png odd/wrong_channels.png
cp part.assay odd/recipe.png
cp plain.png odd/zz_plain.png
exits 2 "inspect with bad pictures" "$assay" inspect part.assay --json odd gone.png
cp out odd.jsonl
same "bad pictures: one valid line each" "$("$jsonl" keys <odd.jsonl | sort -u)" "$keys"
verdict_of() { grep -F "\"$1\"" odd.jsonl | get verdict; }
reason_of() { grep -F "\"$1\"" odd.jsonl | get reason; }
for name in truncated.jpg zero.png text.jpg deep.png cmyk.jpg long.png wrong_size.png wrong_channels.png recipe.png; do
	same "$name is a FAULT" "$(verdict_of "odd/$name")" FAULT
	check "$name has a reason" test "$(reason_of "odd/$name")" != null
done
same "a missing picture is a FAULT" "$(verdict_of gone.png)" FAULT
same "the others are still judged" "$(verdict_of odd/zz_plain.png)" PASS
mkdir deep
for width in 128 130 132; do "$gen" png deep/$width.png $width 128 1 16; done
exits 0 "teach from 16-bit pictures" "$assay" teach -o deep.assay $quick --scale --white-level 4095 deep
exits 0 "inspect of a 16-bit picture" "$assay" inspect deep.assay odd/deep.png
exits 2 "a text line for bad pictures" "$assay" inspect part.assay odd/text.jpg plain.png
says out "1 PASS, 0 FAIL, 1 FAULT" "the summary counts FAULT"
exits 2 "inspect of an empty folder" "$assay" inspect part.assay empty plain.png
says out "no picture in this folder" "inspect of an empty folder: the reason"
exits 2 "a picture as recipe" "$assay" inspect plain.png plain.png
says err "plain.png" "a picture as recipe: the message names it"
exits 2 "a missing recipe" "$assay" inspect none.assay plain.png
says err "none.assay" "a missing recipe: the message names it"
size=$(wc -c <part.assay)
head -c $((size / 2)) part.assay >half.assay
exits 2 "a recipe cut in half" "$assay" inspect half.assay plain.png
says err "half.assay" "a recipe cut in half: the message names it"
for part in 3 5 8; do
	cp part.assay damaged.assay
	printf 'XXXXXXXXXXXXXXXX' | dd of=damaged.assay bs=1 seek=$((size * part / 10)) conv=notrunc 2>/dev/null
	exits 2 "a recipe damaged at $part/10" "$assay" inspect damaged.assay plain.png
	says err "damaged.assay" "a recipe damaged at $part/10: the message names it"
done
: >none.assay
exits 2 "an empty recipe" "$assay" info none.assay
mkdir locked
cp plain.png locked
chmod 000 locked
chmod 755 "$tmp"
common=
[ "$(id -u)" != 0 ] || common="setpriv --reuid=65534 --regid=65534 --clear-groups"
if $common test -x "$assay" 2>/dev/null && ! $common test -r locked; then
	exits 2 "an unreadable folder" $common "$assay" inspect part.assay locked plain.png
	says out "cannot read this folder" "an unreadable folder: the reason"
	says out "1 PASS, 0 FAIL, 1 FAULT" "an unreadable folder: the others are judged"
else
	echo "skip - an unreadable folder (root reads all)"
fi
chmod 755 locked
name=$(printf 'a\tb\033[31m.png')
cp plain.png "$name"
exits 0 "control characters in a file name" "$assay" inspect part.assay "$name"
check "control characters are not printed" test "$(tr -d '\n' <out | tr -dc '\001-\037' | wc -c | tr -d ' ')" = 0
exits 0 "control characters in JSON" "$assay" inspect part.assay --json "$name"
same "control characters in JSON are escaped" "$(get verdict <out)" PASS

# --- pipes and disks
"$assay" inspect part.assay --json good more good more good more 2>pipe_err | head -n 1 >/dev/null
same "a broken pipe ends quietly" "$(cat pipe_err)" ""
if [ -w /dev/full ]; then
	status=0
	"$assay" inspect part.assay good >/dev/full 2>err || status=$?
	same "a full disk under the output" "$status" 74
	check "a full disk under the output is told" test -s err
fi
mkdir small
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=64k tmpfs "$tmp/small" 2>/dev/null; then
	mounted=$tmp/small
	exits 74 "heat maps on a full disk" "$assay" inspect part.assay --heatmap small/maps bad good more
	same "heat maps on a full disk: told once" "$(grep -c small/maps err)" 1
	says out "38 pictures" "heat maps on a full disk: all are judged"
	exits 74 "a recipe on a full disk" "$assay" teach -o small/part.assay $quick good
	check "a recipe on a full disk leaves nothing" test ! -e small/part.assay
	umount "$mounted" && mounted=
else
	echo "skip - full disk (needs root and a tmpfs)"
fi

# --- info
exits 0 "info" "$assay" info part.assay
says out "24 good parts" "info tells the parts"
says out "$hash" "info tells the content hash"
exits 0 "info --json" "$assay" info part.assay --json
same "info --json" "$(get content_hash <out) $(get parts_used <out) $(get working_width <out)" "$hash 24 128"
exits 2 "info on a picture" "$assay" info plain.png

# --- eval
mkdir -p set/train/good set/test/good set/test/blob set/ground_truth/blob set/train/blob
cp good/*.png set/train/good
cp more/*.png set/test/good
cp bad/*.png set/test/blob
cp masks/*.png set/ground_truth/blob
cp bad/100.png set/train/blob
exits 0 "eval" "$assay" eval set $quick
says err "train/" "eval says that there are labelled defects"
exits 0 "eval --json" "$assay" eval set $quick --json --dump dump.csv
cp out eval.jsonl
same "eval --json starts with the keys of the contract" "$("$jsonl" keys <out | cut -d' ' -f1-15)" "dataset n_train n_test_good n_test_defect auroc overkill escape overkill_at_zero_escape escape_at_zero_overkill pixel_auroc aupro teach_s inspect_ms_p50 inspect_ms_p99 rss_mb"
same "eval counts" "$(get dataset <out) $(get n_train <out) $(get n_test_good <out) $(get n_test_defect <out)" "set 24 8 6"
same "eval tells goods from blobs" "$(get auroc <out)" 1
check "eval measures pixels where masks exist" test "$(get pixel_auroc <out)" != null -a "$(get aupro <out)" != null
same "--dump has a line for every picture and a heading" "$(wc -l <dump.csv | tr -d ' ')" 15
exits 0 "eval --recipe" "$assay" eval set --recipe part.assay --json
same "eval --recipe judges as eval does" "$(get auroc <out) $(get overkill <out) $(get teach_s <out)" "$(get auroc <eval.jsonl) $(get overkill <eval.jsonl) null"
cp -r set bare
rm -r bare/ground_truth bare/train/blob
exits 0 "eval of two sets" "$assay" eval set bare $quick --json
same "eval of two sets: a line each" "$(get dataset <out | tr '\n' ' ')" "set bare "
same "no masks, no pixel figures" "$(get aupro <out | tail -n 1)" null
mv set/ground_truth/blob/101_mask.png kept.png
cp wide.png set/ground_truth/blob/101_mask.png
exits 2 "a mask of another size" "$assay" eval set $quick
says err "101_mask.png" "a mask of another size is named"
mv kept.png set/ground_truth/blob/101_mask.png
: >set/test/good/zz.png
exits 2 "eval with an unreadable picture" "$assay" eval set $quick --json
says err "zz.png" "eval names the unreadable picture"
same "eval counts the unreadable picture" "$(get n_fault <out)" 1
same "eval measures the others" "$(get auroc <out)" 1
mv set/train/good set/train/gone
exits 2 "eval without train/good" "$assay" eval set
says err "train/good" "eval without train/good: the message"
rm -r set/test
exits 2 "eval without test" "$assay" eval set --recipe part.assay
says err "test" "eval without test: the message"
exits 2 "eval of a missing folder" "$assay" eval nowhere

# --- import
"$gen" onnx backbone.onnx
exits 64 "import without --calibrate is a usage error" "$assay" import backbone.onnx -o x.net
exits 64 "import --mean needs three numbers" "$assay" import backbone.onnx -o x.net --calibrate good --mean 0.5
says err "three numbers" "import --mean: the message"
exits 2 "import of a picture is refused" "$assay" import good/000.png -o x.net --calibrate good
says err "ONNX" "import of a picture: the message"
check "refusals leave no network" test ! -e x.net
before=$(cksum <good/000.png)
exits 64 "import -o on a picture is refused" "$assay" import backbone.onnx -o good/000.png --calibrate good
same "import -o on a picture leaves it as it was" "$(cksum <good/000.png)" "$before"
exits 64 "import: a tap that is none" "$assay" import backbone.onnx -o x.net --calibrate good --tap s5,s8
says err "did you mean" "import: a near tap is named"
exits 0 "import" "$assay" import backbone.onnx -o own.net --calibrate good --pictures 6 --working-size 128
says out "s16: 1/16, 10 channels" "import says what it took"
says out "dB" "import says how close the integers come"
says out "assay teach --network own.net" "import says what to do next"
mkdir half
cp good/000.png good/001.png half
: >half/zz.png
exits 2 "import with an unreadable picture" "$assay" import backbone.onnx -o half.net --calibrate half --working-size 128 --json
says err "zz.png" "import names the unreadable picture"
same "import counts the unreadable picture" "$(get pictures_unreadable <out) $(get pictures_used <out)" "1 2"
exits 0 "teach --network" "$assay" teach -o own.assay $quick --network own.net good
exits 0 "info tells the network" "$assay" info own.assay --json
same "info names the network imported" "$(get network <out) $(get feature_dim <out)" "own 32"
ASSAY_NET=own.net "$assay" teach -o env.assay $quick --json good >out
same "ASSAY_NET teaches the same recipe" "$(get content_hash <out)" "$("$assay" info own.assay --json | "$jsonl" get content_hash)"
exits 0 "a recipe carries its network" "$assay" inspect own.assay good/000.png
exits 0 "teach --network base" "$assay" teach -o named.assay $quick --network base --json good
same "base is the default" "$(get content_hash <out)" "$hash"
exits 0 "teach --network tiny" "$assay" teach -o tiny.assay $quick --network tiny --json good
exits 0 "inspect with tiny" "$assay" inspect tiny.assay good/000.png
exits 0 "info of tiny" "$assay" info tiny.assay --json
same "info names tiny" "$(get network <out)" tiny
exits 74 "teach --network of nothing" "$assay" teach -o x.assay --network none.net good
exits 2 "teach --network of a picture" "$assay" teach -o x.assay --network good/000.png good
exits 74 "teach --network misspelt" "$assay" teach -o x.assay --network bsae good
says err "base" "teach --network misspelt: the near one is named"

done=yes
conclude
