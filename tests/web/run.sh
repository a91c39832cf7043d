#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tests of the pages: run.sh ASSAY LINE WEB_DIR WORK_DIR. Words and sums need node and npm, the rest also chromium;
# 77: skipped.
set -u
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") line=$(absolute "$2") web=$(absolute "$3") work=$(absolute "$4")
here=$(cd "$(dirname "$0")" && pwd)
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome || :)
if ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
	echo "skip - the pages: npm or node is not installed"
	exit 77
fi
mkdir -p "$work" && cp "$web/package.json" "$web/package-lock.json" "$web/.npmrc" "$work/" || exit 1
stamp=$(cat "$web/package.json" "$web/package-lock.json" | sha256sum)
if [ "$(cat "$work/stamp" 2>/dev/null)" != "$stamp" ]; then
	if ! (cd "$work" && npm ci --ignore-scripts --prefer-offline --loglevel=error --fetch-retries=1 --fetch-timeout=30000 >npm.log 2>&1); then
		echo "skip - the pages: npm could not get the packages, see $work/npm.log"
		exit 77
	fi
	printf '%s\n' "$stamp" >"$work/stamp"
fi
bad=0
ln -sfn "$web/src" "$work/src" && cp "$web/tsconfig.json" "$work/"
if (cd "$work" && node_modules/.bin/tsc -p . --preserveSymlinks >tsc.log 2>&1); then
	echo "ok - types"
else
	echo "not ok - types"
	sed 's/^/#   /' "$work/tsc.log" | head -n 20
	bad=1
fi
bundle() { # out, text
	printf '%s\n' "$2" | (cd "$work" && NODE_PATH=$work/node_modules node_modules/.bin/esbuild --bundle --format=esm --platform=neutral \
		--loader=ts --log-level=warning --outfile="$work/$1") || bad=1
}
bundle sums.js "export * from './src/lib/rules'; export { shiftStart } from './src/lib/line'; export { rejectedFrom } from './src/lib/sums';"
bundle text.js "export { table } from './src/text';"
node "$here/text.mjs" "$web" "$work" || bad=1
node "$here/sums.mjs" "$work/sums.js" || bad=1
size=0
for f in $(sed -n 's/.*"\(.*\)")$/\1/p' "$work/../../src/station/http/web_files.h" 2>/dev/null); do size=$((size + $(wc -c <"$f.gz"))); done
if [ "$size" -gt 30000 ] && [ "$size" -le 153600 ]; then
	echo "ok - the pages are $size bytes compressed, at most 150 kB"
else
	echo "not ok - the pages are $size bytes compressed, expected up to 150 kB"
	bad=1
fi
if [ -z "$chromium" ]; then
	echo "skip - the pages in a browser: chromium is not installed"
	[ $bad = 0 ] && exit 77
	exit 1
fi
tmp=$(mktemp -d)
cd "$tmp" || exit 1
. "$here/station.sh"
trap 'stop_stations; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
teach_recipe 256 192 24 || { echo "not ok - the recipe is taught"; cat teach.log; exit 1; }
a=$(free_port) b=$(free_port)
station_file cell-4 "$a" '    prerender: 16
    defects: 80%
    rate_hz: 4' '' >a.yaml
station_file cell-5 "$b" '    prerender: 8
    rate_hz: 8
    silent_after: 12' '  stale_ms: 1500' >b.yaml
start_station a.yaml
start_station b.yaml
timeout 500 node "$here/browser.mjs" "$work" "$chromium" "http://127.0.0.1:$a" "http://127.0.0.1:$b" "$started" "$work/text.js" || bad=1
stop_stations
# a recipe that is still to be taught, on a line that tells what its parts are
c=$(free_port)
station_file cell-6 "$c" '    width: 320
    height: 240
    tell: true
    defects: 20%
    rate_hz: 16' '' | sed 's/housing.assay/fresh.assay/' >c.yaml
mkdir few && "$line" few 5000 12 320 240 0
start_station c.yaml
timeout 280 node "$here/learn.mjs" "$work" "$chromium" "http://127.0.0.1:$c" few || bad=1
exit $bad
