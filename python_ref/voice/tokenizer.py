"""Trains the speech tokenizer: S3TokenizerV3's own network, small, with 5 of its 8 ternary digits.

The published tokenizer was trained inside a recogniser. This one learns to say enough for the
phones, for the mel of the same sentence in the same voice, and for its mel in *another* voice,
so that what it says depends little on who speaks.

Why 5 digits: a token that the reference's sampler has just drawn (repetition-aware sampling) is
barred for a while, and speech at 25 tokens a second does repeat. Each of the 243 codes stands for
27 tokens that differ in the free digits alone, so a barred token has 26 synonyms.
"""

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from export_onnx import SpeechTokenizer

from . import corpus, features, onnx_networks
from .codes import CODES
from .corpus import Item
from .onnx_networks import write_tokenizer
from .training import Schedule, Training, similar

WIDTH, LAYERS = 128, 2
DIGITS = 5  # 3⁵ is codes.CODES

SCHEDULE = Schedule(steps=4500, rate=2e-3)
BATCH = 16
HELD_OUT = 96  # pairs that it is not trained on
SEED = 1


def build() -> SpeechTokenizer:
    torch.manual_seed(SEED)
    return SpeechTokenizer(state=WIDTH, layers=LAYERS)


def digits(net: SpeechTokenizer, hidden: torch.Tensor) -> torch.Tensor:
    """The digits -1, 0, 1 of encoder outputs, [batch, tokens, 5], with the gradient of before
    they were rounded."""
    with torch.autocast("cpu", enabled=False):
        soft = net.net.quantizer._codebook.project_down(hidden.float())[..., :DIGITS]
    soft = soft.tanh() * 0.999
    return soft + (soft.round() - soft).detach()


def code_of(digits: torch.Tensor) -> torch.Tensor:
    """Codes 0 to 242 from digits."""
    return ((digits.round() + 1) @ (3.0 ** torch.arange(DIGITS))).long()


@torch.no_grad()
def codes(net: SpeechTokenizer, tokenizer_mel: torch.Tensor) -> torch.Tensor:
    """The codes of one utterance, [tokens]."""
    mel = tokenizer_mel.float()[None]
    hidden, _ = net.net.encoder(mel, torch.tensor([mel.shape[2]], dtype=torch.int32))
    return code_of(digits(net, hidden))[0]


class Teacher(nn.Module):
    """What the digits must suffice for: a smoothed mel in a given voice, and the phones."""

    def __init__(self, speakers: int, phones: int, width: int = 128):
        super().__init__()
        self.phones = phones
        self.speaker = nn.Embedding(speakers, width)
        self.into = nn.Linear(DIGITS, width)
        self.convs = nn.ModuleList(nn.Conv1d(width, width, 5, padding=2) for _ in range(3))
        self.out = nn.Linear(width, 80)
        self.phone = nn.Sequential(nn.Linear(DIGITS, 192), nn.GELU(), nn.Linear(192, 2 * phones))

    def mel(self, digits: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        """[batch, 2 · tokens, 80]."""
        x = self.into(digits).repeat_interleave(2, 1).transpose(1, 2)
        x = x + self.speaker(speaker)[:, :, None]
        for conv in self.convs:
            x = x + F.gelu(conv(x))
        return self.out(x.transpose(1, 2)).float()

    def phone_logits(self, digits: torch.Tensor) -> torch.Tensor:
        """[batch, 2 · tokens, phones]."""
        return self.phone(digits).view(len(digits), -1, self.phones).float()


@dataclass
class Pair:
    """An utterance and the same sentence in another voice, warped to its time."""

    mel: torch.Tensor  # tokenizer features, [128, 4 · tokens]
    own: torch.Tensor  # smoothed mel, [2 · tokens, 80]
    speaker: int
    other: torch.Tensor
    other_speaker: int
    phones: torch.Tensor  # [2 · tokens]


def _smoothing(kept: int = 26) -> torch.Tensor:
    """Keeps a mel frame's lowest cosine coefficients: its envelope, but not its harmonics."""
    k, n = torch.arange(kept)[:, None], torch.arange(80)[None] + 0.5
    basis = torch.cos(math.pi * k * n / 80) * math.sqrt(2 / 80)
    basis[0] /= math.sqrt(2)
    return basis.T @ basis


def warp(a: Item, b: Item) -> torch.Tensor | None:
    """For each mel frame of `a`, the frame of `b` at the same point of the same phone; None
    where the voices say other phones."""
    if [p for _, p in a.phones] != [p for _, p in b.phones]:
        return None
    frame = features.HOP / features.SAMPLE_RATE
    times = [
        [0.0, *(t for t, _ in i.phones), len(i.samples) / features.SAMPLE_RATE] for i in (a, b)
    ]
    middles = (np.arange(a.mel.shape[1]) + 0.5) * frame
    there = (np.interp(middles, *times) / frame - 0.5).round()
    return torch.from_numpy(there.clip(0, b.mel.shape[1] - 1)).long()


def pairs(items: list[Item], phones: dict[str, int]) -> list[Pair]:
    smooth = _smoothing()
    by_sentence = defaultdict(list)
    for i in items:
        by_sentence[i.sentence].append(i)
    found = []
    for one, two in by_sentence.values():
        for a, b in ((one, two), (two, one)):
            frames = warp(a, b)
            if frames is None:
                continue
            own, other = (m.float().T @ smooth for m in (a.mel, b.mel[:, frames]))
            labels = [phones[p] for p in features.phone_labels(a.phones, a.mel.shape[1])]
            found.append(
                Pair(a.tokenizer_mel, own, a.speaker, other, b.speaker, torch.tensor(labels))
            )
    return found


class Learner(nn.Module):
    """Tokenizer and teacher together, and their loss."""

    def __init__(self, speakers: int, phones: int):
        super().__init__()
        self.tokenizer = build()
        self.teacher = Teacher(speakers, phones)

    def hidden(self, batch: list[Pair]) -> torch.Tensor:
        lengths = torch.tensor([4 * (len(p.phones) // 2) for p in batch], dtype=torch.int32)
        mel = torch.zeros(len(batch), 128, int(lengths.max()))
        for row, p, length in zip(mel, batch, lengths.tolist(), strict=True):
            row[:, :length] = p.mel[:, :length].float()
        return self.tokenizer.net.encoder(mel, lengths)[0]

    def losses(self, batch: list[Pair]) -> dict:
        pad = nn.utils.rnn.pad_sequence
        phones = pad([p.phones for p in batch], batch_first=True, padding_value=-100)
        own = pad([p.own for p in batch], batch_first=True)
        other = pad([p.other for p in batch], batch_first=True)
        z = digits(self.tokenizer, self.hidden(batch))
        known = phones >= 0
        distance = {}
        for name, mel, who in (("own", own, "speaker"), ("other", other, "other_speaker")):
            guess = self.teacher.mel(z, torch.tensor([getattr(p, who) for p in batch]))
            distance[name] = (guess - mel).abs()[known].mean()
        logits = self.teacher.phone_logits(z)
        phone = F.cross_entropy(logits.transpose(1, 2), phones)
        right = (logits.argmax(-1) == phones)[known].float().mean()
        loss = 0.5 * distance["own"] + distance["other"] + phone
        return {"loss": loss, **distance, "phone": phone.detach(), "accuracy": right}

    @torch.no_grad()
    def start_from_principal_components(self, batch: list[Pair]) -> None:
        """Point the digits along the encoder's largest variations.

        A projection as it is initialised rounds everything to one code, and from there no
        gradient shows the way.
        """
        hidden = self.hidden(batch)
        spoken = torch.cat([h[: len(p.phones) // 2] for h, p in zip(hidden, batch, strict=True)])
        mean = spoken.mean(0)
        _, scale, directions = torch.linalg.svd(spoken - mean, full_matrices=False)
        down = self.tokenizer.net.quantizer._codebook.project_down
        down.weight.zero_()
        down.bias.zero_()
        gain = 0.9 * len(spoken) ** 0.5 / scale[:DIGITS, None]
        down.weight[:DIGITS] = directions[:DIGITS] * gain
        down.bias[:DIGITS] = -down.weight[:DIGITS] @ mean


def train(folder: Path) -> None:
    """Train on the corpus in `folder` and write its ONNX file."""
    items = corpus.load(*(folder / f"corpus-{k}.pt" for k in range(corpus.SHARDS)))
    names = sorted({p for i in items for p in features.phone_labels(i.phones, i.mel.shape[1])})
    phones = {name: k for k, name in enumerate(names)}
    speakers = 1 + max(i.speaker for i in items)
    everything = pairs(items, phones)
    del items
    random.Random(SEED).shuffle(everything)
    held, known = everything[:HELD_OUT], everything[HELD_OUT:]
    learner = Learner(speakers, len(phones))
    training = Training("tokenizer", learner, folder, SCHEDULE, SEED)
    if training.step == 0:
        learner.start_from_principal_components(known[:64])
    lengths = [len(p.phones) for p in known]

    def evaluate() -> dict:
        figures = {k: float(v) for k, v in learner.losses(held).items()}
        used = torch.cat([codes(learner.tokenizer, p.mel) for p in held])
        share = torch.bincount(used, minlength=CODES).float() / len(used)
        share = share[share > 0]
        return {**figures, "codes": len(share), "perplexity": float((-share @ share.log()).exp())}

    training.run(lambda: learner.losses([known[i] for i in similar(lengths, BATCH)]), evaluate)
    down = learner.tokenizer.net.quantizer._codebook.project_down
    with torch.no_grad():  # the free digits are 0, whatever is said
        down.weight[DIGITS:] = 0
        down.bias[DIGITS:] = 0
    write_tokenizer(learner.tokenizer, folder / onnx_networks.TOKENIZER)
