#!/usr/bin/env python3
"""Write a bill of materials (CycloneDX 1.5, JSON) of a release.

From `cargo metadata`, Cargo.lock and python_ref/assets.json, which together know everything: the
tools that make one from Cargo.lock know nothing of the files that set-up downloads. The same
checkout gives the same bytes.
"""

import argparse
import json
import subprocess
import tomllib
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def purl(package: dict) -> str:
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def licence(expression: str) -> list:
    """SPDX, of which crates of old write `MIT/Apache-2.0`."""
    parts = [part.strip() for part in expression.split("/")]
    return [{"expression": " OR ".join(parts)}]


def at_run_time(metadata: dict) -> set:
    """The ids of the packages whose code can be in a program: no build or test dependencies, and
    no procedural macros."""
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    reached, waiting = set(), list(metadata["workspace_members"])
    while waiting:
        here = waiting.pop()
        macro = any("proc-macro" in target["kind"] for target in packages[here]["targets"])
        if here in reached or macro:
            continue
        reached.add(here)
        for dependency in nodes[here]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return reached


def crate(package: dict, checksums: dict, needed: set) -> dict:
    component = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        # "excluded" is CycloneDX's word for what only builds or tests.
        "scope": "required" if package["id"] in needed else "excluded",
        "licenses": licence(package["license"]),
        "purl": purl(package),
    }
    checksum = checksums.get((package["name"], package["version"]))
    if checksum:
        component["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        component["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return component


def downloaded(pins: dict) -> list:
    """The packages that set-up takes files from, and the files."""
    packages = []
    for package in pins["packages"]:
        name, version = package["requirement"].split("==")
        ref = f"pkg:pypi/{name}@{version}"
        packages.append(
            {
                "type": "library",
                "bom-ref": ref,
                "name": name,
                "version": version,
                "scope": "required",
                "licenses": licence(package["licence"]),
                "purl": ref,
                "hashes": [{"alg": "SHA-256", "content": package["sha256"]}],
            }
        )
    files = [
        {
            "type": "file",
            "bom-ref": f"file:{file['path']}",
            "name": file["path"],
            "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
        }
        for file in pins["files"]
    ]
    return packages + files


def bill(metadata: dict, lock: dict, pins: dict) -> dict:
    packages = {package["id"]: package for package in metadata["packages"]}
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    needed = at_run_time(metadata)
    members = [packages[member] for member in metadata["workspace_members"]]
    (version,) = {member["version"] for member in members}
    project = {"type": "application", "bom-ref": "project", "name": "cosyvoice-parity"}
    components = [crate(package, checksums, needed) for package in packages.values()]
    components = sorted(components + downloaded(pins), key=lambda c: c["bom-ref"])
    dependencies = [
        {
            "ref": purl(packages[node["id"]]),
            "dependsOn": sorted({purl(packages[dep["pkg"]]) for dep in node["deps"]}),
        }
        for node in metadata["resolve"]["nodes"]
    ]
    of_project = [purl(member) for member in members]
    of_project += [part["bom-ref"] for part in downloaded(pins)]
    dependencies.append({"ref": "project", "dependsOn": sorted(of_project)})
    content = {
        "metadata": {"component": project | {"version": version}},
        "components": components,
        "dependencies": sorted(dependencies, key=lambda d: d["ref"]),
    }
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{identity}"}
    return head | {"version": 1} | content


def read(features: list) -> tuple:
    """What `bill` takes, of this checkout."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    command += [f"--features={feature}" for feature in features]
    metadata = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return json.loads(metadata), lock, json.loads((ROOT / "python_ref/assets.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "sbom.cdx.json")
    parser.add_argument("--features", action="append", default=[], help="such as native/cuda")
    args = parser.parse_args()
    bom = bill(*read(args.features))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(bom, indent=1) + "\n")
    needed = sum(part.get("scope") == "required" for part in bom["components"])
    print(f"{args.out}: {len(bom['components'])} components, {needed} of them at run time")


if __name__ == "__main__":
    main()
