#!/usr/bin/env python3
"""`lode encryption`, and keys given to other commands: by option, by environment, by a command."""

import json
import os
import stat
import subprocess
import sys
import tempfile

LODE = os.environ["LODE_BIN"]


def run(*words, code=0, env=None):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LODE_KEY")}
    done = subprocess.run(
        [LODE, *words], capture_output=True, text=True, env={**clean, **(env or {})}, timeout=60
    )
    if done.returncode != code:
        sys.exit(f"{words}: exit {done.returncode}, not {code}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        old = json.loads(run("encryption", "new", "--out", "old.key", "--json", "--quiet"))["key"]
        run("encryption", "new", "--out", "new.key", "--quiet")
        run("encryption", "new", "--out", "new.key", code=1)
        assert stat.S_IMODE(os.stat("old.key").st_mode) == 0o600
        run("create", "db", "films", "--dim", "2", "--metric", "l2", "--key-file", "old.key")
        with open("films.jsonl", "w") as file:
            file.write('{"id": "alien", "vector": [1, 2], "metadata": {"secret": "NOSTROMO"}}\n')
        run("import", "db", "films", "films.jsonl", env={"LODE_KEY_FILE": "old.key"})
        assert "alien" in run("get", "db", "films", "alien", "--key-command", "cat old.key")
        assert old in run("get", "db", "films", "alien", code=1)
        assert "LODE_KEY" in run("list", "db", "--json", "--key-file", "new.key", code=1)
        assert run("encryption", "show", "db").strip() == old
        run("list", "db", "--key-file", "old.key", "--key-command", "cat old.key", code=2)
        run("list", "db", code=2, env={"LODE_KEY_FILE": "a", "LODE_KEY_COMMAND": "b"})
        os.chmod("new.key", 0o640)
        assert "chmod 600" in run("list", "db", "--key-file", "new.key", code=2)
        os.chmod("new.key", 0o600)
        run("backup", "db", "backups", "--key-file", "old.key")
        checked = json.loads(run("verify", "backups", "--json", "--quiet"))
        assert checked["sound"] and len(checked["unchecked"]) == 1
        run("restore", "backups", "again", code=1)
        run("restore", "backups", "again", "--key-file", "old.key")
        run("encryption", "rotate", "db", "--key-file", "old.key", "--new-key-file", "new.key",
            "--data-key", "--rewrite")
        run("list", "db", "--key-file", "old.key", code=1)
        run("verify", "db", "--key-file", "new.key")
        run("create", "plain", "films", "--dim", "2", "--metric", "l2")
        run("import", "plain", "films", "films.jsonl")
        run("list", "plain", "--key-file", "new.key", code=1)
        run("encryption", "encrypt", "plain", "--key-file", "new.key")
        assert "alien" in run("get", "plain", "films", "alien", "--key-file", "new.key")
        for word in ("NOSTROMO", "alien", "films"):
            for place in ("db", "again", "plain", "backups"):
                found = subprocess.run(["grep", "-rl", word, place], capture_output=True, text=True)
                assert not found.stdout, f"{word} in {found.stdout}"
        assert "LODE_KEY" in run("repair", "db", "--json", code=1)
        run("repair", "db", "--key-file", "old.key", code=1)
        assert "nothing to repair" in run("repair", "db", "--key-file", "new.key")
        with open("db/keys", "r+b") as file:
            file.write(b"?")
        run("verify", "db", "--key-file", "new.key", code=6)
        assert "mended" in run("repair", "db", env={"LODE_KEY_FILE": "new.key"})
        run("verify", "db", "--key-file", "new.key")
        os.rename("db/keys", "keys")
        assert "put back a copy" in run("repair", "db", code=6)
        os.rename("keys", "db/keys")
        run("verify", "db", "--key-file", "new.key")
        run("encryption", "new", code=2)
        run("encryption", "show", code=2)
        run("encryption", "frobnicate", "db", code=2)
        run("encryption", "rotate", "db", code=2)


main()
