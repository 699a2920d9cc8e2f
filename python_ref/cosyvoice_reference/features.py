"""The prompt's three spectral features in float64, from the sound file.

The filter banks are the reference's own, float32 as it has them.
"""

import torch
import torch.nn.functional as F
import torchaudio
import torchaudio.compliance.kaldi as kaldi


def waveform(path, rate: int) -> torch.Tensor:
    """The file as mono at `rate`, [1, samples], as the reference's loader makes it."""
    sound, original = torchaudio.load(str(path), backend="soundfile")
    sound = sound.double().mean(dim=0, keepdim=True)
    if original != rate:
        resample = torchaudio.transforms.Resample(original, rate, dtype=torch.float64)
        sound = resample(sound)
    return sound


def mel(path) -> torch.Tensor:
    """Log-mel at 24 kHz, [frames, 80]."""
    from librosa.filters import mel as mel_filters

    size, hop = 1920, 480
    filters = torch.from_numpy(mel_filters(sr=24000, n_fft=size, n_mels=80, fmin=0, fmax=None))
    margin = (size - hop) // 2
    sound = F.pad(waveform(path, 24000)[:, None], (margin, margin), mode="reflect")[:, 0]
    # The window is of float32 in the reference, and a constant like the filters.
    window = torch.hann_window(size).double()
    spectrum = torch.stft(sound, size, hop, window=window, center=False, return_complex=True)
    magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt()
    return (filters.float().double() @ magnitude).clamp(min=1e-5).log()[0].T


def whisper_mel(path) -> torch.Tensor:
    """Whisper's log-mel at 16 kHz, [128, frames]."""
    import whisper.audio

    filters = whisper.audio.mel_filters("cpu", 128).double()
    window = torch.hann_window(400).double()
    spectrum = torch.stft(waveform(path, 16000), 400, 160, window=window, return_complex=True)
    power = spectrum[0, :, :-1].abs().square()
    log = (filters @ power).clamp(min=1e-10).log10()
    return (torch.maximum(log, log.max() - 8.0) + 4.0) / 4.0


def fbank(path) -> torch.Tensor:
    """Kaldi's filter banks at 16 kHz, mean-subtracted, [frames, 80]."""
    sound = waveform(path, 16000)
    banks = kaldi.fbank(sound, num_mel_bins=80, dither=0, sample_frequency=16000)
    return banks - banks.mean(dim=0, keepdim=True)
