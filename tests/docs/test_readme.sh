#!/bin/sh
# The README keeps its word: its C program compiles and runs as printed, and so do its shell commands.
# Needs LODE_BIN (the command), LODE_SOURCE (the sources) and LODE_BUILD (where liblode.so is).
set -eu
[ -z "${LODE_SANITIZE:-}" ] || exit 77 # a C program of its own cannot link a sanitized library
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The program between the first ```c and the next ```.
awk '/^```c$/ {on=1; next} /^```$/ {on=0} on' "$LODE_SOURCE/README.md" > films.c
grep -q lode_search films.c
cc -std=c99 -pedantic -Wall -Wextra -Werror -I"$LODE_SOURCE/include" films.c \
    -L"$LODE_BUILD" -llode -Wl,-rpath,"$LODE_BUILD" -o films
./films > films.out
printf 'alien 0.9939\nsolaris 0.9300\n' | diff - films.out
rm -rf films.lode

# The JSON lines and the commands under "From the shell", with the command under test on the PATH.
mkdir bin
ln -s "$LODE_BIN" bin/lode
PATH="$work/bin:$PATH"
awk '/^    \{"id"/ {sub(/^    /, ""); print}' "$LODE_SOURCE/README.md" > films.jsonl
test "$(wc -l < films.jsonl)" -eq 3
awk '/^## From the shell/ {on=1; next} /^## / {on=0} on && /^    \$ lode / {sub(/^    \$ /, ""); print}' \
    "$LODE_SOURCE/README.md" > commands
test "$(wc -l < commands)" -ge 6
sh -eux commands
test -s films.npy
