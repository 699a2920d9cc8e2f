"""Speech tokens of everything that was spoken, once the tokenizer is frozen.

The language model needs texts and tokens alone, so it gets many more sentences than the corpus
has; some slow and some fast, to be said on instruction.
"""

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from . import corpus, features
from .codes import CODES, code_of_token
from .normaliser import normalise
from .onnx_networks import Prompter
from .progress import Log, Progress
from .sentences import sentences
from .voices import TRAINING

#: Further sentences for the language model, each in one voice.
SENTENCES = 10_000
SEED = 21

#: How often, and at how many times a voice's rate.
TEMPOS = {"usual": (0.7, 1.0), "slow": (0.15, 0.7), "fast": (0.15, 1.5)}


@dataclass
class Line:
    """A spoken text: its codes [tokens], and for one of the corpus the speaker embedding [192]."""

    text: str
    language: str
    voice: str
    tempo: str
    codes: np.ndarray
    embedding: torch.Tensor | None = None
    held_out: bool = False


def _of_corpus(path: Path, prompter: Prompter, held_out: bool) -> list[Line]:
    items = corpus.load(path)
    progress, lines = Progress(f"tokens of {path.name}", len(items)), []
    for done, i in enumerate(items):
        codes = code_of_token(prompter.tokens(i.tokenizer_mel))[: i.tokens].astype(np.int16)
        embedding = prompter.embedding(i.banks)
        lines.append(Line(i.text, i.language, i.voice, "usual", codes, embedding, held_out))
        progress.at(done + 1)
    return lines


def _further(prompter: Prompter, shard: int, shards: int) -> list[Line]:
    todo = list(enumerate(sentences(SENTENCES, SEED)))[shard::shards]
    progress, lines = Progress("tokens of further sentences", len(todo)), []
    for done, (number, sentence) in enumerate(todo):
        rng = random.Random(5000 + number)
        voice = rng.choice(TRAINING)
        (tempo,) = rng.choices(list(TEMPOS), [share for share, _ in TEMPOS.values()])
        sound = corpus.spoken(sentence, voice, 20_000_000 + number, TEMPOS[tempo][1])
        mel = features.tokenizer_features(sound.samples)
        codes = code_of_token(prompter.tokens(mel))[: sound.tokens].astype(np.int16)
        text = normalise(sentence.text)
        lines.append(Line(text, sentence.language, voice.name, tempo, codes))
        progress.at(done + 1)
    return lines


def silence(lines: list[Line]) -> int:
    """The code that most utterances begin with."""
    return Counter(int(line.codes[0]) for line in lines).most_common(1)[0][0]


def agreement(lines: list[Line]) -> float:
    """How many codes two voices share at one place of one sentence, of the shorter one's; the
    lines are pairs."""
    pairs = zip(lines[::2], lines[1::2], strict=True)
    shares = []
    for a, b in pairs:
        n = min(len(a.codes), len(b.codes))
        shares.append(float((a.codes[:n] == b.codes[:n]).mean()))
    return sum(shares) / len(shares)


def repeated(lines: list[Line], window: int = 10) -> float:
    """The share of codes that occurred within the last `window`."""
    again = [c in line.codes[max(0, i - window) : i]
             for line in lines for i, c in enumerate(line.codes)]  # fmt: skip
    return sum(again) / len(again)


def make(folder: Path, part: str) -> None:
    """Write `tokens-PART.pt`: of the corpus's shard 0 or 1, of its test set, or of a half of the
    further sentences (`further-0`, `further-1`)."""
    prompter = Prompter(folder)
    if part.startswith("further"):
        lines = _further(prompter, int(part[-1]), 2)
    else:
        name = "test.pt" if part == "test" else f"corpus-{part}.pt"
        lines = _of_corpus(folder / name, prompter, part == "test")
    torch.save([vars(line) for line in lines], folder / f"tokens-{part}.pt")
    used = np.bincount(np.concatenate([line.codes for line in lines]), minlength=CODES)
    Log(folder / "log.jsonl", f"tokens-{part}").write(
        utterances=len(lines),
        tokens=int(used.sum()),
        codes=int((used > 0).sum()),
        silence=silence(lines),
        repeated=repeated(lines[:300]),
        agreement=0.0 if part.startswith("further") else agreement(lines),
    )


def load(folder: Path, *parts: str) -> list[Line]:
    """The lines of these parts, in the order in which they were made."""
    return [Line(**f) for part in parts for f in torch.load(folder / f"tokens-{part}.pt")]
