"""The voice prompts that come along: espeak-ng in some of the voices, as sound files."""

from dataclasses import dataclass
from pathlib import Path

import soundfile

from . import corpus, features
from .sentences import Sentence
from .speech import Voice
from .voices import TRAINING, UNSEEN


@dataclass(frozen=True)
class Prompt:
    """A recording's name, what it says, and in which voice."""

    name: str
    text: str
    voice: str
    language: str = "english"


PROMPTS = (
    Prompt("alice", "Hello, my name is Alice and I live in London.", "f2-50"),
    Prompt("daniel", "The train from Paris to Vienna leaves at 10:20.", "Denis-50"),
    Prompt("elena", "Buenos días, me llamo Elena y vivo en Sevilla.", "f5-50", "spanish"),
    # Nobody whom training has heard.
    Prompt("nancy", "Thank you for the beautiful picture, it is in the kitchen.", "anika-50"),
    Prompt("george", "My brother and my father are working in the garden.", "benjamin-50"),
    # The voice that speaks where none is named: `prompt.wav` of the model.
    Prompt("default", "Hello, my name is Alice and I live in London.", "f1-50"),
)


def _voice(name: str) -> Voice:
    (voice,) = (v for v in TRAINING + UNSEEN if v.name == name)
    return voice


def make(folder: Path) -> None:
    """Write `prompts/NAME.wav`, 16 bits, with `prompts/NAME.txt`, its words."""
    out = folder / "prompts"
    out.mkdir(exist_ok=True)
    for number, prompt in enumerate(PROMPTS):
        sentence = Sentence(prompt.text, prompt.language)
        sound = corpus.spoken(sentence, _voice(prompt.voice), seed=30_000_000 + number)
        path = out / f"{prompt.name}.wav"
        soundfile.write(path, sound.samples.numpy(), features.SAMPLE_RATE, subtype="PCM_16")
        path.with_suffix(".txt").write_text(prompt.text + "\n", encoding="utf-8")
