#!/usr/bin/env bash
# Each tools/check-* accepts a small sound tree and refuses the same tree with one thing broken.
set -euo pipefail
[ -z "$LODE_SANITIZE" ] || exit 77 # once is enough

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LODE_BUILD=$work/build JOBS=1
faults=0

sound_tree() {
    rm -rf "$work"/*
    mkdir -p "$work"/{src/base,src/os,src/index,src/column,src/engine,include/lode,build}
    cp -r "$LODE_SOURCE/tools" "$LODE_SOURCE/.clang-format" "$LODE_SOURCE/.clang-tidy" "$work"
    cd "$work"
    printf '%s\n' '#ifndef LODE_H' '#define LODE_H' \
        '#define LODE_API __attribute__((visibility("default")))' \
        'LODE_API int lode_one(int n);' '#endif' >include/lode/lode.h
    printf '%s\n' 'int buf_two(int n);' >src/base/buf.h
    printf '%s\n' '#include "base/buf.h"' '#include <lode/lode.h>' '' 'int lode_one(int n)' '{' \
        '    return buf_two(n) + 1;' '}' >src/engine/one.c
    printf '%s\n' '#include "base/buf.h"' '' 'int buf_two(int n)' '{' '    return n + 2;' '}' \
        >src/base/buf.c
    compile
}

compile() {
    local file comma=
    {
        echo '['
        for file in src/*/*.c; do
            printf '%s{\n"directory": "%s",\n"command": "cc -std=gnu17 -Iinclude -Isrc -c %s",\n"file": "%s"\n}\n' \
                "$comma" "$work" "$file" "$work/$file"
            comma=,
        done
        echo ']'
    } >build/compile_commands.json
    gcc -std=gnu17 -Iinclude -Isrc -fPIC -shared -fvisibility=hidden -o build/liblode.so src/*/*.c
    gcc -std=gnu17 -Iinclude -Isrc -fPIC -c -o build/one.o src/engine/one.c
    rm -f build/liblode.a
    ar qc build/liblode.a build/one.o
}

# refuses CHECK "WHAT IT MUST SAY": the tree as it is now; then mends it.
refuses() {
    local said
    if said=$("tools/$1" 2>&1); then
        echo "$1 accepts: $2"
        faults=$((faults + 1))
    elif ! grep -qF -- "$2" <<<"$said"; then
        echo "$1 does not say '$2' but: $said"
        faults=$((faults + 1))
    fi
    sound_tree
}

sound_tree
for check in tools/check-*; do
    "$check" || { echo "$check refuses a sound tree"; faults=$((faults + 1)); }
done

printf 'int  x;\n' >src/base/x.h
refuses check-format.sh "x.h:1:"

printf 'int f(int n);\nint f(int n)\n{\n    if (n == n)\n        return 1;\n    return 0;\n}\n' >src/base/x.c
compile
refuses check-clang-tidy.sh "both sides of operator are equivalent"

# What was found sound is not looked at again, until it, or a header that it includes, changes.
tools/check-clang-tidy.sh
mkdir bin
printf '#!/bin/sh\n[ "$1" = --version ] && exec %s --version\nexit 1\n' "$(command -v clang-tidy)" >bin/clang-tidy
chmod +x bin/clang-tidy
if ! PATH=$work/bin:$PATH tools/check-clang-tidy.sh; then
    echo "check-clang-tidy.sh looks again at what did not change"
    faults=$((faults + 1))
fi
printf '\n' >>src/base/buf.h
if PATH=$work/bin:$PATH tools/check-clang-tidy.sh >/dev/null; then
    echo "check-clang-tidy.sh does not look again where a header changed"
    faults=$((faults + 1))
fi
sound_tree

printf '#include "os/vfs.h"\n' >src/base/x.h
refuses check-layers.py "src/base/x.h:1: base/ may not include os/ (os/vfs.h)"
printf '#include "column/column.h"\n' >src/index/x.c
refuses check-layers.py "index/ may not include column/"
printf '#include "buf.h"\n' >src/base/x.c
refuses check-layers.py "must begin with its folder"
printf '#include "base/../os/vfs.h"\n' >src/base/x.c
refuses check-layers.py "must begin with its folder"
printf '#include <base/buf.h>\n' >src/engine/x.c
refuses check-layers.py 'is our own: write "base/buf.h"'
mkdir src/new && printf '\n' >src/new/x.c
refuses check-layers.py "new is not a layer"

printf 'size_t x;\n' >src/base/x.h
refuses check-headers.sh "base/x.h does not compile alone"
printf 'static inline unsigned char x(int n)\n{\n    return n;\n}\n' >src/base/x.h
refuses check-headers.sh "base/x.h does not compile alone"
printf '// not in C90, but in C99\nstruct lode_x { int class; };\n' >include/lode/x.h
refuses check-headers.sh "x.h does not compile alone with g++"
printf 'struct lode_x { struct { int unnamed; }; };\n' >include/lode/x.h
refuses check-headers.sh "x.h does not compile alone with gcc -x c -std=c99"

printf '__attribute__((visibility("default"))) int wal_append(void);\nint wal_append(void) { return 1; }\n' \
    >src/engine/x.c
compile
refuses check-symbols.sh "wal_append leaves the library"
printf 'int buf_three;\n' >>src/engine/one.c
compile
refuses check-symbols.sh "buf_three leaves the library"
printf '__attribute__((visibility("default"))) int lode_x(void);\nint lode_x(void) { return 1; }\n' \
    >src/engine/x.c
compile
refuses check-symbols.sh "lode_x is exported but no public header declares it"
printf '#define LODE_API\nLODE_API int lode_x(\n    int n);\n' >include/lode/x.h
refuses check-symbols.sh "lode_x is declared in a public header but not exported"

printf 'int x(void) { return 1 + ""; }\n' >src/base/x_neon.c
refuses check-neon.sh "error"

printf 'int x; \n' >src/base/x.h
refuses check-style.py "src/base/x.h:1: trailing space"
printf 'int\tx;\n' >src/base/x.h
refuses check-style.py "src/base/x.h:1: a tab"
printf 'int x; /* %s: y */\n' TODO >src/base/x.h
refuses check-style.py "src/base/x.h:1: a leftover"
{ printf 'void f(void)\n{\n'; printf '    f();\n%.0s' {1..89}; printf '}\n'; } >src/base/x.c
refuses check-style.py "src/base/x.c:2: a function of 91 lines"
printf 'int x;\n%.0s' {1..901} >src/base/x.h
refuses check-style.py "src/base/x.h:901: a file of 901 lines"

mkdir -p docs/decisions && printf '# 0001: Why\n' >docs/decisions/0001-why.md
printf '# Records\n' >docs/decisions/README.md
refuses check-decisions.py "lacks: * [0001](0001-why.md) Why"

[ $faults = 0 ] && echo "every check refuses what it should"
