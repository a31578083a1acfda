#!/usr/bin/env bash
# A guided tour: the packages of this Debian machine, searched by what they are about. Every command is
# shown before it runs. `make demo` builds first; by itself: demo/run.sh. What it makes stays in demo-data/.
set -euo pipefail
cd "$(dirname "$0")/.."

lode=${LODE_BIN:-build/release/lode}
data=demo-data
db=$data/packages.lode
begin=$SECONDS

bold= dim= plain=
if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

say() { printf '\n%s%s%s\n' "$dim" "$*" "$plain"; }

# Print a command as one would type it, then run it.
run() {
    local word text line='$' lines=
    for word in "$@"; do
        case $word in
            "$lode") text=lode ;;
            *[!A-Za-z0-9_./:=,+@%-]*) text="'$word'" ;;
            *) text=$word ;;
        esac
        # A break before an option, where a line would get long.
        if [ $((${#line} + ${#text})) -gt 88 ] && [[ $word == --* ]]; then
            lines+="$line \\"$'\n'
            line="   "
        fi
        line+=" $text"
    done
    printf '\n%s%s%s\n' "$bold" "$lines$line" "$plain"
    "$@"
}

show="--k 7 --one-per source --show section,summary --recall"

if [ ! -x "$lode" ]; then
    echo "demo: $lode is not there; run \`make\` first" >&2
    exit 1
fi

say "1. The data: every package this machine could install, with its description."
run demo/catalogue.py "$data"

say "2. A collection, and a text model that learns from the descriptions: no download, no GPU."
rm -rf "$db"
run "$lode" create "$db" packages --dim 256 --metric cosine \
    --field source:keyword --field section:keyword --field tags:keyword \
    --field installed_size:integer \
    --train "$data/training.jsonl" --language english --word-exponent 0.85

say "3. All packages in: each text becomes a vector, each batch is safe on disk before the next."
run "$lode" import "$db" packages "$data/packages.jsonl"

say "4. More like this one. --one-per source: one hit for each program, not for its every part.
   --recall: answer again by scanning everything, and say what the index missed."
# shellcheck disable=SC2086  # options, meant to be split
run "$lode" query "$db" packages --like gimp $show
# shellcheck disable=SC2086
run "$lode" query "$db" packages --like wireshark $show

say "5. Free text: by meaning, as far as 34,000 descriptions teach it."
# shellcheck disable=SC2086
run "$lode" query "$db" packages --text 'encrypt disk' $show
# shellcheck disable=SC2086
run "$lode" query "$db" packages --text 'convert video files' $show

say "6. Slips of the keyboard are mended."
# shellcheck disable=SC2086
run "$lode" query "$db" packages --text 'recovr delted files' $show

say "7. What it takes."
run "$lode" stats "$db" packages

cat <<END

${bold}Done in $((SECONDS - begin)) s.${plain} The collection stays in $db. Go on with:

  export PATH="$PWD/${lode%/*}:\$PATH"
  lode query $db packages --text 'play chess' --one-per source --show summary
  lode query $db packages --like nginx --k 20 --show summary,section,installed_size
  lode query $db packages --text 'draw diagrams' --k 3 --json
  lode get $db packages gimp
  lode --help

Your own texts, one {"id": ..., "text": ..., "metadata": {...}} a line, go the same way:
docs/text-model.md. How this data was made, and how good the answers are: demo/README.md.
END
