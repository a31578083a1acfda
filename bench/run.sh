#!/usr/bin/env bash
# Measures Lode, beside other libraries and by itself: bench/run.sh [PART...], by default all of them.
#
#   sift10k mnist-784 B C   graph search at equal recall, beside hnswlib and faiss: B is 1,000,000 x 128 l2,
#                           C 200,000 x 768 cosine, both generated; the real sets come from LODE_DATA
#                           (../shared/data when there is one) and are skipped when they are not there
#   threads   a second thread's worth, to queries and to a build     (on B, as all that follow but flat)
#   growth    distances and hops a query from 10,000 to 1,000,000 points
#   flat      exact search as a share of what memory and core can do
#   upserts   writing into a growing segment, and what readers feel
#   sustained writes, deletes and queries for SUSTAINED_SECONDS (600) under a memory budget of a quarter of
#             the data; not among the parts that run by default
#   churn     deleting and writing again 10% twenty times: recall, disk, memory, a reader meanwhile (mnist-784;
#             not by default)
#   filters   searches that may return some of the rows only, of each share, beside an exact scan of these, hnswlib
#             and faiss (on B; not by default)
#   serve     lode serve on loopback, B and C and 100 points of C: queries a second and latencies of 1 to 256
#             connections, what a request costs beyond the engine, 80% and 300% load for SERVE_SECONDS (30); not by default
#   layers    what HNSW's upper layers are worth, on hnswlib's graph
#
# Everything stays in build/bench/: sets, indexes with what building them took, figures (*.json; speed.json
# is the rows of all sets), curves (*.curve, *.svg). What is built is not built again: a run that was
# stopped goes on, and a second one only searches. Lode's own indexes are built anew when its sources have
# changed since; LODE_SOURCES=any leaves them.
set -euo pipefail
cd "$(dirname "$0")/.."
programs=${LODE_BUILD:-build/release}/bench
out=build/bench
data=${LODE_DATA:-../shared/data}
sets=(sift10k mnist-784 B C)
mkdir -p "$out"

if [ "${LODE_SOURCES:-}" = any ]; then
    sources=-
else
    sources=$(cat include/lode/lode.h src/*/*.[ch] | sha256sum | cut -c 1-16)
fi

say() {
    printf '\n[%d:%02d] %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$*"
}

need() {
    [ -x "$programs/$1" ] && return
    echo "$programs/$1 is not built: make bench builds it${2:+, where there is $2}" >&2
    return 1
}

# --- Sets -----------------------------------------------------------------------------------------

# generated NAME OPTION...: the truth is written last.
generated() {
    local name=$1
    shift
    [ -e "$out/$name/truth.ivecs" ] && return
    say "$name: drawing vectors, finding their true neighbours (a minute)"
    need gen_clustered
    "$programs/gen_clustered" --out "$out/$name" "$@"
}

unpacked() {
    [ -e "$out/$1/gt.l2.ivecs" ] && return
    if [ ! -e "$data/$1.tar.zst" ]; then
        say "$1: skipped, $data/$1.tar.zst is not there"
        return 1
    fi
    tar --zstd -xf "$data/$1.tar.zst" -C "$out"
}

prepare() {
    case $1 in
        B) generated B --points 1000000 --dim 128 ;;
        C) generated C --points 200000 --dim 768 --metric cosine ;;
        *) unpacked "$1" ;;
    esac
}

# The options that say where a set is.
set_options() {
    case $1 in
        B | C) files=(base.fvecs query.fvecs truth.ivecs) ;;
        *) files=(base.bvecs query.bvecs gt.l2.ivecs) ;;
    esac
    options=(--name "$1" --base "$out/$1/${files[0]}" --query "$out/$1/${files[1]}"
        --truth "$out/$1/${files[2]}")
}

# --- Parts ----------------------------------------------------------------------------------------

search() {
    local name=$1 options metric=l2
    prepare "$name" || return 0
    set_options "$name"
    [ "$name" != C ] || metric=cosine
    need peers/speed "a C++ compiler"
    say "$name: building what is missing, then searching: for each recall all engines in turns, then curves"
    "$programs/peers/speed" "${options[@]}" --metric "$metric" --out "$out" --sources "$sources" \
        --json "$out/$name.rows"
    plot_curves "$name"
}

# What every part below stands on: set B and Lode's index of it.
b_built() {
    local options
    prepare B
    set_options B
    need peers/speed "a C++ compiler"
    "$programs/peers/speed" "${options[@]}" --out "$out" --sources "$sources" --engines lode \
        --build-only yes
}

threads() {
    b_built
    say "threads: one and two, queries on B, then builds of 200,000 points"
    "$programs/threads" --dir "$out/B.lode" --base "$out/B/base.fvecs" --query "$out/B/query.fvecs" \
        --truth "$out/B/truth.ivecs" --scratch "$out/threads.lode" --json "$out/threads.json"
}

growth() {
    local rebuild=yes
    b_built
    if [ "$sources" = - ] || [ "$sources" = "$(cat "$out/growth.sources" 2>/dev/null)" ]; then
        rebuild=no
    fi
    say "growth: indexes of 10,000 to 300,000 points of B, then the work of a query on each"
    "$programs/growth" --base "$out/B/base.fvecs" --query "$out/B/query.fvecs" \
        --truth "$out/B/truth.ivecs" --full "$out/B.lode" --out "$out" --rebuild "$rebuild" \
        --json "$out/growth.json"
    echo "$sources" >"$out/growth.sources"
    plot_growth
}

flat() {
    say "flat: exact search of 1,000,000 x 128, one query and batches (a minute)"
    rm -rf "$out/flat.lode"
    "$programs/flat" "$out/flat.lode" --turns 5 --json "$out/flat.json"
    rm -rf "$out/flat.lode"
}

upserts() {
    prepare B
    say "upserts: 100,000 vectors into a growing segment, then a reader alone and beside a writer"
    "$programs/upserts" --base "$out/B/base.fvecs" --query "$out/B/query.fvecs" \
        --dir "$out/upserts.lode" --window-ms 500 --json "$out/upserts.json"
}

churn() {
    local layout
    prepare mnist-784 || return 0
    set_options mnist-784
    for layout in fast compact; do
        say "churn: mnist-784, $layout layout, 20 times 10% deleted and written again (2 minutes)"
        "$programs/churn" "${options[@]:2}" --dir "$out/churn.lode" --layout "$layout" \
            --json "$out/churn-$layout.json" --dat "$out/churn-$layout.dat"
    done
    plot churn <<GNUPLOT
set title "mnist-784, 10% deleted and written again, twenty times"
set xlabel "round"
set ylabel "recall at ef 64"
set yrange [0.99:1.001]
set y2label "disk, of a fresh build's"
set y2range [0:2]
set y2tics
plot "$out/churn-fast.dat" using 1:2 with linespoints title "fast", \
     "$out/churn-fast.dat" using 1:3 with lines dashtype 2 title "fast, fresh build", \
     "$out/churn-compact.dat" using 1:2 with linespoints title "compact", \
     "$out/churn-fast.dat" using 1:4 axes x1y2 with lines title "disk, fast"
GNUPLOT
}

filters() {
    local options
    prepare B
    set_options B
    need peers/filters "a C++ compiler" || return 0
    "$programs/peers/speed" "${options[@]}" --out "$out" --sources "$sources" --engines hnswlib,faiss-hnsw \
        --build-only yes
    say "filters: B with metadata (made once, 4 minutes), the share of points that may be returned, beside a scan and peers"
    [ "$sources" = - ] || [ "$sources" = "$(cat "$out/filters.sources" 2>/dev/null)" ] || rm -rf "$out/B.filters"
    "$programs/peers/filters" --name B --base "$out/B/base.fvecs" --query "$out/B/query.fvecs" \
        --truth "$out/B/truth.ivecs" --out "$out" --json "$out/filters.json"
    echo "$sources" >"$out/filters.sources"
}

layers() {
    local options
    prepare B
    set_options B
    need peers/layers "a C++ compiler and hnswlib" || return 0
    say "layers: hnswlib's graph of B, with and without its upper layers"
    "$programs/peers/layers" "${options[@]}" --out "$out" --json "$out/layers.rows"
    rows_to_json "$out/layers.rows" >"$out/layers.json"
}

# --- Figures --------------------------------------------------------------------------------------

# Lines that are objects, of several files, as one list.
rows_to_json() {
    echo '['
    cat "$@" | sed '$!s/$/,/'
    echo ']'
}

# plot NAME: gnuplot's commands from standard input, into NAME.svg
plot() {
    if ! command -v gnuplot >/dev/null; then
        echo "no gnuplot: $out/$1.svg is not drawn"
        return
    fi
    { printf 'set terminal svg size 800,560 background "white"\nset output "%s/%s.svg"\nset grid\n' "$out" "$1"
        cat; } | gnuplot
    echo "drawn: $out/$1.svg"
}

plot_curves() {
    local name=$1 curve engine lines=
    for curve in "$out/$name".*.curve; do
        engine=${curve#"$out/$name."}
        engine=${engine%.curve}
        lines+="${lines:+, }\"$curve\" using (1-\$2+1e-5):4 with linespoints title \"$engine\""
    done
    plot "$name" <<GNUPLOT
set title "$name: top 10, one thread, one query at a time"
set xlabel "recall"
set ylabel "queries a CPU second"
set logscale xy
set xrange [0.1:0.0005]
set xtics ("0.9" 0.1, "0.95" 0.05, "0.98" 0.02, "0.99" 0.01, "0.995" 0.005, "0.998" 0.002, "0.999" 0.001)
plot $lines
GNUPLOT
}

plot_growth() {
    plot growth <<GNUPLOT
set title "work of a query at recall 0.99, set B"
set xlabel "points"
set ylabel "a query"
set logscale xy
first = system("awk '!/^#/ { print \$1, \$2; exit }' $out/growth.dat")
n = word(first, 1) + 0.0
d = word(first, 2) + 0.0
hops = system("awk '!/^#/ { print \$3; exit }' $out/growth.dat") + 0.0
plot "$out/growth.dat" using 1:2 with linespoints title "distances", \
     d*log(x)/log(n) dashtype 2 title "log N through the first", \
     "$out/growth.dat" using 1:3 with linespoints title "hops", \
     hops*log(x)/log(n) dashtype 2 title "log N through the first"
GNUPLOT
}

# Data on the disk, a process that opens it with a budget of a quarter of it: figures each ten seconds.
sustained() {
    prepare B
    need sustained
    say "sustained: ${SUSTAINED_SECONDS:-600} s of writes, deletes and queries under a quarter of the data"
    local code=0
    "$programs/sustained" --base "$out/B/base.fvecs" --query "$out/B/query.fvecs" --dir "$out/sustained.lode" \
        --seconds "${SUSTAINED_SECONDS:-600}" --json "$out/sustained.json" --dat "$out/sustained.dat" || code=$?
    [ -e "$out/sustained.dat" ] && plot_sustained
    return $code
}

plot_sustained() {
    plot sustained <<GNUPLOT
set title "1,000,000 x 128 float32 under a budget of a quarter of the data"
set xlabel "seconds"
set ylabel "MiB"
set y2label "ms"
set y2tics
set yrange [0:*]
set y2range [0:*]
plot "$out/sustained.dat" using 1:2 with lines lw 2 title "resident, at most", \
     "" using 1:3 with lines title "of it no file", \
     "" using 1:(\$5+\$6+\$7+\$8+\$9) with lines title "counted", \
     "" using 1:11 axes x1y2 with lines dashtype 2 title "search p50 (ms)", \
     "" using 1:12 axes x1y2 with lines dashtype 2 title "search p99 (ms)"
GNUPLOT
}

# An index like those of users: made by the command, once.
served() {
    prepare "$1"
    [ -e "$out/serve-$1.made" ] && return
    say "$1: importing into serve-$1.lode (minutes)"
    rm -rf "$out/serve-$1.lode"
    "$programs/../lode" create "$out/serve-$1.lode" vectors --dim "$2" --metric "$3"
    "$programs/../lode" import "$out/serve-$1.lode" vectors "$out/$1/base.fvecs"
    "$programs/../lode" compact "$out/serve-$1.lode" vectors
    touch "$out/serve-$1.made"
}

serve() {
    local name
    need serve
    served B 128 l2
    served C 768 cosine
    say "serve: 100 points of 768 numbers, so that next to nothing is the engine's"
    "$programs/serve" --lode "$programs/../lode" --name small --small "$out/serve-small.lode" \
        --query "$out/C/query.fvecs" --json "$out/serve-small.json"
    for name in B C; do
        say "serve: $name"
        "$programs/serve" --lode "$programs/../lode" --name "$name" --dir "$out/serve-$name.lode" \
            --query "$out/$name/query.fvecs" --overload-s "${SERVE_SECONDS:-30}" --json "$out/serve-$name.json"
    done
}

write_speed_json() {
    local name rows=()
    for name in "${sets[@]}"; do
        [ ! -e "$out/$name.rows" ] || rows+=("$out/$name.rows")
    done
    [ ${#rows[@]} -gt 0 ] || return 0
    rows_to_json "${rows[@]}" >"$out/speed.json"
    say "figures: $out/speed.json and the other .json beside it"
}

[ $# -gt 0 ] || set -- "${sets[@]}" threads growth flat upserts layers
echo "Lode's speed: $*"
echo "One thread unless it says otherwise. The machine should do nothing else; CPU times bear it better."
for part in "$@"; do
    case $part in
        sift10k | mnist-784 | B | C) search "$part" ;;
        threads | growth | flat | upserts | layers | filters | churn | sustained | serve) "$part" ;;
        *) echo "run.sh: unknown part '$part'" >&2; exit 2 ;;
    esac
done
write_speed_json
