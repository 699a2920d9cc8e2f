"""The corpus: sentences spoken in two voices each, with everything that a network is trained on.

Every utterance follows from its number alone, so shards can be made in any order and again.
"""

import hashlib
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from . import features
from .normaliser import normalise
from .progress import Progress
from .sentences import Sentence, sentences
from .speech import Voice, speak, version
from .voices import TRAINING, UNSEEN

SEED = 20
SENTENCES = 2800
SHARDS = 2

#: Sentences for the held-out set, each in a training voice and in an unseen one.
TEST_SENTENCES = 200


@dataclass
class Item:
    """An utterance: float16 features, int16 sound at 24 kHz."""

    text: str  # normalised
    language: str
    sentence: int
    voice: str
    speaker: int  # of `TRAINING`, or -1
    phones: list[tuple[float, str]]
    samples: torch.Tensor  # [960 · tokens]
    mel: torch.Tensor  # [80, 2 · tokens]
    tokenizer_mel: torch.Tensor  # [128, 4 · tokens]
    banks: torch.Tensor  # [frames, 80]
    f0: torch.Tensor  # [2 · tokens]

    @property
    def tokens(self) -> int:
        return self.mel.shape[1] // 2


def spoken(sentence: Sentence, voice: Voice, seed: int, tempo: float = 1.0) -> features.Sound:
    """The sentence in `voice` as a recording, which follows from `seed`."""
    utterance = speak(normalise(sentence.text), sentence.language, voice, tempo)
    return features.sound(utterance, np.random.default_rng(seed))


def item(sentence: Sentence, number: int, voice: Voice, seed: int) -> Item:
    sound = spoken(sentence, voice, seed)
    mel = features.mel(sound.samples)[:, : 2 * sound.tokens]
    return Item(
        text=normalise(sentence.text),
        language=sentence.language,
        sentence=number,
        voice=voice.name,
        speaker=TRAINING.index(voice) if voice in TRAINING else -1,
        phones=sound.phones,
        samples=(sound.samples * 32767).clamp(-32768, 32767).to(torch.int16),
        mel=mel.half(),
        tokenizer_mel=features.tokenizer_features(sound.samples).half(),
        banks=features.speaker_features(sound.samples).half(),
        f0=features.f0(sound.samples, mel.shape[1]).half(),
    )


def _two_voices(number: int) -> tuple[Voice, Voice]:
    rng = random.Random(1000 + number)
    first = rng.choice(TRAINING)
    return first, rng.choice([v for v in TRAINING if v.variant != first.variant])


def make_shard(folder: Path, shard: int) -> None:
    """Write the training utterances of every `SHARDS`-th sentence."""
    todo = list(enumerate(sentences(SENTENCES, SEED)))[shard::SHARDS]
    progress, items = Progress(f"corpus {shard}", len(todo)), []
    for done, (number, sentence) in enumerate(todo):
        for k, voice in enumerate(_two_voices(number)):
            items.append(item(sentence, number, voice, seed=2 * number + k))
        progress.at(done + 1)
    save(items, folder / f"corpus-{shard}.pt")


def make_test(folder: Path) -> None:
    """Write the held-out utterances: unseen sentences, in a training voice and an unseen one."""
    items = []
    for number, sentence in enumerate(sentences(TEST_SENTENCES, SEED, held_out=True)):
        rng = random.Random(number)
        for k, voice in enumerate((rng.choice(TRAINING), UNSEEN[number % len(UNSEEN)])):
            items.append(item(sentence, number, voice, seed=10_000_000 + 2 * number + k))
    save(items, folder / "test.pt")


def save(items: list[Item], path: Path) -> None:
    digest = hashlib.sha256(b"".join(i.samples.numpy().tobytes() for i in items)).hexdigest()
    about = {"espeak-ng": version(), "samples sha256": digest, "utterances": len(items)}
    torch.save({"about": about, "items": [asdict(i) for i in items]}, path)


def load(*paths: Path) -> list[Item]:
    return [Item(**fields) for path in paths for fields in torch.load(path)["items"]]


def about(path: Path) -> dict:
    """What a file of utterances was made by, and the hash of its sound."""
    return torch.load(path, mmap=True)["about"]
