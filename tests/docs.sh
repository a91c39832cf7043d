#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# docs/options.md says what the option tables say. Usage: docs.sh ASSAY SOURCE_DIR
set -u
if "$1" options-markdown | cmp -s - "$2/docs/options.md"; then
	echo 'ok - docs/options.md'
else
	echo 'not ok - docs/options.md is not what the option tables say; make it anew: build/assay options-markdown > docs/options.md'
	exit 1
fi
