#!/usr/bin/env bash
# Makes the golden files anew, after a change of a format: tests/golden/golden.tar.xz, which holds db, backups,
# backup.file, secret (encrypted) and what is in db and secret as JSON. Bring read_golden.py and docs/format in step first; then look whether
# `ctest --test-dir build/release -R golden` agrees.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake -S . -B build/release >/dev/null
cmake --build build/release -j "${JOBS:-2}" --target golden.generate golden.check lode >/dev/null
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
build/release/tests/golden/generate "$folder" >/dev/null
python3 - "$folder" tests/golden/golden.tar.xz <<'PACK'
import sys, tarfile
def plain(info):
    info.mtime = info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() else 0o644
    return None if info.name.endswith("LOCK") else info
with tarfile.open(sys.argv[2], "w:xz", preset=9) as tar:
    for name in ("backup.file", "backups", "db", "expected.json", "secret", "secret.json"):
        tar.add(f"{sys.argv[1]}/{name}", arcname=name, filter=plain)
PACK
ls -l tests/golden/golden.tar.xz
