#!/usr/bin/env python3
"""Includes between the folders of src/ point downwards only, as ARCHITECTURE.md draws them."""

import pathlib
import re
import sys

# What a folder may include besides itself, base/ and the public header.
ALLOWED = {
    "base": "",
    "os": "",
    "crypt": "os",
    "simd": "",
    "linalg": "simd os",
    "quant": "linalg simd os",
    "filter": "",
    "index": "quant simd os",
    "column": "filter os simd",
    "text": "os",
    "embed": "linalg simd os",
    "storage": "crypt index column text filter quant simd os",
    "query": "storage crypt index column text filter quant simd os",
    "engine": "query storage embed crypt index column text filter quant simd os",
    "net": "os",
    "server": "net os",
    "cluster": "net storage os",
    "cmd": "server",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def faults(src, file):
    layer = file.relative_to(src).parts[0]
    if layer not in ALLOWED or file.parent == src:
        yield 1, f"{layer} is not a layer that tools/check-layers.py knows"
        return
    allowed = {layer, "base", *ALLOWED[layer].split()}
    for number, line in enumerate(file.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        bracket, path = match.groups()
        first, *rest = path.split("/")
        if bracket == "<":
            if first in ALLOWED and (src / path).exists():
                yield number, f'<{path}> is our own: write "{path}"'
        elif first == "lode" and rest:
            pass
        elif first not in ALLOWED or not rest or ".." in rest:
            yield number, f'"{path}" must begin with its folder, as in "base/buf.h"'
        elif first not in allowed:
            yield number, f"{layer}/ may not include {first}/ ({path})"


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    count = 0
    for file in sorted(src.rglob("*.[ch]")):
        for number, text in faults(src, file):
            print(f"src/{file.relative_to(src)}:{number}: {text}")
            count += 1
    return 1 if count else 0


sys.exit(main())
