#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/options.md and docs/station.md say what the option tables say. Usage: docs.sh ASSAY SOURCE_DIR
set -u
bad=0
check() { # page, verb that makes it
	if "$1" "$3" | cmp -s - "$2"; then
		echo "ok - ${2##*/}"
	else
		echo "not ok - $2 is not what the option tables say; make it anew: build/assay $3 > docs/${2##*/}"
		bad=1
	fi
}
check "$1" "$2/docs/options.md" options-markdown
check "$1" "$2/docs/station.md" station-markdown
exit $bad
