"""torch, where it can be imported."""

from __future__ import annotations

import functools
from typing import Any, Optional


@functools.lru_cache(maxsize=None)
def torch() -> Optional[Any]:
    """The module torch, or None where there is none, or none that loads."""
    try:
        import torch as module
    except (ImportError, OSError):
        return None
    return module
