"""The part that is Rust: the engine, with the GIL released while it works. Ctrl-C ends every wait."""

from collections.abc import Iterator
from typing import Optional

import numpy
import numpy.typing

class TorchRng:
    """A generator that draws what torch's CPU generator draws.

    newer_draws: whether its `multinomial` is that of newer builds of torch, or of the 2.3 wheels.
    """

    def __init__(self, seed: int, newer_draws: bool = False) -> None: ...
    @staticmethod
    def from_state(state: bytes, newer_draws: bool = False) -> TorchRng:
        """The generator in a state that `torch.get_rng_state()` gave."""

    def written_to(self, state: bytes) -> bytes:
        """Such a state with this generator's position in it."""

    def copy(self) -> TorchRng:
        """A generator of its own that stands where this one stands."""

    def go_to(self, other: TorchRng) -> None:
        """Go to where another one stands."""

class Recording:
    """Samples of a recording, mono."""

    @staticmethod
    def read(path: str) -> Recording: ...
    @staticmethod
    def from_bytes(contents: bytes, name: str) -> Recording:
        """From what is in a sound file; `name` is what errors call it."""

    @staticmethod
    def from_samples(
        samples: numpy.typing.NDArray[numpy.float32], sample_rate: int
    ) -> Recording: ...

class Voice:
    """A voice to speak with."""

class Speech:
    """The chunks of a request's sound, made when they are asked for."""

    #: The text of each segment; empty if it arrives in pieces.
    segments: list[str]
    #: What the text frontend wants the user to know.
    warnings: list[str]

    def next_chunk(self) -> Optional[tuple[numpy.typing.NDArray[numpy.float32], int]]:
        """Sound, [1, samples] at 24 kHz, and the segment that it belongs to; None at the end."""

    def cancel(self) -> None:
        """Stop it, from any thread."""

class Engine:
    """A model, which several threads can use at once."""

    def __init__(
        self,
        model_dir: str,
        *,
        device: Optional[str],
        precision: str,
        lm_weights: Optional[str],
        normalizer: str,
        text_rules: Optional[str],
        other_text_rules: Optional[str],
    ) -> None: ...
    @property
    def sample_rate(self) -> int: ...
    def generator_after_loading(self, newer_draws: bool = False) -> TorchRng:
        """torch's generator as the reference's constructors leave it."""

    def voice(self, recording: Recording) -> Voice: ...
    def saved_voice(self, name: str) -> Voice: ...
    def speaker_names(self) -> list[str]: ...
    def add_speaker(self, name: str, prompt_text: str, recording: Recording) -> None: ...
    def save_speakers(self) -> None: ...
    def speak(
        self,
        mode: str,
        voice: Voice,
        rng: TorchRng,
        *,
        text: str,
        pieces: Optional[Iterator[str]],
        prompt: str,
        source: Optional[Recording],
        stream: bool,
        fresh_hop: bool,
        speed: float,
        text_frontend: bool,
    ) -> Speech:
        """Begin to say a text: `prompt` is the transcript or the instruction, `source` the recording
        whose words are kept, `pieces` stand in place of the text."""
