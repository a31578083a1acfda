#!/usr/bin/env python3
"""The commands of docs/api.md, run in order as they are printed, answer as it is printed behind them."""

import json
import os
import re
import subprocess

from served import SOURCE, Served

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```\n", re.M | re.S)


def values(text):
    """The JSON values that stand one behind the other."""
    decoder, found, at = json.JSONDecoder(), [], 0
    text = text.strip()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def run(script, address):
    environment = {**os.environ, "LODE": "http://" + address}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert done.returncode == 0, f"{script}\n{done.stderr}"
    return done.stdout


REFUSALS = re.compile(r'(?:call_refuse|api_deny|fail)\(\s*\w+(?:->\w+)*,\s*(?:\d+,\s*)?"([a-z_]+)"')


def codes_of_the_server():
    """Those of both APIs, and those of gRPC alone."""
    folder = SOURCE / "src/server"
    errors = (folder / "errors.c").read_text()
    both = set(re.findall(r'\((?:struct fault)\)\{\d+, "([a-z_]+)"', errors)) | set(re.findall(r'return "([a-z_]+)"', errors))
    grpc = set()
    for path in folder.glob("*.c"):
        (grpc if path.name.startswith("grpc") else both).update(REFUSALS.findall(path.read_text()))
    assert {"audit", "revoked", "not_ready"} <= both and {"cardinality", "compressed", "watchers"} <= grpc, (both, grpc)
    return both - {"ok"}, grpc - both


def main():
    text = (SOURCE / "docs/api.md").read_text()
    blocks = BLOCK.findall(text)
    compared = 0
    with Served() as server:
        for i, (kind, body) in enumerate(blocks):
            if kind != "sh":
                continue
            out = run(body, server.address)
            got = values(out.replace("}{", "}\n{"))
            if i + 1 < len(blocks) and blocks[i + 1][0] == "json":
                want = values(blocks[i + 1][1])
                assert got == want, f"{body}\n got: {json.dumps(got)}\nwant: {json.dumps(want)}"
                compared += 1
    assert compared > 12, f"{compared} answers were compared"
    both, grpc = codes_of_the_server()
    for code in both:
        assert f"`{code}`" in text.split("## Errors")[1], f"the code {code} is not in docs/api.md#errors"
    page = (SOURCE / "docs/grpc.md").read_text().split("## Errors")[1]
    for code in grpc:
        assert f"`{code}`" in page, f"the code {code} is not in docs/grpc.md#errors"
    print(f"{compared} answers are as printed")


main()
