"""The speaker networks of native/tests/data/campplus, which export_speaker_variants.py made."""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "native" / "tests" / "data" / "campplus"
CHANNELS = 80


def features(frames: int) -> np.ndarray:
    """Features [1, frames, 80] that every language computes alike: exact in float32."""
    state, values = 7, []
    for _ in range(frames * CHANNELS):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(((state >> 16) - 32768) / 4096)
    return np.array(values, np.float32).reshape(1, frames, CHANNELS)


def recorded() -> dict:
    """The embeddings that onnxruntime and PyTorch made of them."""
    return json.loads((FOLDER / "recorded.json").read_text())
