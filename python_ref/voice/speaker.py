"""Trains the speaker network: CAM++, narrow, to tell the training voices apart.

The same variant of espeak-ng at another pitch counts as another voice, so that the embedding
carries the pitch to the flow, which knows it from nowhere else.
"""

import random
from pathlib import Path

import torch
from speakerlab.models.campplus.DTDNN import FCM, CAMPPlus
from torch import nn
from torch.nn import functional as F

from . import corpus, onnx_networks
from .corpus import Item
from .onnx_networks import write_speaker
from .training import Schedule, Training

SCHEDULE = Schedule(steps=700, rate=2e-3)
BATCH = 32
FRAMES = (80, 200)  # 100 a second; a batch's length is drawn from here
SCALE, MARGIN = 20.0, 0.15  # of the additive-margin softmax
SEED = 2


def build() -> CAMPPlus:
    torch.manual_seed(SEED)
    net = CAMPPlus(feat_dim=80, embedding_size=192, growth_rate=8, init_channels=32)
    net.head = FCM(feat_dim=80, m_channels=8)
    net.xvector.tdnn.linear = nn.Conv1d(
        net.head.out_channels, 32, 5, stride=2, padding=2, bias=False
    )
    return net


class Learner(nn.Module):
    """The network and a direction for each training voice."""

    def __init__(self, speakers: int):
        super().__init__()
        self.net = build()
        self.directions = nn.Parameter(torch.randn(speakers, 192))

    def losses(self, banks: torch.Tensor, speaker: torch.Tensor) -> dict:
        embedding = F.normalize(self.net(banks), dim=1)
        cosine = embedding @ F.normalize(self.directions, dim=1).T
        margin = MARGIN * F.one_hot(speaker, len(self.directions))
        loss = F.cross_entropy(SCALE * (cosine - margin), speaker)
        return {"loss": loss, "accuracy": (cosine.argmax(1) == speaker).float().mean()}


def draw(items: list[Item]) -> tuple[torch.Tensor, torch.Tensor]:
    """Excerpts [batch, frames, 80] of one length, and their speakers."""
    chosen = random.sample(items, BATCH)
    frames = min(random.randint(*FRAMES), *(len(i.banks) for i in chosen))
    starts = [random.randint(0, len(i.banks) - frames) for i in chosen]
    banks = [i.banks[s : s + frames].float() for i, s in zip(chosen, starts, strict=True)]
    return torch.stack(banks), torch.tensor([i.speaker for i in chosen])


def similarities(net: nn.Module, items: list[Item]) -> dict:
    """Mean cosine between whole utterances of one voice and of two, and the rate at which a
    threshold that errs equally on both errs."""
    embeddings = torch.cat([net(i.banks.float()[None]) for i in items])
    cosine = F.normalize(embeddings, dim=1) @ F.normalize(embeddings, dim=1).T
    voices = [i.voice for i in items]
    same = torch.tensor([[a == b for b in voices] for a in voices])
    upper = torch.ones_like(same).triu(1)
    ours, others = cosine[same & upper], cosine[~same & upper]
    thresholds = cosine[upper].sort().values[::25]
    misses = torch.stack([(ours < t).float().mean() for t in thresholds])
    alarms = torch.stack([(others >= t).float().mean() for t in thresholds])
    equal = (misses - alarms).abs().argmin()
    return {"same": float(ours.mean()), "other": float(others.mean()),
            "equal_error": float((misses + alarms)[equal] / 2)}  # fmt: skip


def train(folder: Path) -> None:
    """Train on the corpus in `folder` and write its ONNX file."""
    items = corpus.load(*(folder / f"corpus-{k}.pt" for k in range(corpus.SHARDS)))
    for i in items:  # only the filter banks are needed
        i.samples = i.mel = i.tokenizer_mel = None
    test = corpus.load(folder / "test.pt")
    unseen = [i for i in test if i.speaker < 0][:100]
    learner = Learner(1 + max(i.speaker for i in items))
    training = Training("speaker", learner, folder, SCHEDULE, SEED)

    def evaluate() -> dict:
        return similarities(learner.net, unseen)

    training.run(lambda: learner.losses(*draw(items)), evaluate)
    write_speaker(learner.net, folder / onnx_networks.SPEAKER)
