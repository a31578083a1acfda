#!/usr/bin/env bash
# The kernels of 64-bit ARM: cross-compiled with their test, and run under qemu.
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v $tool >/dev/null; then
        echo "no $tool: skipped"
        exit 77
    fi
done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
aarch64-linux-gnu-gcc -static -std=gnu17 -O2 -D_GNU_SOURCE -ffp-contract=fast -fno-math-errno \
    -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror -Iinclude -Isrc \
    tests/simd/test_kernels.c src/simd/simd.c src/simd/simd_scalar.c src/simd/simd_neon.c \
    -lm -pthread -o "$folder/test_kernels"
output=$(qemu-aarch64 "$folder/test_kernels")
echo "$output"
grep -q '^seed .* neon' <<<"$output"
