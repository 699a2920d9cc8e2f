"""Sentences from a template grammar, for training, for testing and for the recogniser that judges.

Nothing but the standard library: what is said follows from `grammar.toml` and a seed alone.
"""

import hashlib
import random
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

GRAMMAR = Path(__file__).with_name("grammar.toml")

SLOT = re.compile(r"\{(\w+)\}")

#: One sentence in this many is never trained on.
HELD_OUT = 20

MONTHS = (
    "January February March April May June July August September October November December"
).split()


def _number_slots() -> dict[str, list[str]]:
    """Slots of digits, as users write them; each list is small enough for the judge's grammar."""
    whole = [str(n) for n in range(13, 100)]
    return {
        "digit": [str(n) for n in range(10)],
        "number": whole,
        "hundreds": [str(n) for n in range(100, 1000, 10)] + [str(n) for n in range(101, 1000, 37)],
        "ordinal": ["1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th"],
        "year": [str(n) for n in [*range(1951, 2000, 3), *range(2010, 2030)]],
        "time": [f"{h}:{m:02}" for h in range(1, 13) for m in (5, 10, 15, 20, 25, 30, 40, 45, 50)],
        "money": [f"${n}" for n in range(2, 100, 3)]
        + [f"£{n}" for n in range(3, 100, 4)]
        + [f"€{n}" for n in range(4, 100, 4)]
        + [f"${n}.{c}" for n in range(2, 13) for c in (25, 50, 75)],
        "percent": [f"{n}%" for n in range(5, 100, 5)],
        "date": [f"{month} {day}, {year}" for month in MONTHS for day in range(1, 29, 3)
                 for year in (1998, 2024)]
        + [f"{month} {day}{ending}" for month in MONTHS
           for day, ending in zip((1, 2, 3, 14, 20, 31), "st nd rd th th st".split(), strict=True)],
        "decimal": [f"{n}.{d}" for n in range(2, 30, 3) for d in (2, 5, 7)],
    }  # fmt: skip


@dataclass(frozen=True)
class Language:
    """One language's templates; `slots` has every value that a slot can take, as written."""

    name: str
    share: float
    templates: tuple[str, ...]
    slots: dict[str, list[str]]

    def sentence(self, rng: random.Random) -> str:
        template = rng.choice(self.templates)
        return SLOT.sub(lambda slot: rng.choice(self.slots[slot[1]]), template)


@dataclass(frozen=True)
class Sentence:
    """`text` as a user writes it, before the normaliser."""

    text: str
    language: str

    @property
    def held_out(self) -> bool:
        """Whether training must not see it; a property of the text, whatever the seed."""
        return hashlib.sha256(self.text.encode()).digest()[0] % HELD_OUT == 0


def languages(path: Path = GRAMMAR) -> list[Language]:
    """The languages of the grammar file at `path`."""
    numbers = _number_slots()
    found = []
    for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
        slots = {slot: words.split() for slot, words in table["slots"].items()}
        templates = tuple(line for line in table["templates"].splitlines() if line)
        used = {slot for template in templates for slot in SLOT.findall(template)}
        slots = {slot: slots.get(slot) or numbers[slot] for slot in sorted(used)}
        found.append(Language(name, table["share"], templates, slots))
    return found


def sentences(count: int, seed: int, held_out: bool = False, language: str = "") -> list[Sentence]:
    """`count` different sentences, of `language` or of all by their shares.

    Those for training and, with `held_out`, those for testing have no text in common.
    """
    rng = random.Random(seed)
    choices = [lang for lang in languages() if language in ("", lang.name)]
    shares = [lang.share for lang in choices]
    seen: dict[str, Sentence] = {}
    while len(seen) < count:
        (lang,) = rng.choices(choices, shares)
        sentence = Sentence(lang.sentence(rng), lang.name)
        if sentence.held_out == held_out:
            seen.setdefault(sentence.text, sentence)
    return list(seen.values())


def words(text: str) -> list[str]:
    """A normalised text's words as they are counted: lower case, no punctuation."""
    return re.findall(r"[\w']+", text.lower())
