#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A .deb of the program: package.sh BUILD OUT. BUILD is a release build that this makes if it is not there. The same sources, compiler and
# SOURCE_DATE_EPOCH (default: the last commit) give the same bytes. Prints the path of the package.
# ASSAY_NO_BUILD: BUILD is as it is to be.
set -eu
[ $# = 2 ] || { echo "usage: package.sh BUILD OUT" >&2; exit 64; }
for tool in dpkg-deb dpkg-shlibdeps dpkg-architecture meson ninja; do
	command -v $tool >/dev/null 2>&1 || { echo "package.sh: needs $tool (apt-get install dpkg-dev meson ninja-build)" >&2; exit 69; }
done
source=$(cd "$(dirname "$0")/.." && pwd)
build=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source/CHANGELOG.md")}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# Where it is built is not to be seen in it: paths of the sources begin at their root.
mkdir -p "$build"
seen=$(realpath --relative-to="$build" "$source")

# Debian's own hardening; the prefix is where the package puts things. Rounding is set by the project's flags, which come after.
if [ ! -f "$build/build.ninja" ]; then
	CFLAGS="$(dpkg-buildflags --get CFLAGS 2>/dev/null | sed 's/-O2//; s/-g //; s/-ffile-prefix-map=[^ ]*//') $(dpkg-buildflags --get CPPFLAGS) -ffile-prefix-map=$seen/= -ffile-prefix-map=$source/=" \
		LDFLAGS="$(dpkg-buildflags --get LDFLAGS) -Wl,-z,now" \
		meson setup "$build" "$source" --prefix=/usr --buildtype=release >&2
fi
[ -n "${ASSAY_NO_BUILD:-}" ] || ninja -C "$build" ${ASSAY_NINJA_FLAGS:-} assay >&2
build=$(cd "$build" && pwd)

version=$("$build/assay" --version | sed -n '1s/^assay \([0-9][0-9.a-z~+-]*\).*/\1/p')
[ -n "$version" ] || { echo "package.sh: the program does not tell its version" >&2; exit 70; }
architecture=$(dpkg-architecture -qDEB_HOST_ARCH)
maintainer=${ASSAY_MAINTAINER:-assay maintainers <maintainers@assay.invalid>}
date=$(date -u -R -d "@$SOURCE_DATE_EPOCH")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tree=$work/tree
doc=$tree/usr/share/doc/assay
install -d "$tree/DEBIAN" "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/etc/assay/recipes" "$tree/var/lib/assay" "$doc" \
	"$tree/usr/share/man/man1" "$tree/usr/share/lintian/overrides"
install -s -m 755 "$build/assay" "$tree/usr/bin/assay"
install -m 644 "$source/packaging/assay.service" "$tree/usr/lib/systemd/system/assay.service"
install -m 644 "$source/packaging/deb/station.yaml" "$tree/etc/assay/station.yaml"
install -m 644 "$source/packaging/deb/copyright" "$doc/copyright"
for page in "$source"/docs/*.md; do
	install -m 644 "$page" "$doc/"
done
install -m 644 "$source/models/README.md" "$doc/models.md"
{
	echo "assay ($version) unstable; urgency=medium"
	echo
	echo "  * What is new is told in NEWS.md.gz."
	echo
	echo " -- $maintainer  $date"
} | gzip -9n >"$doc/changelog.gz"
gzip -9nc "$source/CHANGELOG.md" >"$doc/NEWS.md.gz"
# One page, from what the program says of itself.
{
	echo ".TH ASSAY 1 \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)\" \"assay $version\" \"visual inspection\""
	printf '.SH NAME\nassay \\- visual inspection from good parts alone\n.SH SYNOPSIS\n.B assay\n.I VERB\n[OPTION...] [ARGUMENT...]\n'
	printf '.SH DESCRIPTION\n.nf\n'
	"$build/assay" --help | sed '1d; s/\\/\\\\/g; s/-/\\-/g; s/^\./\\\&./'
	printf '.fi\n.SH FILES\n.TP\n.I /etc/assay/station.yaml\nthe station that the service assay runs\n.TP\n.I /var/lib/assay\nits record\n'
	printf '.SH SEE ALSO\n.I /usr/share/doc/assay\n'
} | gzip -9n >"$tree/usr/share/man/man1/assay.1.gz"

# Which packages the program's libraries come from.
mkdir "$work/debian"
printf 'Source: assay\n\nPackage: assay\nArchitecture: any\n' >"$work/debian/control"
needs=$(cd "$work" && dpkg-shlibdeps -O "$tree/usr/bin/assay" | sed -n 's/^shlibs:Depends=//p')
[ -n "$needs" ] || { echo "package.sh: dpkg-shlibdeps found no libraries" >&2; exit 70; }
size=$(find "$tree/usr" "$tree/etc" "$tree/var" -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k + 0 }')
cat >"$tree/DEBIAN/control" <<END
Package: assay
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $size
Depends: adduser, init-system-helpers (>= 1.54), $needs
Section: science
Priority: optional
Description: visual inspection from good parts alone
 A camera looks at every part; assay has learned from good parts what good
 looks like; each part gets a verdict, PASS, FAIL or FAULT, in milliseconds,
 without a GPU, a cloud or Python. The PLC gets the verdict first, and the
 record that explains it outlives the part.
END
echo /etc/assay/station.yaml >"$tree/DEBIAN/conffiles"
for script in postinst prerm postrm; do
	install -m 755 "$source/packaging/deb/$script" "$tree/DEBIAN/$script"
done
# The record of a station is nobody else's, and the reason why there is a folder in /var/lib without a file.
cat >"$tree/usr/share/lintian/overrides/assay" <<END
assay: initial-upload-closes-no-bugs *
assay: package-contains-empty-directory *
END
(cd "$tree" && find usr etc var -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
package=$out/assay_${version}_$architecture.deb
dpkg-deb --root-owner-group --uniform-compression -Zxz --build "$tree" "$package" >&2
echo "$package"
