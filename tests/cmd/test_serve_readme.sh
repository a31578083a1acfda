#!/usr/bin/env bash
# "Run it as a service" in the README keeps its word: its files are written and its commands run as printed, one after the
# other, and then what was promised is looked at: TLS and nothing else, keys, and a Prometheus that scrapes.
set -euo pipefail
[ -z "${LODE_SANITIZE:-}" ] || exit 77 # once is enough
for program in openssl curl prometheus; do
    command -v $program >/dev/null || { echo "no $program here"; exit 77; }
done
umask 022

# As a user who owns nothing but the directory: what root may write besides would hide what the commands need.
if [ "$(id -u)" = 0 ]; then
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    chmod 755 "$stage"
    cp "$0" "$LODE_SOURCE/README.md" "$LODE_BIN" "$stage"
    setpriv --reuid=nobody --regid=nogroup --clear-groups env -u TMPDIR HOME=/nonexistent LODE_SOURCE="$stage" \
        LODE_BIN="$stage/${LODE_BIN##*/}" bash "$stage/${0##*/}"
    exit
fi

work=$(mktemp -d)
cd "$work"
started=()
finish() {
    [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
fail() {
    echo "$*"
    tail -n 20 ./*.out 2>/dev/null
    exit 1
}

for port in 7700 9090; do
    ! (: >/dev/tcp/127.0.0.1/$port) 2>/dev/null || { echo "something listens at port $port"; exit 77; }
done

# In the section: blocks whose first line names a file, and commands behind "$ ", which go on behind a backslash.
awk '/^## / {on = /^## Run it as a service$/} on' "$LODE_SOURCE/README.md" >section
awk '/^```yaml$/ {getline; name = $2; next} /^```$/ {name = ""} name {print >name}' section
awk '/^    \$ / {sub(/^    \$ /, ""); on = 1} on {print; on = /\\$/}' section >commands
for file in lode.yaml prometheus.yml; do
    [ -s $file ] || fail "the README has no $file"
done

mkdir bin
ln -s "$LODE_BIN" bin/lode
PATH=$work/bin:$PATH
unset "${!LODE_@}"

# until_works COMMAND...: what was started needs a moment, which nobody knows beforehand.
until_works() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        "$@" >/dev/null 2>&1 && return
        for pid in "${started[@]}"; do
            kill -0 "$pid" 2>/dev/null || fail "what it started has ended, before: $*"
        done
        sleep 0.1
    done
    fail "never works: $*"
}
is_ready() { curl -fs --cacert cert.pem https://localhost:7700/readyz; }
is_scraped() { curl -fs http://localhost:9090/api/v1/targets | grep -q '"health":"up"'; }

count=0 command=
while IFS= read -r line; do
    command+=$line
    if [[ $line == *\\ ]]; then
        command+=$'\n'
        continue
    fi
    count=$((count + 1))
    case $command in
        *'&')
            eval "${command%&} >$count.out 2>&1 &"
            started+=($!)
            until_works is_ready
            ;;
        prometheus*)
            eval "$command >$count.out 2>&1 &"
            started+=($!)
            until_works is_scraped
            ;;
        *) eval "$command" 2>$count.out || fail "fails: $command" ;;
    esac
    command=
done <commands
[ $count = 5 ] || fail "$count commands, of five"

# What was promised.
key=$(cat admin.key)
answer=$(curl -fsS --cacert cert.pem --oauth2-bearer "$key" https://localhost:7700/indices)
[[ $answer == *films* ]] || fail "the collection is not there: $answer"
status=$(curl -sS --cacert cert.pem -o /dev/null -w '%{http_code}' https://localhost:7700/indices)
[ "$status" = 401 ] || fail "without a key: $status"
status=$(curl -sS --cacert cert.pem -o /dev/null -w '%{http_code}' --oauth2-bearer "${key%?}x" https://localhost:7700/indices)
[ "$status" = 401 ] || fail "with a wrong key: $status"
! curl -fs http://localhost:7700/indices >/dev/null || fail "it answers without TLS"
! curl -fs --cacert cert.pem --tls-max 1.2 https://localhost:7700/readyz >/dev/null || fail "it speaks TLS 1.2"
curl -fs 'http://localhost:9090/api/v1/query?query=lode_build_info' | grep -q '"instance":"localhost:7700"' ||
    fail "Prometheus has nothing of it"

# A command of its own ends it cleanly.
kill "${started[0]}"
wait "${started[0]}" || fail "it ends with $?"
lode verify films.lode >/dev/null || fail "the database is not sound"
echo "$count commands"
