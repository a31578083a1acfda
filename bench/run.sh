#!/usr/bin/env bash
# Lode beside hnswlib, at equal recall: bench/run.sh [mnist-784|sift10k|B ...], by default all of them.
#
# Real sets are unpacked from the directory LODE_DATA (../shared/data when there is one) and skipped when
# absent; B, 1,000,000 x 128, is generated. Data, databases and peers' indexes stay in build/bench/, so
# that a second run only searches. Prints a table for each set and writes build/bench/spine.json.
set -euo pipefail
cd "$(dirname "$0")/.."
programs=${LODE_BUILD:-build/release}/bench
out=build/bench
data=${LODE_DATA:-../shared/data}
mkdir -p "$out"

# compare NAME BASE QUERY TRUTH [OPTION...]
compare() {
    local name=$1 base=$2 query=$3 truth=$4
    shift 4
    "$programs/peers/side_by_side" --name "$name" --base "$base" --query "$query" --truth "$truth" \
        --dir "$out/$name.lode" --cache "$out/$name.hnswlib" --json "$out/$name.json" "$@"
    echo
}

unpacked() {
    [ -d "$out/$1" ] && return
    if [ ! -e "$data/$1.tar.zst" ]; then
        echo "$1: skipped, $data/$1.tar.zst is not there"
        return 1
    fi
    tar --zstd -xf "$data/$1.tar.zst" -C "$out"
}

compare_real() {
    ! unpacked "$1" || compare "$1" "$out/$1/base.bvecs" "$out/$1/query.bvecs" "$out/$1/gt.l2.ivecs"
}

compare_b() {
    [ -e "$out/B/truth.ivecs" ] || "$programs/gen_clustered" --points 1000000 --dim 128 --out "$out/B"
    compare B "$out/B/base.fvecs" "$out/B/query.fvecs" "$out/B/truth.ivecs"
}

if [ ! -x "$programs/peers/side_by_side" ]; then
    echo "$programs/peers/side_by_side is not built: it needs a C++ compiler and hnswlib (make bench)"
    exit 1
fi
[ $# -gt 0 ] || set -- sift10k mnist-784 B
for name in "$@"; do
    case $name in
        sift10k | mnist-784) compare_real "$name" ;;
        B) compare_b ;;
        *) echo "run.sh: unknown set '$name'" >&2; exit 2 ;;
    esac
done

# All sets ever measured here, as one list.
{
    echo '['
    comma=
    for name in sift10k mnist-784 B; do
        [ -e "$out/$name.json" ] || continue
        printf '%s' "$comma"
        cat "$out/$name.json"
        comma=$',\n'
    done
    echo ']'
} >"$out/spine.json"
