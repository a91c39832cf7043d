#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The .deb as packaging/package.sh puts it together, from the program as built: package.sh ASSAY SOURCE BUILD
set -eu
[ $# = 3 ] || { echo "usage: package.sh ASSAY SOURCE BUILD" >&2; exit 64; }
assay=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") source=$2 build=$3
for tool in dpkg-deb dpkg-shlibdeps dpkg-architecture; do
	command -v $tool >/dev/null 2>&1 || { echo "skipped: $tool is not installed"; exit 77; }
done
if ldd "$assay" | grep -q 'asan\|tsan'; then
	echo "skipped: nobody packages a build with sanitizers"
	exit 77
fi
. "$source/tests/cli/lib.sh"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
export SOURCE_DATE_EPOCH=1700000000 ASSAY_NO_BUILD=1
exits 0 "the package is put together" sh "$source/packaging/package.sh" "$build" "$tmp/one"
deb=$(cat "$tmp/out")
exits 0 "and again, elsewhere" sh "$source/packaging/package.sh" "$build" "$tmp/two"
check "both are the same bytes" cmp "$deb" "$(cat "$tmp/out")"
dpkg-deb --fsys-tarfile "$deb" | tar -tv >"$tmp/list"
for path in usr/bin/assay etc/assay/station.yaml usr/lib/systemd/system/assay.service usr/share/man/man1/assay.1.gz \
	usr/share/doc/assay/copyright usr/share/doc/assay/changelog.gz usr/share/doc/assay/install.md; do
	says "$tmp/list" " ./$path" "it holds $path"
done
check "all of it is root's" sh -c "! grep -v ' root/root ' '$tmp/list'"
same "the configuration is one" "$(dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./conffiles)" /etc/assay/station.yaml
dpkg-deb -f "$deb" Depends >"$tmp/depends"
says "$tmp/depends" libsqlite3-0 "it depends on its libraries"
dpkg-deb -x "$deb" "$tmp/root"
exits 0 "the example is a configuration without errors" "$assay" run --check "$tmp/root/etc/assay/station.yaml"
exits 0 "the program in it runs" "$tmp/root/usr/bin/assay" --version
check "and tells nothing of where it was built" sh -c "! strings '$tmp/root/usr/bin/assay' 2>/dev/null | grep -F '$source/src'"
for script in postinst prerm postrm; do
	dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./$script >"$tmp/$script"
	check "$script is a script" sh -n "$tmp/$script"
done
if command -v systemd-analyze >/dev/null 2>&1; then
	sed "s|/usr/bin/assay|$assay|; s|/etc/assay/station.yaml|$tmp/root/etc/assay/station.yaml|" "$source/packaging/assay.service" >"$tmp/assay.service"
	exits 0 "systemd finds no error in the unit" systemd-analyze verify --man=no "$tmp/assay.service"
	same "and has nothing to say about it" "$(grep assay.service "$tmp/err")" ""
else
	echo "skipped: systemd-analyze is not installed"
fi
conclude
