#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/modbus.md and docs/outputs.md say what the tables say, below their line "<!-- from the code -->".
# Usage: docs.sh DOORS_DOC SOURCE_DIR [--renew]
set -u
bad=0
for page in modbus outputs; do
	file=$2/docs/$page.md
	if [ "${3:-}" = --renew ]; then
		{ sed '/^<!-- from the code -->$/q' "$file"; echo; "$1" "$page"; } >"$file.new" && mv "$file.new" "$file"
	fi
	if { sed '/^<!-- from the code -->$/q' "$file"; echo; "$1" "$page"; } | cmp -s - "$file"; then
		echo "ok - docs/$page.md"
	else
		echo "not ok - docs/$page.md is not what the tables say; make it anew: sh tests/station/docs.sh $1 $2 --renew"
		bad=1
	fi
done
exit $bad
