#!/usr/bin/env python3
"""Run the tests of the Python module on what cargo has built, without installing it.

    cargo build --workspace --lib --tests --features native-python/module
    python3 native/python/tests/run.py target/debug

Needs numpy. Arguments after the folder are unittest's: names of tests, -v.
"""

import argparse
import importlib.util
import shutil
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
#: What cargo calls the library, by platform.
LIBRARIES = ["lib_native.so", "lib_native.dylib", "_native.dll"]


def assemble(built: Path) -> Path:
    """A folder with the package as a wheel would install it."""
    found = [built / name for name in LIBRARIES if (built / name).is_file()]
    if not found:
        sys.exit(f"{built} has no {LIBRARIES[0]}: build it, as `{Path(__file__).name} --help` says")
    folder = ROOT / "out/tests/python"
    package = folder / "cosyvoice_native"
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE.parent / "cosyvoice_native", package, ignore=ignored)
    extension = "pyd" if found[0].suffix == ".dll" else "abi3.so"
    shutil.copyfile(found[0], package / f"_native.{extension}")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("built", type=Path, help="the folder that cargo built into")
    args, rest = parser.parse_known_args()
    if importlib.util.find_spec("numpy") is None:
        print(f"SKIPPED: the tests of the Python module: {sys.executable} has no numpy")
        return
    sys.path[:0] = [str(assemble(args.built)), str(HERE)]
    import common

    common.BUILT = args.built.resolve()
    names = [name for name in rest if not name.startswith("-")]
    flags = [flag for flag in rest if flag.startswith("-")]
    files = sorted(path.stem for path in HERE.glob("test_*.py"))
    unittest.main(module=None, argv=["run.py", *flags, *(names or files)])


if __name__ == "__main__":
    main()
