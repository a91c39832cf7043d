#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What `make bench` prints: run.sh BUILD. First `assay bench`, then teaching and inspecting real pictures where they are at
# hand: 60 castings (300 x 300 px) from $ASSAY_DATA/castings, or ../shared/data/castings beside the project.
set -eu
[ $# = 1 ] || { echo "usage: run.sh BUILD" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
assay=$(cd "$1" && pwd)/assay
data=${ASSAY_DATA:-$here/../../shared/data}/castings

"$assay" bench --threads 2
if [ ! -d "$data/train/good" ]; then
	echo "castings: not measured ($data is not there)"
	exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
data=$(cd "$data" && pwd)
pick() { # folder in the set, how many
	mkdir -p "$tmp/castings/$1"
	ls "$data/$1" | sort | head -n "$2" | while read -r name; do ln -s "$data/$1/$name" "$tmp/castings/$1/$name"; done
}
pick train/good 60
pick test/good 40
pick test/defect 40
echo
echo "castings: 60 good parts taught on two cores; the time per picture is that of one core, decoding left out"
"$assay" eval --threads 2 "$tmp/castings" | grep -E 'teach|time|memory'
