#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Formatting, shell syntax, file length, compilers' warnings with clang.
set -u
cd "$(dirname "$0")/.." || exit 1
bad=0
if command -v clang-format >/dev/null 2>&1; then
	git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror || bad=1
fi
for f in $(git ls-files '*.sh'); do sh -n "$f" || bad=1; done
long=$(git ls-files '*.c' '*.h' '*.py' '*.ts' '*.tsx' '*.mjs' | xargs wc -l | awk '$2 != "total" && $1 > 800')
[ -z "$long" ] || { echo "over 800 lines:"; echo "$long"; bad=1; }
[ -f build-clang/build.ninja ] || CC=clang meson setup build-clang -Dwerror=true >/dev/null || bad=1
ninja -C build-clang || bad=1
exit $bad
