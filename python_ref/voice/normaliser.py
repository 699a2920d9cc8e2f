"""Texts as the language model sees them: through the reference's own normaliser."""

import functools

from wetext import Normalizer

#: What ends an English segment in the reference (`split_paragraph`).
ENDS = ".?!;:"


@functools.cache
def _normalizer() -> Normalizer:
    return Normalizer()


@functools.lru_cache(maxsize=1 << 16)
def normalise(text: str) -> str:
    """What the reference's frontend makes of one sentence without Chinese characters.

    After wetext the frontend spells out the digits that are left, of which the grammar has none,
    and closes a sentence that ends in no mark (3 p.m. becomes three PM).
    """
    spoken = _normalizer().normalize(text.strip())
    if any(c.isdigit() for c in spoken):
        raise ValueError(f"digits are left in {spoken!r}")
    return spoken if spoken[-1] in ENDS else spoken + "."
