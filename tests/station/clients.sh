#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Programs that nobody here wrote against a running station, all doors encrypted: curl, promtool, mbpoll, mosquitto_sub, sqlite3, and a
# clock that is set back. clients.sh ASSAY LINE JSONL RECEIVER CLOCK (made by the build). What is not installed is skipped, with a line.
# The broker is away for BROKER_AWAY_S seconds (default 3; 60 for the whole minute).
set -eu
[ $# = 5 ] || { echo "usage: clients.sh ASSAY LINE JSONL RECEIVER CLOCK" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") line=$(absolute "$2") jsonl=$(absolute "$3") receiver=$(absolute "$4") clock=$(absolute "$5")
. "$here/../cli/lib.sh"
PATH=$PATH:/usr/sbin:/usr/local/sbin
for tool in openssl curl mosquitto mosquitto_sub mbpoll; do
	command -v $tool >/dev/null 2>&1 || { echo "skipped: $tool is not installed"; exit 77; }
done

tmp=$(mktemp -d)
pids=
done=
clean() {
	[ -n "$done" ] || { echo "not ok - the script stopped early"; cat "$tmp/log" 2>/dev/null | grep -v 'event=fault' | tail -n 5; }
	for p in $pids; do kill "$p" 2>/dev/null || :; done
	rm -rf "$tmp"
}
trap clean EXIT
trap 'exit 130' INT TERM
unset ASSAY_ISA ASSAY_NET ASSAY_THREADS WATCHDOG_USEC WATCHDOG_PID JOURNAL_STREAM
cd "$tmp"
chmod 755 .
wait_for() { # file, text
	tries=0
	until grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || return 1
		sleep 0.1
	done
}
get() { "$jsonl" get "$1" <"$2"; }

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
chmod 600 key.pem
mkdir good
"$line" good 0 24 128 128 0
"$assay" teach -o tiny.assay --working-size 64 --bank 64 --overkill 5% good >/dev/null

# --- the other ends
"$receiver" https cert.pem key.pem >received &
pids="$pids $!"
"$receiver" datagrams "$tmp/notify" >notified &
pids="$pids $!"
wait_for received .
hook=$(head -n 1 received)
# a port that is free now; the broker says if it is not when it starts
broker_port=$((20000 + $$ % 10000)) modbus_port=$((30000 + $$ % 10000)) http_port=$((40000 + $$ % 10000))
mkdir -m 777 broker
cp key.pem broker/key.pem
chmod 644 broker/key.pem
cat >broker.conf <<END
listener $broker_port 127.0.0.1
certfile $tmp/cert.pem
keyfile $tmp/broker/key.pem
allow_anonymous true
persistence true
persistence_location $tmp/broker/
max_queued_messages 0
END
[ "$(id -u)" != 0 ] || echo 'user root' >>broker.conf
start_broker() {
	mosquitto -c broker.conf >>broker.log 2>&1 &
	broker=$!
	pids="$pids $broker"
}
start_broker
wait_for broker.log running
mosquitto_sub -h localhost -p "$broker_port" --cafile cert.pem -i reader -c -q 1 -t 'assay/#' >heard 2>heard.err &
pids="$pids $!"
wait_for broker.log 'as reader'
sleep 0.5

cat >station.yaml <<END
station: {name: cell, state_dir: state, deadline_ms: 20000}
recipes: [{name: tiny, file: tiny.assay}]
cameras: [{name: top, type: virtual, prerender: 8}]
outputs:
  - {type: modbus_server, bind: 127.0.0.1, port: $modbus_port}
  - {type: mqtt, host: localhost, port: $broker_port, tls: yes, ca_file: $tmp/cert.pem}
  - {type: webhook, url: 'https://localhost:$hook/', ca_file: $tmp/cert.pem}
  - {name: untrusted, type: webhook, url: 'https://localhost:$hook/'}
http: {port: $http_port, tls_cert: cert.pem, tls_key: key.pem}
END
start_station() { # environment...
	env NOTIFY_SOCKET="$tmp/notify" WATCHDOG_USEC=1000000 "$@" "$assay" run --summary station.yaml >summary 2>>log &
	station=$!
	pids="$pids $station"
}
stop_station() {
	kill -TERM $station
	status=0
	wait $station || status=$?
}
start_station
check "systemd is told that it is ready" wait_for notified READY=1
check "and the watchdog is fed" wait_for notified WATCHDOG=1

ask() { curl -sS --cacert cert.pem "$@"; }
base=https://localhost:$http_port
token=$(ask $base/api/v1/session | "$jsonl" get csrf)
trigger() { ask -H "X-CSRF-Token: $token" -H 'Content-Type: application/json' -d "{\"trigger_id\":$1}" $base/api/v1/trigger; }

# --- HTTPS
same "curl trusts the certificate and is answered" "$(ask $base/api/v1/health | "$jsonl" get ready)" true
check "without that certificate curl refuses" sh -c "! curl -sS $base/api/v1/health 2>/dev/null"
check "plain HTTP is not spoken" sh -c "! curl -sS http://localhost:$http_port/api/v1/health 2>/dev/null | grep -q ready"
check "TLS 1.1 is not spoken" sh -c "! curl -sS --cacert cert.pem --tls-max 1.1 $base/api/v1/health 2>/dev/null"
trigger 1 >answer
same "a part is triggered over HTTPS, and on record" "$(get recorded answer)" true

# --- metrics
ask $base/metrics >metrics
if command -v promtool >/dev/null 2>&1; then
	check "promtool accepts the metrics" promtool check metrics <metrics
else
	echo "skipped: promtool is not installed (Debian: prometheus)"
fi
check "vitals are among them" grep -q '^assay_vital_warning{camera="top",cause="lamp"} 0' metrics

# --- Modbus
check "mbpoll sets the trigger" sh -c "mbpoll -m tcp -p $modbus_port -0 -1 -t 4 -r 2 127.0.0.1 0 4711 >/dev/null 2>&1 && mbpoll -m tcp -p $modbus_port -0 -1 -t 0 -r 0 127.0.0.1 1 >/dev/null 2>&1"
sleep 1
mbpoll -m tcp -p "$modbus_port" -0 -1 -B -t 3:int -r 42 -c 1 127.0.0.1 >polled 2>&1 || :
says polled 4711 "mbpoll reads the trigger id of the result"

# --- the broker is away
kill -TERM $broker
wait $broker || :
from=3
for i in 3 4 5 6 7 8; do trigger $i >/dev/null; done
sleep "${BROKER_AWAY_S:-3}"
trigger 9 >/dev/null
start_broker
check "mosquitto_sub hears the last one over TLS" wait_for heard '"trigger_id":9[,}]'
grep -o '"trigger_id":[0-9]*' heard | grep -o '[0-9]*$' | awk '!seen[$0]++' | tr '\n' ' ' >order
same "and all, in order" "$(cat order)" "1 4711 3 4 5 6 7 8 9 "

# --- the webhook
check "the webhook posts over TLS" wait_for received '"trigger_id":9[,}]'
ask $base/api/v1/status >status
check "a webhook that does not trust the receiver says so" grep -q '"name":"untrusted"[^}]*"up":false' status
stop_station
same "it drains and ends with 0" "$status" 0
check "systemd is told" wait_for notified STOPPING=1

# --- an hour back while it runs
if ! ldd "$assay" | grep -q asan; then
	: >notified
	start_station LD_PRELOAD="$clock" CLOCK_BACK="$tmp/back"
	wait_for notified READY=1
	token=$(ask $base/api/v1/session | "$jsonl" get csrf)
	trigger 10 >/dev/null
	: >back
	trigger 11 >answer
	same "with the clock set back an hour a part is on record" "$(get recorded answer)" true
	same "and numbers go on" "$(get sequence answer)" 11
	stop_station
	rm back
	same "and it ends with 0" "$status" 0
else
	echo "skipped: a library before AddressSanitizer's"
fi
exits 0 "assay verify finds nothing" "$assay" verify state

# --- the record
if command -v sqlite3 >/dev/null 2>&1; then
	db=$(find state -maxdepth 1 -name '*.db' -o -maxdepth 1 -name '*.sqlite' | head -n 1)
	same "sqlite3 opens the record and finds it sound" "$(sqlite3 -readonly "$db" 'PRAGMA integrity_check')" ok
	check "and reads its parts" sh -c "[ \"\$(sqlite3 -readonly '$db' 'SELECT count(*) FROM parts')\" -ge 9 ]"
	if ! ldd "$assay" | grep -q asan; then
		check "and that the clock was set" sh -c "[ \"\$(sqlite3 -readonly '$db' \"SELECT count(*) FROM events WHERE kind = 'clock_set'\")\" -ge 1 ]"
	fi
else
	echo "skipped: sqlite3 is not installed"
fi
done=1
conclude
