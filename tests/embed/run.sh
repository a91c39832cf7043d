#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs libassay into a scratch folder and builds embed.c against it as a stranger would: C11 and C++11, pedantic.
# Usage: run.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DESTDIR=$work meson install -C "$build" --no-rebuild >"$work/install.log" 2>&1 || { cat "$work/install.log"; exit 1; }
pc=$(find "$work" -name assay.pc)
[ -n "$pc" ] || { echo 'assay.pc was not installed'; exit 1; }
prefix=$(sed -n 's/^prefix=//p' "$pc")
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") PKG_CONFIG_SYSROOT_DIR= pkg-config --define-variable=prefix="$work$prefix" --cflags --libs assay)
# shellcheck disable=SC2086
${CC:-gcc} -std=c11 -Wall -Wextra -pedantic -Werror "$source/tests/embed/embed.c" $flags -o "$work/embed"
"$work/embed"
for cxx in g++ clang++; do
	command -v $cxx >/dev/null 2>&1 || continue
	printf '#include <assay/assay.h>\nint main() { assay_error e; e.code = ASSAY_OK; return e.code; }\n' >"$work/x.cc"
	if ! echo '#include <cstdint>' | $cxx -x c++ -fsyntax-only - 2>/dev/null; then continue; fi
	# shellcheck disable=SC2086
	$cxx -std=c++11 -Wall -Wextra -pedantic -Werror -fsyntax-only "$work/x.cc" -I"$work$prefix/include"
	echo "C++11 with $cxx: clean"
done
