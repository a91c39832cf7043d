#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The verbs that read a station's record: record.sh ASSAY BENCH_RECORD JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: record.sh ASSAY BENCH_RECORD JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") make=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/lib.sh"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS
cd "$tmp"
mkdir station
"$make" station 500 >/dev/null

for verb in verify replay export; do
	exits 0 "$verb --help" "$assay" "$verb" --help
	says out "Exit status" "$verb --help tells the exit status"
	exits 64 "$verb without arguments is a usage error" "$assay" "$verb"
done
exits 0 "verify" "$assay" verify station
says out "triggers   500 = 500 records + 0 in stated gaps" "verify: triggers = records"
says out "all as it was recorded" "verify: nothing found"
exits 0 "verify --json" "$assay" verify --json station
same "verify --json keys" "$("$jsonl" keys <out)" "station_dir ok findings links parts events triggers pass fail fault lost challenge signatures signed_link images_kept images_read images_pruned images_lost images_pending recipes last_hash"
same "verify --json: fail" "$("$jsonl" get fail <out)" 10
exits 0 "verify with the auditor's key" "$assay" verify --key station/record.pub station
printf '%064d\n' 1 >other.pub
exits 1 "verify with another key" "$assay" verify --key other.pub station
says out "signed by another key" "verify with another key says so"
exits 2 "verify where no record is" "$assay" verify .

exits 0 "export" "$assay" export station
same "export: a line a part and a heading" "$(wc -l <out)" 501
exits 0 "export of a range" "$assay" export station --csv table.csv --parts 10-19 --verdict pass
same "export of a range: lines" "$(wc -l <table.csv)" 11
exits 0 "export before a time" "$assay" export station --to 2020-01-01
same "export before a time: the heading alone" "$(wc -l <out)" 1
exits 64 "export of no range" "$assay" export station --parts 9-3
exits 0 "export --pictures" "$assay" export station --pictures set
says out "500 parts have none" "export --pictures: no picture was kept"
check "export --pictures: folders" test -d set/train/good -a -d set/test/defect

exits 2 "replay of parts without pictures" "$assay" replay station all
says out "500 skipped" "replay: skipped parts are counted"
exits 2 "replay of a part code" "$assay" replay station LOT7-00000003
says out "1 skipped" "replay of a part code"

# a byte of a part's code, in the record and in the index
for at in $(grep -abo LOT7-00000250 station/record.db | cut -d: -f1); do
	printf M | dd of=station/record.db bs=1 seek="$at" conv=notrunc 2>/dev/null
done
exits 1 "verify after a byte was changed" "$assay" verify station
says out "part 251 (link" "verify names the part"
exits 1 "verify --json after a byte was changed" "$assay" verify --json station
check "verify --json names the part" grep -q '"kind":"record".*"part":251' out
head -c 1000 /dev/zero >station/record.db
exits 2 "verify of what is no record" "$assay" verify station
conclude
