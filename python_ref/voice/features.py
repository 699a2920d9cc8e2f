"""What the networks are trained on, computed as the reference computes it when it speaks."""

from dataclasses import dataclass

import numpy as np
import pyworld
import torch
import torchaudio
import whisper
from matcha.utils.audio import mel_spectrogram
from torchaudio.compliance import kaldi

from .speech import Utterance

SAMPLE_RATE = 24000  # of the flow's mel and of all sound that is stored
HOP = 480  # samples of a mel frame
TOKEN = 960  # samples of a speech token: 25 a second
SILENT_PHONE = "_"


def _resampled(samples: torch.Tensor, old: int, new: int) -> torch.Tensor:
    return torchaudio.functional.resample(samples, old, new)


@dataclass
class Sound:
    """`samples` float32 at 24 kHz, a whole number of tokens; `phones` as in `Utterance`."""

    samples: torch.Tensor
    phones: list[tuple[float, str]]

    @property
    def tokens(self) -> int:
        return len(self.samples) // TOKEN


def sound(utterance: Utterance, rng: np.random.Generator) -> Sound:
    """An utterance as a recording: a level, some silence on both sides, a faint noise.

    The silence differs in length so that its tokens come to mean silence and not the beginning.
    """
    before, after = rng.uniform(0.04, 0.12), rng.uniform(0.08, 0.20)
    speech = _resampled(torch.from_numpy(utterance.samples), utterance.sample_rate, SAMPLE_RATE)
    speech *= 0.6 * 10 ** (rng.uniform(-3, 3) / 20) / speech.abs().max()
    lead, trail = (torch.zeros(int(seconds * SAMPLE_RATE)) for seconds in (before, after))
    samples = torch.cat([lead, speech, trail])
    samples = samples[: len(samples) // TOKEN * TOKEN]
    samples += 3e-4 * torch.from_numpy(rng.standard_normal(len(samples), dtype=np.float32))
    shift = len(lead) / SAMPLE_RATE
    return Sound(samples, [(seconds + shift, phone) for seconds, phone in utterance.phones])


def mels(samples: torch.Tensor) -> torch.Tensor:
    """Log-mels of the flow and the vocoder, [batch, 80, frames] of [batch, samples]: natural
    log, 50 frames a second."""
    return mel_spectrogram(samples, 1920, 80, SAMPLE_RATE, HOP, 1920, 0, None, False)


def mel(samples: torch.Tensor) -> torch.Tensor:
    """One sound's log-mel, [80, frames]."""
    return mels(samples[None])[0]


def tokenizer_features(samples: torch.Tensor) -> torch.Tensor:
    """Log-mel of the speech tokenizer, [128, frames]: whisper's, 100 frames a second."""
    return whisper.log_mel_spectrogram(_resampled(samples, SAMPLE_RATE, 16000), n_mels=128)


def speaker_features(samples: torch.Tensor) -> torch.Tensor:
    """Kaldi filter banks of the speaker network, [frames, 80], their mean taken off."""
    wave = _resampled(samples[None], SAMPLE_RATE, 16000)
    banks = kaldi.fbank(wave, num_mel_bins=80, dither=0, sample_frequency=16000)
    return banks - banks.mean(dim=0, keepdim=True)


def f0(samples: torch.Tensor, frames: int) -> torch.Tensor:
    """Fundamental frequency in Hz, [frames], 0 where unvoiced (WORLD: DIO and StoneMask)."""
    # The mel's first frame is centred on sample 240.
    wave = samples[HOP // 2 :].double().numpy()
    rough, times = pyworld.dio(
        wave, SAMPLE_RATE, f0_floor=60.0, f0_ceil=500.0, frame_period=1000 * HOP / SAMPLE_RATE
    )
    fine = pyworld.stonemask(wave, rough, times, SAMPLE_RATE)[:frames]
    return torch.from_numpy(np.pad(fine, (0, frames - len(fine)))).float()


def phone_labels(phones: list[tuple[float, str]], frames: int) -> list[str]:
    """The phone sounding in each mel frame; silence before the first and from the last event on,
    which marks the end."""
    begins = np.array([seconds for seconds, _ in phones])
    middles = (np.arange(frames) + 0.5) * HOP / SAMPLE_RATE
    at = np.searchsorted(begins, middles, side="right") - 1
    last = len(phones) - 1
    return [phones[i][1] if 0 <= i < last else SILENT_PHONE for i in at]
