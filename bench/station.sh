#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How much a station bears, with the tiniest recipe: station.sh BUILD [TRIGGERS [SURPLUS]] (default 1000000 and 20000).
# First the highest rate that no part is FAULT at, then TRIGGERS at nine tenths of it, then SURPLUS at twice of it. Each time
# triggers = verdicts = records is checked, and the resident memory is told.
set -eu
[ $# -ge 1 ] || { echo "usage: station.sh BUILD [TRIGGERS [SURPLUS]]" >&2; exit 64; }
build=$(cd "$1" && pwd)
assay=$build/assay line=$build/tests/station/line jsonl=$build/tests/cli/jsonl
triggers=${2:-1000000} surplus=${3:-20000}
tmp=$(mktemp -d "${ASSAY_BENCH_DIR:-/tmp}/assay-station-XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
cd "$tmp"
mkdir good
"$line" good 0 30 128 128 0
"$assay" teach -o tiny.assay --working-size 64 --bank 64 --overkill 5% good >/dev/null
get() { "$jsonl" get "$1" <"$2"; }
run() { # rate, parts
	rm -rf state
	cat >station.yaml <<END
station: {name: bench, state_dir: state, deadline_ms: 1000, hall: 64, frames: 512, slips: 4096}
recipes: [{name: tiny, file: tiny.assay}]
cameras: [{name: top, type: virtual, prerender: 64, defects: 5%, rate_hz: $1, width: 128, height: 128}]
triggers: [{type: free}]
record: {images: none}
END
	"$assay" run --summary --parts "$2" station.yaml >summary 2>log &
	pid=$!
	first= last=
	while kill -0 $pid 2>/dev/null; do
		rss=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null || :)
		[ -z "$rss" ] || { last=$rss; [ -n "$first" ] || [ ! -d state ] || { sleep 2; first=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null || :); }; }
		sleep 1
	done
	wait $pid || { cat log; exit 1; }
	sum=$(($(get pass summary) + $(get fail summary) + $(get fault summary)))
	if [ "$sum" = "$(get triggers summary)" ] && [ "$sum" = "$(get recorded summary)" ]; then same='equal'; else same='NOT EQUAL'; fi
	echo "asked for $1 Hz: $(get rate_hz summary) Hz, triggers $(get triggers summary), verdicts $sum, records $(get recorded summary): $same;" \
		"FAULT $(get fault summary); latency ms p50 $(get latency_ms_p50 summary) p99 $(get latency_ms_p99 summary) max $(get latency_ms_max summary);" \
		"resident KiB ${first:-?} -> ${last:-?}"
}
rate=200
best=$rate
while [ $rate -le 12800 ]; do
	run $rate $((rate * 4))
	reached=$(get rate_hz summary | cut -d. -f1)
	[ "$(get fault summary)" -le 1 ] && [ "$reached" -ge $((rate * 9 / 10)) ] || break
	best=$rate
	rate=$((rate * 5 / 4))
done
echo "highest sustained: $best Hz"
run $((best * 9 / 10)) "$triggers"
run $((best * 2)) "$surplus"
