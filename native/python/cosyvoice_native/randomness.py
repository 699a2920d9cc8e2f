"""Whose random numbers the sampling takes.

As in the reference: those of torch's CPU generator, so that `torch.manual_seed` and the reference's
`set_all_random_seed` decide what is sampled. Where there is no torch, a generator of this package draws
the same numbers.
"""

from __future__ import annotations

import contextlib
import functools
import random
import secrets
import threading
from collections.abc import Iterator

import numpy

from ._native import Engine, TorchRng
from .optional_torch import torch

#: What stands in for torch's global generator. It begins anywhere, as torch's does.
_own = TorchRng(secrets.randbits(64))
_own_lock = threading.Lock()


def set_all_random_seed(seed: int) -> None:
    """Seed `random`, numpy, and what the sampling draws from (as `cosyvoice.utils.common` does)."""
    random.seed(seed)
    numpy.random.seed(seed)
    module = torch()
    if module is not None:
        module.manual_seed(seed)
        module.cuda.manual_seed_all(seed)
    else:
        with _own_lock:
            _own.go_to(TorchRng(seed % 2**64))


def seed_by_loading(engine: Engine) -> None:
    """Leave the generator where the reference's constructors leave it: they seed it, so a program
    without a seed says the same in each run, and says the same here."""
    start = engine.generator_after_loading(newer_draws())
    module = torch()
    if module is not None:
        module.manual_seed(0)
        _put_into_torch(start)
    else:
        with _own_lock:
            _own.go_to(start)


@contextlib.contextmanager
def taken() -> Iterator[TorchRng]:
    """The generator as it is now, for one request. Afterwards the global one is put where the request
    has left it, unless somebody has seeded it or drawn from it meanwhile: requests at the same time
    do not disturb each other, and each says what its seed says."""
    module = torch()
    if module is not None:
        before = module.get_rng_state()
        mine = TorchRng.from_state(before.numpy().tobytes(), newer_draws())
    else:
        with _own_lock:
            old, mine = _own.copy(), _own.copy()
    try:
        yield mine
    finally:
        if module is not None:
            if module.equal(module.get_rng_state(), before):
                _put_into_torch(mine)
        else:
            with _own_lock:
                if _own == old:
                    _own.go_to(mine)


def _put_into_torch(rng: TorchRng) -> None:
    module = torch()
    assert module is not None
    state = module.get_rng_state()
    written = bytearray(rng.written_to(state.numpy().tobytes()))
    module.set_rng_state(module.frombuffer(written, dtype=module.uint8))


@functools.lru_cache(maxsize=None)
def newer_draws() -> bool:
    """Whether torch's `multinomial` takes two draws for each entry, as newer builds do, or one for
    the whole row, as the wheels of 2.3 do. It is tried, on a generator of its own."""
    module = torch()
    if module is None:
        return False
    generator = module.Generator()
    generator.manual_seed(0)
    module.multinomial(module.ones(8), 1, replacement=True, generator=generator)
    once = module.Generator()
    once.manual_seed(0)
    module.rand(1, generator=once)
    return not module.equal(generator.get_state(), once.get_state())
