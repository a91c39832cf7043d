# SPDX-License-Identifier: Apache-2.0
# A taught recipe and stations on the virtual line, for browser tests and screenshots; to be sourced in an empty folder, with $assay
# and $line set. Sets pids of what it starts; stop_stations ends them.
pids=

teach_recipe() { # width, height, parts
	mkdir -p good
	"$line" good 0 "$3" "$1" "$2" 0 &&
		"$assay" teach -o housing.assay --working-size 160 --bank 256 --overkill 5% good >teach.log 2>&1
}

# name, port, lines of the camera, lines of the station
station_file() {
	printf 'station:\n  name: %s\n  state_dir: state-%s\n  deadline_ms: 20000\n%s\n' "$1" "$1" "$4"
	printf 'recipes:\n  - {name: housing, file: housing.assay}\n'
	printf 'cameras:\n  - name: cam-1\n    type: virtual\n    first: 200\n%s\n' "$3"
	printf 'triggers:\n  - type: free\noutputs:\n  - type: modbus_server\n    port: 0\nrecord:\n  images: all\n'
	printf 'http:\n  port: %s\n  takt_ms: 250\n' "$2"
}

start_station() { # file; waits until it answers
	"$assay" run "$1" >"$1.log" 2>&1 &
	started=$!
	pids="$pids $started"
}

free_port() {
	node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

stop_stations() {
	for p in $pids; do kill "$p" 2>/dev/null || :; done
	for p in $pids; do wait "$p" 2>/dev/null || :; done
	pids=
}
