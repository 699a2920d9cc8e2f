"""An independent recogniser: pocketsphinx with the grammar, or with its words in any order.

pocketsphinx and its English acoustic model come from one PyPI package, written and trained by
others. Its dictionary lacks Spanish, whose words are spelt here in English phones.
"""

import itertools
import math
import re
import tempfile
from pathlib import Path

import numpy as np
import soxr
from pocketsphinx import Decoder, get_model_path

from .automaton import sentence_automaton
from .normaliser import normalise
from .sentences import SLOT, languages, words

#: Wider than pocketsphinx's own of 1e-48: of espeak-ng's errors on 354 sentences, those went away
#: that the search made (4.4% became 2.9%).
BEAMS = {"beam": 1e-60, "pbeam": 1e-60, "wbeam": 1e-40}
#: For a sound in which the search lost every path to the grammar's end: 18 times as slow.
WIDER = {"beam": 1e-100, "pbeam": 1e-100, "wbeam": 1e-80, "maxhmmpf": -1}

#: Spanish letters as English phones; `PAIRS` first.
PAIRS = {"ch": "CH", "ll": "Y", "rr": "R", "qu": "K", "gu": "G W", "ci": "S IY", "ce": "S EH"}
LETTERS = {
    "a": "AA", "á": "AA", "b": "B", "c": "K", "d": "D", "e": "EH", "é": "EH", "f": "F", "g": "G",
    "h": "", "i": "IY", "í": "IY", "j": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "ñ": "N Y",
    "o": "OW", "ó": "OW", "p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "UW",
    "ú": "UW", "v": "B", "x": "K S", "y": "IY", "z": "S",
}  # fmt: skip


def spanish_phones(word: str) -> str:
    """A Spanish word in the phones of pocketsphinx's English dictionary."""
    pieces = re.findall("|".join(PAIRS) + "|.", word)
    return " ".join(filter(None, (PAIRS.get(p) or LETTERS[p] for p in pieces)))


def spoken_slots(language) -> dict[str, list[str]]:
    """Every slot's values as words, each normalised inside a sentence."""
    return {
        slot: sorted({" ".join(words(normalise(f"So {v} so."))[1:-1]) for v in values})
        for slot, values in language.slots.items()
    }


def automaton(language) -> str:
    """The language's whole grammar for the recogniser."""
    slots = {
        f"{{{slot}}}": [tuple(value.split()) for value in values]
        for slot, values in spoken_slots(language).items()
    }
    templates = [
        tuple(piece.lower() for piece in re.findall(r"\{\w+\}|[\w']+", template))
        for template in language.templates
    ]
    return sentence_automaton(language.name, templates, slots)


def vocabulary(language) -> list[str]:
    """Every word that the language's grammar can say."""
    slots = itertools.chain.from_iterable(spoken_slots(language).values())
    fixed = (SLOT.sub(" ", template) for template in language.templates)
    return sorted({word for text in itertools.chain(slots, fixed) for word in words(text)})


def dictionary(language) -> str:
    """Pronunciations of the vocabulary, in pocketsphinx's format."""
    wanted = vocabulary(language)
    if language.name != "english":
        return "".join(f"{word} {spanish_phones(word)}\n" for word in wanted)
    lines = Path(get_model_path("en-us"), "cmudict-en-us.dict").read_text().splitlines()
    of = lambda line: re.sub(r"\(\d+\)$", "", line.split(maxsplit=1)[0])  # noqa: E731
    lines = [line for line in lines if of(line) in set(wanted)]
    if missing := set(wanted) - {of(line) for line in lines}:
        raise LookupError(f"pocketsphinx cannot pronounce {sorted(missing)}")
    return "\n".join(lines) + "\n"


def any_order(vocabulary: list[str]) -> str:
    """A uniform unigram language model (ARPA): a loop of all words does not end."""
    each = math.log10(1 / (len(vocabulary) + 2))
    grams = "".join(f"{each:.4f} {word}\n" for word in ["</s>", *vocabulary])
    return f"\\data\\\nngram 1={len(vocabulary) + 2}\n\n\\1-grams:\n-99 <s>\n{grams}\n\\end\\\n"


class Judge:
    """Recognises one language's sentences; `free` takes its words in any order."""

    def __init__(self, language: str = "english", free: bool = False):
        (table,) = (lang for lang in languages() if lang.name == language)
        self._language, self._free = table, free
        self._decoder = self._load(BEAMS)
        self._wider: Decoder | None = None

    def _load(self, beams: dict) -> Decoder:
        with tempfile.TemporaryDirectory() as folder:
            dic, grammar = Path(folder, "words.dict"), Path(folder, "grammar")
            table = self._language
            dic.write_text(dictionary(table))
            grammar.write_text(any_order(vocabulary(table)) if self._free else automaton(table))
            kind = {"lm" if self._free else "fsg": str(grammar)}
            return Decoder(
                hmm=get_model_path("en-us/en-us"), dict=str(dic), loglevel="FATAL", **beams, **kind
            )

    def recognise(self, samples: np.ndarray, sample_rate: int) -> list[str]:
        """The words in `samples`, float32 and mono; none if no sentence of the grammar fits even in
        the wider search."""
        silence = np.zeros(sample_rate // 5, np.float32)
        wave = soxr.resample(np.concatenate([silence, samples, silence]), sample_rate, 16000)
        wave = 0.6 * wave / max(1e-6, np.abs(wave).max())
        wave += 1e-4 * np.random.default_rng(0).standard_normal(len(wave))
        data = (wave * 32767).astype(np.int16).tobytes()
        heard = _decode(self._decoder, data)
        if heard is None:  # nothing was misheard: the search gave up
            self._wider = self._wider or self._load(WIDER)
            heard = _decode(self._wider, data)
        return heard or []


def _decode(decoder: Decoder, data: bytes) -> list[str] | None:
    """The words, or nothing where no path was left at the end."""
    decoder.start_utt()
    decoder.process_raw(data, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr.split() if hypothesis else None


def edits(reference: list, hypothesis: list) -> int:
    """Insertions, deletions and substitutions between two lists (Levenshtein)."""
    row = list(range(len(hypothesis) + 1))
    for i, wanted in enumerate(reference):
        previous, row = row, [i + 1]
        for j, got in enumerate(hypothesis):
            row.append(min(previous[j] + (wanted != got), previous[j + 1] + 1, row[j] + 1))
    return row[-1]


def word_error_rate(pairs: list[tuple[str, list[str]]]) -> float:
    """Word errors over all words, of (normalised text, recognised words)."""
    wanted = [words(text) for text, _ in pairs]
    errors = sum(edits(ref, got) for ref, (_, got) in zip(wanted, pairs, strict=True))
    return errors / sum(map(len, wanted))
