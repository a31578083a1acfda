#!/usr/bin/env bash
# Installs the Debian 12 packages that a purpose needs: setup.sh build|test|demo|deb|bench ...
# Asks dpkg first, so it is quick and touches nothing when all of them are there.
set -euo pipefail

build="gcc g++ make cmake pkg-config libc6-dev libxxhash-dev libstemmer-dev libutf8proc-dev libroaring-dev libhdf5-dev
       libssl-dev libevent-dev libnghttp2-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libcyaml-dev
       libjansson-dev libcurl4-openssl-dev"
demo="python3"
deb="dpkg-dev binutils"
test="python3 zstd clang clang-format clang-tidy libcmocka-dev binutils libclang-rt-14-dev
      curl openssl prometheus nghttp2-client dpkg-dev python3-yaml python3-jsonschema
      gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
bench="python3 zstd libhnswlib-dev libfaiss-dev libopenblas-dev gnuplot-nox wrk nghttp2-client"

# Node.js from elsewhere than Debian brings npm with it, and does not go together with Debian's.
command -v node >/dev/null && command -v npm >/dev/null || test+=" nodejs npm"

fail() {
    echo "setup: $*" >&2
    exit 1
}

wanted=
for purpose in "$@"; do
    case $purpose in
        build) wanted+=" $build" ;;
        test) wanted+=" $build $test" ;;
        demo) wanted+=" $build $demo" ;;
        deb) wanted+=" $build $deb" ;;
        bench) wanted+=" $build $bench" ;;
        *) fail "unknown purpose '$purpose' (build, test, demo, deb or bench)" ;;
    esac
done
[ -n "$wanted" ] || fail "usage: tools/setup.sh build|test|demo|deb|bench ..."

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    fail "this is not Debian. Install what these packages hold, then run make with SETUP=no:" $wanted
fi

# shellcheck disable=SC2086  # a list of names, meant to be split
installed=$(dpkg-query -W -f='${db:Status-Status}/${Package}\n' $wanted 2>/dev/null | tr '\n' ' ') || true
missing=
for package in $wanted; do
    case " $installed" in *" installed/$package "*) continue ;; esac
    case "$missing " in *" $package "*) continue ;; esac
    missing+=" $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "not root, and no sudo. As root, run: apt-get install$missing"
    as_root="sudo"
fi

echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$as_root apt-get -o DPkg::Lock::Timeout=300 update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qq -y --no-install-recommends $missing >/dev/null
