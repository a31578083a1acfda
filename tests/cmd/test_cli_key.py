#!/usr/bin/env python3
"""`lode key`; and that the folder of a server is left alone by all that opens, checks, mends or copies a database."""

import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile

LODE = os.environ["LODE_BIN"]


def run(*words, code=0):
    done = subprocess.run([LODE, *words], capture_output=True, text=True, timeout=60)
    if done.returncode != code:
        sys.exit(f"{words}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout if code == 0 else done.stdout + done.stderr


def listed():
    return {key["id"]: key for key in json.loads(run("key", "list", "db", "--json"))["keys"]}


def keys_are_made_and_changed():
    text = run("key", "create", "db", "--name", "search", "--role", "read").strip()
    match = re.fullmatch(r"lode_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", text)
    assert match, text
    first = match[1]
    made = json.loads(run(
        "key", "create", "db", "--name", "anna", "--role", "write", "--json", "--collections", "films,b*",
        "--namespaces", "anna", "--filter", "year > 1990", "--expires", "90d", "--requests-per-s", "20", "--k", "7"))
    second = listed()[made["id"]]
    assert made["key"].startswith(f"lode_{made['id']}_") and made["name"] == "anna"
    assert second["collections"] == ["films", "b*"] and second["namespaces"] == ["anna"]
    assert second["filter"] == "year > 1990" and second["limits"] == {"requests_per_s": 20, "k": 7}
    assert second["state"] == "valid" and second["role"] == "write" and "expires" in second
    assert "expires" not in listed()[first]
    with open("db/server/keys") as file:
        kept = file.read()
    secret = made["key"].split("_", 2)[2]
    assert secret not in kept and hashlib.sha256(secret.encode()).hexdigest() in kept
    assert secret not in run("key", "list", "db") + run("key", "list", "db", "--json")
    assert stat.S_IMODE(os.stat("db/server/keys").st_mode) == 0o600
    assert stat.S_IMODE(os.stat("db/server").st_mode) == 0o700

    again = run("key", "rotate", "db", first, "--overlap", "24h").strip()
    assert again != text and again.startswith(f"lode_{first}_")
    assert listed()[first]["state"] == "two secrets"
    run("key", "rotate", "db", first)
    assert listed()[first]["state"] == "valid"
    run("key", "revoke", "db", first)
    run("key", "revoke", "db", first)
    assert listed()[first]["state"] == "revoked"
    assert "revoked" in run("key", "rotate", "db", first, code=2)
    assert "no key" in run("key", "revoke", "db", "0123456789ab", code=3)
    run("key", "create", "db", "--name", "anna", "--role", "read", code=1)


def mistakes_are_told():
    for words, said in (
            (("create", "db"), "--name and --role"),
            (("create", "db", "--name", "x"), "--name and --role"),
            (("create", "db", "--name", "x", "--role", "root"), "one of read, write, admin"),
            (("create", "db", "--name", "x", "--role", "read", "--expires", "90"), "s, m, h or d"),
            (("create", "db", "--name", "x", "--role", "read", "--expires", "0d"), "s, m, h or d"),
            (("create", "db", "--name", "x", "--role", "read", "--expires", "99999d"), "s, m, h or d"),
            (("create", "db", "--name", "x", "--role", "read", "--collections", "a,,b"), "1 to 128 bytes"),
            (("create", "db", "--name", "x", "--role", "read", "--collections", "*a"), "at its end only"),
            (("create", "db", "--name", "x", "--role", "read", "--filter", ""), "filter of 0 bytes"),
            (("create", "db", "--name", "", "--role", "read"), "1 to 127"),
            (("create", "db", "--name", "a\nb", "--role", "read"), "control character"),
            (("create", "db", "x", "--name", "x", "--role", "read"), "takes no ID"),
            (("create", "db", "--name", "x", "--role", "read", "--overlap", "1h"), "goes with rotate"),
            (("create", "db", "--name", "x", "--role", "read", "--k", "0"), "out of range"),
            (("list", "db", "x"), "takes no ID"),
            (("list", "db", "--role", "read"), "none of the options"),
            (("revoke", "db"), "needs the ID"),
            (("rotate", "db", "x", "--k", "7"), "none of the options"),
            (("frobnicate", "db"), "none of create"),
            (("list",), "DIR is missing")):
        output = run("key", *words, code=2)
        assert said in output, (words, output)
    run("key", "list", "nowhere", code=3)
    assert "key list" not in run("key", "create", "nowhere/db", "--name", "a", "--role", "read", code=3)
    os.chmod("db/server/keys", 0o644)
    assert "chmod 600" in run("key", "list", "db", code=4)
    os.chmod("db/server/keys", 0o600)
    assert not os.path.exists("nowhere")


def nobody_overwrites_anybody():
    """Commands that run at the same time wait for one another."""
    before = listed()
    running = [
        subprocess.Popen([LODE, "key", "create", "db", "--name", f"p{i}", "--role", "read", "--quiet"],
                         stdout=subprocess.PIPE, text=True) for i in range(8)]
    made = {process.communicate(timeout=60)[0].split("_")[1] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(made) == 8 and set(listed()) == set(before) | made


def snapshot(folder):
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                found[os.path.relpath(os.path.join(place, name), folder)] = file.read()
    return found


def the_folder_is_left_alone():
    os.makedirs("db/server/audit/deep")
    with open("db/server/audit/deep/file", "w") as file:
        file.write("x")
    before = snapshot("db/server")
    assert "keys" in before
    run("create", "db", "films", "--dim", "2", "--metric", "l2")  # which opens a directory that held nothing else
    with open("films.jsonl", "w") as file:
        for i in range(20):
            file.write(json.dumps({"id": i, "vector": [i, 1]}) + "\n")
    run("import", "db", "films", "films.jsonl")
    run("flush", "db", "films")
    run("compact", "db", "films")
    assert "sound" in run("verify", "db")
    run("backup", "db", "backups")
    run("repair", "db")
    run("restore", "backups", "again")
    assert not os.path.exists("again/server")
    for place, _, names in os.walk("backups"):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                assert before["keys"] not in file.read(), name
    # Damage that repair mends, with the folder beside.
    collection = next(name for name in os.listdir("db") if name.startswith("c-"))
    part = next(name for name in os.listdir(f"db/{collection}") if name.endswith(".vectors"))
    with open(f"db/{collection}/{part}", "r+b") as file:
        file.seek(4096)
        byte = file.read(1)
        file.seek(4096)
        file.write(bytes([byte[0] ^ 1]) if byte else b"x")
    run("repair", "db")
    run("drop", "db", "films")
    assert snapshot("db/server") == before


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        keys_are_made_and_changed()
        mistakes_are_told()
        nobody_overwrites_anybody()
        the_folder_is_left_alone()


main()
