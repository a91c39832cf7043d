#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# assay run as a process: run.sh ASSAY LINE JSONL (programs made by the build).
set -eu
[ $# = 3 ] || { echo "usage: run.sh ASSAY LINE JSONL" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") line=$(absolute "$2") jsonl=$(absolute "$3")
. "$here/../cli/lib.sh"

tmp=$(mktemp -d)
pid=
done=
clean() {
	[ -n "$done" ] || echo "not ok - the script stopped early"
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS NOTIFY_SOCKET WATCHDOG_USEC JOURNAL_STREAM
cd "$tmp"
get() { "$jsonl" get "$1" <"$2"; }
mkdir good pics
"$line" good 0 24 128 128 0
"$line" pics 100 12 128 128 50
exits 0 "teach the recipe" "$assay" teach -o tiny.assay --working-size 64 --bank 64 --overkill 5% good

station() { # extra lines of the camera, of the station, trigger
	printf 'station:\n  name: cell\n  deadline_ms: 5000\n  state_dir: state\n%s\n' "$2"
	printf 'recipes:\n  - name: tiny\n    file: tiny.assay\ncameras:\n  - name: top\n%s\n' "$1"
	printf 'triggers:\n  - %s\noutputs:\n  - type: stdout\n' "$3"
}
equation() { # what, summary
	same "$1: triggers = verdicts" "$(($(get pass "$2") + $(get fail "$2") + $(get fault "$2")))" "$(get triggers "$2")"
	same "$1: triggers = records" "$(get recorded "$2")" "$(get triggers "$2")"
}

# --- checking
station '    type: folder
    path: pics' '' 'type: timer
    rate_hz: 50' >replay.yaml
exits 0 "run --check of a good file" "$assay" run --check replay.yaml
says out fine "run --check says so"
check "run --check makes nothing" test ! -e state
sed 's/rate_hz: 50/rate_hz: 0/; s/deadline_ms: 5000/deadlin_ms: 5/' replay.yaml >bad.yaml
exits 64 "run --check of a bad file" "$assay" run --check bad.yaml
says err "bad.yaml:3: station: unknown key 'deadlin_ms'; did you mean deadline_ms?" "it names line, key and the near one"
says err "rate_hz: found '0', expected" "it names every error"
exits 64 "run refuses a bad file too" "$assay" run bad.yaml
exits 74 "run of a file that is not there" "$assay" run none.yaml
sed 's/tiny.assay/none.assay/' replay.yaml >lost.yaml
exits 74 "run with a recipe that is not there" "$assay" run lost.yaml
says err none.assay "it names the recipe"

# --- a folder once through, with one damaged file
head -c 400 pics/0003.png >cut
mv cut pics/0003.png
exits 0 "run replays a folder" "$assay" run --summary --parts 12 replay.yaml
tail -n 1 out >summary
grep '^{"schema"' out >lines
equation "folder" summary
same "one line for each verdict" "$(grep -c . <lines)" "$(get triggers summary)"
same "the damaged file is FAULT broken" "$(grep '"code":"0003.png"' lines | "$jsonl" get fault)" broken
says lines 0003.png "and is named"
check "there are FAILs" test "$(get fail summary)" -gt 0

# --- a restart goes on counting; stopped by a signal
station '    type: virtual
    prerender: 8
    rate_hz: 200' '' 'type: free' >free.yaml
before=$(get sequence summary)
wait_for() { # file, text
	tries=0
	until grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || return 1
		sleep 0.1
	done
}
"$assay" run --summary free.yaml >out2 2>err2 &
pid=$!
check "it starts and judges" wait_for out2 '"sequence":'"$((before + 30))"
kill -HUP $pid
check "SIGHUP reads the recipes again" wait_for err2 'recipes were read again'
kill -TERM $pid
status=0
wait $pid || status=$?
pid=
same "SIGTERM ends it with 0" "$status" 0
tail -n 1 out2 >summary2
equation "after SIGTERM" summary2
same "sequence numbers go on after a restart" "$(head -n 1 out2 | "$jsonl" get sequence)" "$((before + 1))"
same "and have no gap" "$(get sequence summary2)" "$((before + $(get triggers summary2)))"

# --- more than it can do
station '    type: virtual
    prerender: 8
    rate_hz: 0' '  hall: 2
  workers: 1' 'type: free' >overload.yaml
exits 0 "run under overload" "$assay" run --summary --seconds 2 overload.yaml
tail -n 1 out >summary3
equation "overload" summary3
check "the excess is FAULT" test "$(get fault summary3)" -gt 0
check "and some are judged" test "$(get pass summary3)" -gt 0

# --- and the auditor agrees with all of it
exits 0 "assay verify finds nothing" "$assay" verify state
says out "$(get sequence summary3) = $(get sequence summary3) records" "every number has its record"

done=1
conclude
