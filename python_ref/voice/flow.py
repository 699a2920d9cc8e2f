"""Trains the flow: CausalMaskedDiffWithDiT with its own flow-matching loss, over the codes.

Half of the batches go through the reference's `forward`. Its voice prompts are at most three
tenths of an utterance, where a synthesis has a prompt longer than what is said; so the other half
are two utterances of one voice with the first as the prompt.
"""

import random
from collections import defaultdict
from pathlib import Path

import torch
from cosyvoice.flow.DiT.dit import DiT
from cosyvoice.flow.flow import CausalMaskedDiffWithDiT
from cosyvoice.flow.flow_matching import CausalConditionalCFM
from cosyvoice.transformer.upsample_encoder import PreLookaheadLayer
from omegaconf import DictConfig
from torch import nn
from torch.nn import functional as F

from . import corpus, tokens
from .codes import CODES
from .training import Schedule, Training, similar

WIDTH, DEPTH, HEADS, LOOKAHEAD = 128, 4, 2, 128
CHUNK = 25  # tokens of a streamed chunk, as published
SCHEDULE = Schedule(steps=5000, rate=1.5e-3, warmup=200, mixed=False, report=200)
BATCH = 12
SEED = 4
CFM = DictConfig(
    {"sigma_min": 1e-6, "solver": "euler", "t_scheduler": "cosine", "training_cfg_rate": 0.2,
     "inference_cfg_rate": 0.7, "reg_loss_type": "l1"}
)  # fmt: skip


def build() -> CausalMaskedDiffWithDiT:
    """The reference's network at a fraction of its width, for codes instead of token ids."""
    torch.manual_seed(SEED)
    estimator = DiT(
        dim=WIDTH, depth=DEPTH, heads=HEADS, dim_head=64, ff_mult=2, mel_dim=80, mu_dim=80,
        spk_dim=80, out_channels=80, static_chunk_size=2 * CHUNK, num_decoding_left_chunks=-1,
        dropout=0.0,
    )  # fmt: skip
    return CausalMaskedDiffWithDiT(
        input_size=80, output_size=80, spk_embed_dim=192, output_type="mel", vocab_size=CODES,
        input_frame_rate=25, only_mask_loss=True, token_mel_ratio=2, pre_lookahead_len=3,
        pre_lookahead_layer=PreLookaheadLayer(
            in_channels=80, channels=LOOKAHEAD, pre_lookahead_len=3
        ),
        decoder=CausalConditionalCFM(
            in_channels=240, n_spks=1, spk_emb_dim=80, cfm_params=CFM, estimator=estimator
        ),
    )  # fmt: skip


class Spoken:
    """An utterance as the flow sees it: codes [tokens], mel [2 · tokens, 80], embedding [192]."""

    def __init__(self, voice: str, codes, mel: torch.Tensor, embedding: torch.Tensor):
        n = min(len(codes), mel.shape[1] // 2)
        self.voice = voice
        self.codes = torch.tensor(codes[:n], dtype=torch.long)
        self.mel = mel[:, : 2 * n].T.contiguous()
        self.embedding = embedding


def load(folder: Path, *parts: str) -> list[Spoken]:
    spoken = []
    for part in parts:
        name = "test.pt" if part == "test" else f"corpus-{part}.pt"
        lines = tokens.load(folder, part)
        for i, line in zip(corpus.load(folder / name), lines, strict=True):
            spoken.append(Spoken(i.voice, line.codes, i.mel, line.embedding))
    return spoken


def collate(items: list[list[Spoken]]) -> dict:
    """A batch as the reference's `forward` takes it; each item is said in one go, in the voice
    of its first utterance."""
    pad = nn.utils.rnn.pad_sequence
    codes = [torch.cat([s.codes for s in item]) for item in items]
    mel = [torch.cat([s.mel.float() for s in item]) for item in items]
    return {
        "speech_token": pad(codes, batch_first=True),
        "speech_token_len": torch.tensor([len(c) for c in codes]),
        "speech_feat": pad(mel, batch_first=True),
        "speech_feat_len": torch.tensor([len(m) for m in mel]),
        "embedding": torch.stack([item[0].embedding for item in items]),
    }


def prompted_loss(net, items: list[list[Spoken]], streaming: bool) -> torch.Tensor:
    """The reference's loss with each item's first utterance as the prompt.

    What comes before `compute_loss` is what the reference's `inference` does.
    """
    batch = collate(items)
    lengths = batch["speech_token_len"]
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).float()
    speaker = net.spk_embed_affine_layer(F.normalize(batch["embedding"], dim=1))
    hidden = net.pre_lookahead_layer(net.input_embedding(batch["speech_token"]) * mask[..., None])
    hidden = hidden.repeat_interleave(2, dim=1).transpose(1, 2).contiguous()
    mel = batch["speech_feat"].transpose(1, 2).contiguous()
    prompt = torch.zeros_like(mel)
    for row, whole, item in zip(prompt, mel, items, strict=True):
        frames = len(item[0].mel)
        row[:, :frames] = whole[:, :frames]
    mask = mask.repeat_interleave(2, dim=1)[:, None]
    loss, _ = net.decoder.compute_loss(mel, mask, hidden, speaker, prompt, streaming=streaming)
    return loss


def train(folder: Path) -> None:
    """Train on the corpus and its tokens; write `flow.pt`, with a row for each code."""
    known, test = load(folder, "0", "1"), load(folder, "test")
    by_voice = defaultdict(list)
    for s in known + test:
        by_voice[s.voice].append(s)
    lengths = [len(s.codes) for s in known]
    net = build()
    training = Training("flow", net, folder, SCHEDULE, SEED)
    if training.step == 0:  # mels are far from 0: begin at their mean
        mean = torch.cat([s.mel.float() for s in known[:300]]).mean(0)
        with torch.no_grad():
            net.decoder.estimator.proj_out.bias.copy_(mean)
    device = torch.device("cpu")

    def with_prompt(s: Spoken, rng) -> list[Spoken]:
        return [rng.choice(by_voice[s.voice]), s]

    rng = random.Random(SEED)
    held = {  # in the test set an utterance in a training voice is followed by one in another
        "known_voices": [with_prompt(s, rng) for s in test[0:64:2]],
        "unseen_voices": [with_prompt(s, rng) for s in test[1:64:2]],
    }

    def loss() -> dict:
        chosen = [known[i] for i in similar(lengths, BATCH)]
        if random.random() < 0.5:
            return net(collate([[s] for s in chosen]), device)
        pairs = [with_prompt(s, random) for s in chosen[: BATCH // 2]]
        return {"loss": prompted_loss(net, pairs, streaming=random.random() < 0.3)}

    def evaluate() -> dict:
        state = torch.get_rng_state()
        torch.manual_seed(SEED)
        figures = {k: float(prompted_loss(net, v, streaming=False)) for k, v in held.items()}
        torch.set_rng_state(state)
        return figures

    training.run(loss, evaluate)
    torch.save(net.state_dict(), folder / "flow.pt")
