"""Trains the vocoder: first the reference's F0 predictor, then CausalHiFTGenerator around it.

The reference trains it as a GAN. Here the distance of mels and of spectra at several resolutions
comes first, because it is what a CPU affords.
"""

import random
from pathlib import Path

import torch
from cosyvoice.hifigan.f0_predictor import CausalConvRNNF0Predictor
from cosyvoice.hifigan.generator import CausalHiFTGenerator
from torch import nn

from . import corpus, features
from .corpus import Item
from .training import Schedule, Training, similar

CHANNELS, F0_CHANNELS = 64, 64
F0_SCHEDULE = Schedule(steps=1200, rate=3e-3, clip=5.0, mixed=False, report=200)
SCHEDULE = Schedule(
    steps=4000, rate=1e-3, warmup=50, decay=0.0, betas=(0.8, 0.98), clip=5.0, mixed=False
)
F0_BATCH, BATCH = 16, 8
EXCERPT = 32  # mel frames
SEED = 5
#: Window, hop and transform length of the spectra that are compared.
RESOLUTIONS = ((160, 40, 256), (320, 80, 512), (800, 160, 1024), (1600, 320, 2048))
VOICED = 10.0  # Hz, the reference's threshold


def build() -> CausalHiFTGenerator:
    torch.manual_seed(SEED)
    return CausalHiFTGenerator(
        in_channels=80, base_channels=CHANNELS, nb_harmonics=8, sampling_rate=24000,
        nsf_alpha=0.1, nsf_sigma=0.003, nsf_voiced_threshold=10, upsample_rates=[8, 5, 3],
        upsample_kernel_sizes=[16, 11, 7], istft_params={"n_fft": 16, "hop_len": 4},
        resblock_kernel_sizes=[3, 7, 11], resblock_dilation_sizes=[[1, 3, 5]] * 3,
        source_resblock_kernel_sizes=[7, 7, 11], source_resblock_dilation_sizes=[[1, 3, 5]] * 3,
        lrelu_slope=0.1, audio_limit=0.99, conv_pre_look_right=4,
        f0_predictor=CausalConvRNNF0Predictor(1, 80, F0_CHANNELS),
    )  # fmt: skip


def load(folder: Path) -> tuple[list[Item], list[Item]]:
    """The corpus and the test set, without what the vocoder does not need."""
    items = corpus.load(*(folder / f"corpus-{k}.pt" for k in range(corpus.SHARDS)))
    test = corpus.load(folder / "test.pt")
    for i in items + test:
        i.tokenizer_mel = i.banks = None
    return items, test


def f0_losses(net: nn.Module, batch: list[Item]) -> dict:
    """Mean error in Hz over all frames, unvoiced ones being 0 Hz; that over frames which both
    call voiced; and the share of frames where they agree about voicing."""
    pad = nn.utils.rnn.pad_sequence
    mel = pad([i.mel.T.float() for i in batch], batch_first=True, padding_value=-11.5)
    f0 = pad([i.f0.float() for i in batch], batch_first=True, padding_value=-1.0)
    guess = net(mel.transpose(1, 2))
    known = f0 >= 0
    error = (guess - f0).abs()
    voiced, voiced_guess = f0 > VOICED, guess > VOICED
    return {
        "loss": error[known].mean(),
        "voiced_error": error[known & voiced & voiced_guess].mean().detach(),
        "voicing": (voiced == voiced_guess)[known].float().mean(),
    }


def train_f0(folder: Path) -> None:
    """Train the F0 predictor; write `f0.pt`."""
    items, test = load(folder)
    net = build().f0_predictor
    training = Training("f0", net, folder, F0_SCHEDULE, SEED)
    if training.step == 0:
        with torch.no_grad():  # its output is a frequency in Hz
            net.classifier.weight.mul_(30)
            net.classifier.bias.fill_(80)
    lengths = [i.mel.shape[1] for i in items]

    def loss() -> dict:
        return f0_losses(net, [items[k] for k in similar(lengths, F0_BATCH)])

    training.run(loss, lambda: {k: float(v) for k, v in f0_losses(net, test[:64]).items()})
    torch.save(net.state_dict(), folder / "f0.pt")


def spectral_distance(made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Spectral convergence and log-magnitude distance, the mean over the resolutions."""
    total = 0.0
    for window, hop, size in RESOLUTIONS:
        hann = torch.hann_window(window)
        a, b = (
            torch.stft(x, size, hop, window, hann, return_complex=True).abs().clamp(min=1e-4)
            for x in (made, real)
        )
        total = total + (a - b).norm() / b.norm() + (a.log() - b.log()).abs().mean()
    return total / len(RESOLUTIONS)


def excerpts(items: list[Item], rng) -> dict:
    """Mels [batch, 80, EXCERPT], their F0, and their samples [batch, 480 · EXCERPT]."""
    starts = [rng.randrange(i.mel.shape[1] - EXCERPT) for i in items]
    cut = [(i, slice(s, s + EXCERPT), slice(480 * s, 480 * (s + EXCERPT)))
           for i, s in zip(items, starts, strict=True)]  # fmt: skip
    return {
        "mel": torch.stack([i.mel[:, frames].float() for i, frames, _ in cut]),
        "f0": torch.stack([i.f0[frames].float() for i, frames, _ in cut]),
        "samples": torch.stack([i.samples[at].float() / 32767 for i, _, at in cut]),
    }


def losses(net: CausalHiFTGenerator, batch: dict) -> dict:
    """Mel and spectral distance of excerpts made with their true F0."""
    source = net.f0_upsamp(batch["f0"][:, None]).transpose(1, 2)
    source, _, _ = net.m_source(source)
    made = net.decode(batch["mel"], source.transpose(1, 2))
    real = batch["samples"][:, : made.shape[1]]
    made = made[:, : real.shape[1]]
    mel = (features.mels(made) - features.mels(real)).abs().mean()
    spectrum = spectral_distance(made, real)
    return {"loss": mel + spectrum, "mel": mel.detach(), "spectrum": spectrum.detach()}


def train(folder: Path) -> None:
    """Train the generator around the F0 predictor of `f0.pt`; write `hift.pt`."""
    items, test = load(folder)
    net = build()
    net.f0_predictor.load_state_dict(torch.load(folder / "f0.pt"))
    net.f0_predictor.requires_grad_(False)
    training = Training("hift", net, folder, SCHEDULE, SEED)
    held = excerpts(test[:32], random.Random(SEED))

    def evaluate() -> dict:
        return {k: float(v) for k, v in losses(net, held).items()}

    training.run(lambda: losses(net, excerpts(random.sample(items, BATCH), random)), evaluate)
    torch.save(net.state_dict(), folder / "hift.pt")
