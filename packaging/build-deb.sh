#!/usr/bin/env bash
# Makes a Debian package of what is built: build-deb.sh [--build DIR] [--out DIR]. The same build gives the same package.
# What the package depends on is what the programs in it are linked against (dpkg-shlibdeps).
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$source/build/release out=$source/build
while [ $# -gt 0 ]; do
    case $1 in
        --build) build=$2 ;;
        --out) out=$2 ;;
        *) echo "build-deb.sh: unknown option '$1' (--build DIR, --out DIR)" >&2; exit 2 ;;
    esac
    shift 2
done
[ -x "$build/lode" ] || { echo "build-deb.sh: $build/lode is not built" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/debian/lode # where dpkg-shlibdeps expects it
umask 022
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || stat -c %Y "$source/CMakeLists.txt")}

# The library, the headers and the command.
DESTDIR=$root cmake --install "$build" --prefix /usr >/dev/null
shopt -s nullglob
strip --strip-unneeded "$root/usr/bin/lode" "$root"/usr/lib/liblode.so.*.* "$root"/usr/lib/*/liblode.so.*.*
strip --strip-debug "$root"/usr/lib/liblode.a "$root"/usr/lib/*/liblode.a

# The service.
install -D -m 0644 "$source/packaging/lode.service" "$root/lib/systemd/system/lode.service"
install -D -m 0644 "$source/packaging/lode.socket" "$root/lib/systemd/system/lode.socket"
install -D -m 0644 "$source/packaging/lode.yaml" "$root/etc/lode/lode.yaml"

# What there is to read, and what monitors take.
doc=$root/usr/share/doc/lode
install -D -m 0644 "$source/README.md" "$doc/README.md"
install -D -m 0644 "$source/packaging/debian/copyright" "$doc/copyright"
for folder in docs docs/format docs/decisions api deploy; do
    for file in "$source/$folder"/*; do
        [ -f "$file" ] && install -D -m 0644 "$file" "$doc/$folder/${file##*/}"
    done
done

version=$("$build/lode" --version | cut -d ' ' -f 2)
architecture=$(dpkg --print-architecture)
mkdir -p "$root/DEBIAN"
maintainer=$(sed -n 's/^Maintainer: //p' "$source/packaging/debian/control.in")
printf 'lode (%s) unstable; urgency=medium\n\n  * This version.\n\n -- %s  %s\n' "$version" "$maintainer" \
    "$(LC_ALL=C date -R -u -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
printf 'Source: lode\n\nPackage: lode\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$root/usr/bin/lode" "$root"/usr/lib/liblode.so.*.* "$root"/usr/lib/*/liblode.so.*.* |
    sed -n 's/^shlibs:Depends=//p')
[ -n "$depends" ] || { echo "build-deb.sh: dpkg-shlibdeps found nothing" >&2; exit 1; }
size=$(du -sk --apparent-size "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" \
    -e "s/@DEPENDS@/$depends/" "$source/packaging/debian/control.in" >"$root/DEBIAN/control"
echo /etc/lode/lode.yaml >"$root/DEBIAN/conffiles"
echo "liblode 0 lode (>= $version)" >"$root/DEBIAN/shlibs" # what others that link against the library depend on
echo activate-noawait ldconfig >"$root/DEBIAN/triggers"
for script in postinst prerm postrm; do
    install -m 0755 "$source/packaging/debian/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\n' | LC_ALL=C sort | xargs md5sum) \
    >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
package=$out/lode_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >/dev/null
echo "$package"
