#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes docs/screens anew: screens.sh ASSAY LINE WORK_DIR (where tests/web/run.sh has put the packages) FOLDER
set -eu
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
assay=$(absolute "$1") line=$(absolute "$2") work=$(absolute "$3") folder=$(absolute "$4")
here=$(cd "$(dirname "$0")" && pwd)
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
tmp=$(mktemp -d)
cd "$tmp"
. "$here/station.sh"
trap 'stop_stations; rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
teach_recipe 640 480 40
a=$(free_port) b=$(free_port)
station_file cell-4 "$a" '    prerender: 60
    defects: 25%
    rate_hz: 4' '' >a.yaml
station_file cell-5 "$b" '    prerender: 4
    rate_hz: 1' '' >b.yaml
mkdir state-cell-5
printf 'a long password\n' | "$assay" user add anna --role admin --users state-cell-5/users >/dev/null
start_station a.yaml
start_station b.yaml
sleep 40
node "$here/screens.mjs" "$work" "$chromium" "http://127.0.0.1:$a" "http://127.0.0.1:$b" "$folder"
ls -l "$folder"
