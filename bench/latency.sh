#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Trigger to result valid over Modbus, with a recipe as taught by default on pictures of 640 x 480: latency.sh BUILD [PARTS [IDLE_PARTS
# [IDLE_MS]]] (default 5000, 30, 10000). CPUS=0,1 binds the station. Pictures are made before; the record is kept.
set -eu
[ $# -ge 1 ] || { echo "usage: latency.sh BUILD [PARTS [IDLE_PARTS [IDLE_MS]]]" >&2; exit 64; }
build=$(cd "$1" && pwd)
assay=$build/assay
[ -x "$build/bench/latency" ] || { echo "latency.sh: $build/bench/latency is not there; it needs libmodbus" >&2; exit 69; }
tmp=$(mktemp -d "${ASSAY_BENCH_DIR:-/tmp}/assay-latency-XXXXXX")
pid=
trap '[ -z "$pid" ] || kill $pid 2>/dev/null || :; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
cd "$tmp"
mkdir good
"$build/tests/station/line" good 0 40 640 480 0
"$assay" teach -o part.assay ${TEACH:-} good >/dev/null
port=${PORT:-15502}
cat >station.yaml <<END
station: {name: bench, state_dir: state, deadline_ms: 1000, workers: ${WORKERS:-2}}
recipes: [{name: part, file: part.assay}]
cameras: [{name: top, type: virtual, prerender: 64, first: 100, defects: 5%}]
outputs: [{type: modbus_server, bind: 127.0.0.1, port: $port}]
vitals: {watch: ${VITALS:-yes}}
END
${CPUS:+taskset -c $CPUS} "$assay" run --summary station.yaml >summary 2>log &
pid=$!
until grep -q '^event=started\|event=started' log; do
	kill -0 $pid 2>/dev/null || { cat log >&2; exit 1; }
	sleep 0.2
done
"$build/bench/latency" "$port" "${2:-5000}" "${3:-30}" "${4:-10000}"
kill -TERM $pid
wait $pid || { cat log >&2; exit 1; }
pid=
get() { "$build/tests/cli/jsonl" get "$1" <summary; }
echo "of it in the station       $(get triggers) parts: ms mean $(get latency_ms_mean) p50 at most $(get latency_ms_p50) p99 at most $(get latency_ms_p99) max $(get latency_ms_max)"
