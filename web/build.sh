#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Bundles the pages and writes a C header that names them: build.sh auto|enabled|disabled WEB_DIR WORK_DIR HEADER DEPFILE
# The packages come by package-lock.json into WORK_DIR; the source folder stays as it is. In mode auto, a machine without
# npm, or without a way to the packages, gets plain.html in their place.
set -eu
mode=$1 web=$2 work=$3 header=$4 depfile=$5
mkdir -p "$work/out"
work=$(cd "$work" && pwd)
out=$work/out

packages() {
	stamp=$(cat "$web/package.json" "$web/package-lock.json" | sha256sum)
	[ "$(cat "$work/stamp" 2>/dev/null)" != "$stamp" ] || return 0
	cp "$web/package.json" "$web/package-lock.json" "$web/.npmrc" "$work/" || return 1
	(cd "$work" && npm ci --omit=dev --ignore-scripts --prefer-offline --loglevel=error --fetch-retries=1 \
		--fetch-retry-mintimeout=1000 --fetch-timeout=30000 >npm.log 2>&1) || return 1
	printf '%s\n' "$stamp" >"$work/stamp"
}

bundle() {
	NODE_PATH=$work/node_modules "$work/node_modules/.bin/esbuild" "$web/src/main.tsx" --bundle --minify \
		--outfile="$out/app.js" --jsx=automatic --jsx-import-source=preact --target=chrome97,firefox102,safari15.4 \
		--legal-comments=none --log-level=warning || return 1
	cp "$web/index.html" "$web/icon.svg" "$out/"
}

why=
rm -f "$out"/*
if [ "$mode" = disabled ]; then
	why='switched off by -Dweb=disabled'
elif ! command -v npm >/dev/null 2>&1 || ! command -v node >/dev/null 2>&1; then
	why='npm or node is not installed'
elif ! packages; then
	why="npm could not get the packages; $work/npm.log says why"
elif ! bundle; then
	echo "web/build.sh: esbuild refused the sources" >&2
	exit 1
fi
if [ -n "$why" ]; then
	[ "$mode" != enabled ] || { echo "web/build.sh: $why" >&2; exit 1; }
	[ "$mode" = disabled ] || echo "web/build.sh: the program gets a plain page only: $why" >&2
	rm -f "$out"/*
	cp "$web/plain.html" "$out/index.html"
	cp "$web/icon.svg" "$out/"
fi

entry() { # symbol, path, type, file
	[ -f "$out/$4" ] || return 0
	gzip -9nc "$out/$4" >"$out/$4.gz"
	tag=$(sha256sum "$out/$4" | cut -c 1-16)
	printf 'ASSAY_WEB_FILE(%s, "%s", "%s", "%s", "%s")\n' "$1" "$2" "$3" "$tag" "$out/$4"
}
{
	echo '/* made by web/build.sh */'
	entry index / 'text/html; charset=utf-8' index.html
	entry script /app.js 'text/javascript; charset=utf-8' app.js
	entry style /app.css 'text/css; charset=utf-8' app.css
	entry icon /icon.svg image/svg+xml icon.svg
} >"$header.new"
mv "$header.new" "$header"
{
	printf '%s:' "$header"
	find "$web/src" "$web/index.html" "$web/plain.html" "$web/icon.svg" "$web/package-lock.json" "$web/build.sh" -type f | tr '\n' ' '
	echo
} | sed 's/:/: /' >"$depfile"
