#!/usr/bin/env bash
# Builds the Debian package, unpacks it, and runs what is in it; its scripts run against commands that only take notes.
set -euo pipefail
[ -z "$LODE_SANITIZE" ] || exit 77 # what is packaged is the plain build
[ -x "$LODE_BIN" ] || exit 77
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || exit 77

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "$*"; exit 1; }
unset "${!LODE_HTTP@}" 2>/dev/null || true

package=$("$LODE_SOURCE/packaging/build-deb.sh" --build "$LODE_BUILD" --out "$work")
again=$("$LODE_SOURCE/packaging/build-deb.sh" --build "$LODE_BUILD" --out "$work/again")
cmp "$package" "$again" || fail "two packages of one build differ"
version=$("$LODE_BIN" --version | cut -d ' ' -f 2)
[ "$(dpkg-deb -f "$package" Version)" = "$version" ] || fail "it says another version"

depends=$(dpkg-deb -f "$package" Depends)
for library in libc6 libssl3 libutf8proc2 libroaring0 adduser; do
    [[ ", $depends," == *" $library"[\ ,]* ]] || fail "it does not depend on $library: $depends"
done
[[ $depends != *lode* ]] || fail "it depends on itself: $depends"

dpkg-deb -x "$package" "$work/root"
dpkg-deb -e "$package" "$work/control"
dpkg-deb -c "$package" | awk '$2 != "root/root" {print "not root'"'"'s: " $0; wrong = 1} END {exit wrong}'
find "$work/root" ! -type l -perm /022 -print -quit | grep . && fail "others may write to it"
(cd "$work/root" && md5sum --quiet -c "$work/control/md5sums")
zcat "$work/root/usr/share/doc/lode/changelog.gz" | dpkg-parsechangelog -l - -S Version | grep -qx "$version" || fail "changelog"
[ "$(cat "$work/control/conffiles")" = /etc/lode/lode.yaml ] || fail "conffiles"
for file in usr/bin/lode usr/include/lode/lode.h usr/share/doc/lode/copyright usr/share/doc/lode/docs/server-config.md \
    usr/share/doc/lode/docs/run-as-a-service.md lib/systemd/system/lode.service lib/systemd/system/lode.socket etc/lode/lode.yaml; do
    [ -f "$work/root/$file" ] || fail "it lacks $file"
done
[ -n "$(find "$work/root/usr/lib" -name 'liblode.so.0.*')" ] || fail "it lacks the library"

# What is in it works.
lode=$work/root/usr/bin/lode
[ "$("$lode" --version)" = "$("$LODE_BIN" --version)" ] || fail "another command"
"$lode" create "$work/films.lode" films --dim 2 --metric l2 >/dev/null
"$lode" verify "$work/films.lode" >/dev/null
env -u LODE_BIN -u LODE_SOURCE -u LODE_BUILD -u LODE_SANITIZE "$lode" serve \
    --config "$work/root/etc/lode/lode.yaml" --check-config

# Its scripts: shells take them, and they ask for what they should.
mkdir "$work/bin"
for command in adduser systemctl deb-systemd-invoke install getent; do
    printf '#!/bin/sh\necho "%s $*" >>"%s"\n%s\n' $command "$work/notes" \
        "$([ $command = getent ] && echo 'exit 2')" >"$work/bin/$command"
    chmod +x "$work/bin/$command"
done
for script in postinst prerm postrm; do
    sh -n "$work/control/$script"
done
PATH=$work/bin:$PATH "$work/control/postinst" configure
grep -q '^adduser --system --group .* lode$' "$work/notes" || fail "no user is made"
[ "$(cat "$work/control/triggers")" = "activate-noawait ldconfig" ] || fail "the library is not made known"
: >"$work/notes"
printf '#!/bin/sh\n' >"$work/bin/getent"
PATH=$work/bin:$PATH "$work/control/postinst" configure 0.0.1
! grep -q '^adduser' "$work/notes" || fail "the user is made twice"
PATH=$work/bin:$PATH "$work/control/prerm" upgrade 0.0.1
! grep -q 'invoke stop' "$work/notes" || fail "an upgrade stops the service for good"
echo "$(basename "$package"): $(stat -c %s "$package") bytes, $depends"
