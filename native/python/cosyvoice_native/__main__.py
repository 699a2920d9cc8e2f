"""Run a program that was written for the Python CosyVoice, unmodified, on the native engine.

    python -m cosyvoice_native webui.py --port 8000 --model_dir Fun-CosyVoice3-0.5B

Its `from cosyvoice.cli.cosyvoice import AutoModel` is answered by this package. Everything else that
it imports is what it would be without, `cosyvoice.utils` of the checkout among it.
"""

from __future__ import annotations

import os
import runpy
import sys
import types

from . import AutoModel, CosyVoice3

#: The module of the reference that this package stands in for.
REPLACED = "cosyvoice.cli.cosyvoice"


def _of_another_version(name: str) -> type:
    def refuse(*_: object, **__: object) -> None:
        raise TypeError(f"{name} is not run by cosyvoice_native: it has CosyVoice3 only")

    return type(name, (), {"__init__": refuse})


def replacement() -> types.ModuleType:
    """A module with the names of the reference's."""
    module = types.ModuleType(REPLACED, "CosyVoice3 on the native engine.")
    names = {"AutoModel": AutoModel, "CosyVoice3": CosyVoice3}
    for name in ("CosyVoice", "CosyVoice2"):
        names[name] = _of_another_version(name)
    vars(module).update(names)
    return module


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        print("\nusage: python -m cosyvoice_native PROGRAM [ARGUMENT …]")
        sys.exit(0 if len(sys.argv) > 1 else 1)
    program = sys.argv[1]
    if not os.path.exists(program):
        sys.exit(f"cosyvoice_native: {program}: there is no such file")
    sys.modules[REPLACED] = replacement()
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(program))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
