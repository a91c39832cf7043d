#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing of the named groups (build, test, package) through the distribution's package manager; does nothing
# when all is there. Usage: packaging/deps.sh build [test]
set -eu

# libaravis-dev asks pkg-config for libusb-1.0 without depending on it
build='gcc libc6-dev pkg-config meson ninja-build libjpeg62-turbo-dev libspng-dev libtiff-dev libsqlite3-dev libsodium-dev libyaml-dev
libmicrohttpd-dev libmodbus-dev libmosquitto-dev libcurl4-openssl-dev libgpiod-dev libdmtx-dev libzbar-dev
libaravis-dev libusb-1.0-0-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev'
# for the pages; a node from elsewhere brings its own npm, and Debian's would not fit it
command -v npm >/dev/null 2>&1 || build="$build nodejs npm"
test="libcmocka-dev clang mosquitto mosquitto-clients mbpoll curl openssl sqlite3 qrencode zint aravis-tools gstreamer1.0-plugins-base $(
	# libFuzzer and the sanitizers' runtime carry the compiler's version in their name on Debian 12 and later
	v=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9][0-9]*\)$/\1/p' | head -n 1)
	[ -z "$v" ] || echo "libclang-rt-$v-dev"
)"
package='dpkg-dev'
# for tests/web; any browser of that family does
command -v chromium >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || test="$test chromium"
# for tests/isa, which runs the program as other CPUs would
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then
	test="$test qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
fi

missing() {
	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$p"
	done
}

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "packaging/deps.sh: this is not Debian or a relative; install by hand: $build" >&2
	exit 0
fi
want=
for group in "$@"; do
	case $group in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	package) want="$want $package" ;;
	*) echo "packaging/deps.sh: unknown group '$group' (build, test, package)" >&2; exit 64 ;;
	esac
done
# shellcheck disable=SC2086
need=$(missing $want)
[ -n "$need" ] || exit 0
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 || { echo "needs these packages, and neither root nor sudo is at hand: $need" >&2; exit 1; }
	as_root=sudo
fi
echo "installing: $need"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# the version of clang may have become known only now
[ "${ASSAY_DEPS_AGAIN:-}" ] || case " $* " in *" test "*) ASSAY_DEPS_AGAIN=1 exec sh "$0" "$@" ;; esac
# shellcheck disable=SC2086
$as_root apt-get install -y -qq --no-install-recommends $need
