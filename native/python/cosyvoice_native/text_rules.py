"""The text normaliser's rules in an installed wetext."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from typing import Optional

#: The version whose rules the engine is held to.
VERSION = "0.1.8"


def rules_of_wetext() -> Optional[str]:
    """The folder of rules of the Python package wetext, if that version is installed. None of its
    code is run."""
    try:
        if importlib.metadata.version("wetext") != VERSION:
            return None
        spec = importlib.util.find_spec("wetext")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    folder = os.path.join(os.path.dirname(spec.origin), "fsts")
    return folder if os.path.isdir(folder) else None
