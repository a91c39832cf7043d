#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# That `assay bench` measures and tells what it promises; not how fast. check.sh ASSAY JSONL
set -eu
[ $# = 2 ] || { echo "usage: check.sh ASSAY JSONL" >&2; exit 64; }
assay=$1 jsonl=$2
. "$(cd "$(dirname "$0")" && pwd)/../tests/cli/lib.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS

head="version network network_hash processors seconds"
rooms="runs rooms inspect_ms_min inspect_ms_p50 inspect_ms_p99 inspect_ms_max ratio_to_network"
parts="picture_width picture_height working_width working_height bank_size feature_dim isa"
exits 0 "all of it" env ASSAY_ISA="$("$assay" --version | sed -n 's/^kernels //p')" "$assay" bench --json --seconds 0.01 --soak 120 -j 2
same "its keys" "$("$jsonl" keys <"$tmp/out")" \
	"$head kernels recipe teach_parts teach_threads teach_s $parts $rooms cores workspace_bytes rss_mb rss_peak_mb soak soak_s soak_rss_mb_start soak_rss_mb_end"
check "the ratio is above 1" awk "BEGIN { exit !($("$jsonl" get ratio_to_network <"$tmp/out") > 1) }"
says "$tmp/out" '"threads":2' "two threads are measured"
exits 0 "kernels alone" "$assay" bench --json --seconds 0.01 --part kernels
same "their keys" "$("$jsonl" keys <"$tmp/out")" "$head kernels rss_mb rss_peak_mb"
says "$tmp/out" '"isa":"scalar","peak_gmacs":null' "scalar kernels are measured, without a peak"
exits 0 "as text" "$assay" bench --seconds 0.01 --part rooms
says "$tmp/out" "times the network alone" "the ratio in words"
exits 2 "no recipe" "$assay" bench --recipe "$tmp/none.assay" --part rooms
same "nothing printed" "$(cat "$tmp/out")" ""
exits 64 "no such part" "$assay" bench --part windows
conclude
