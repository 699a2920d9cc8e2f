"""Synthetic speech by espeak-ng, through its C library: samples and the phones' times.

The library keeps the phases of its flutter and noise from one text to the next, in variables that
nothing resets. It is therefore loaded anew for every text (a few milliseconds), so that what a
text sounds like does not depend on what was said before.
"""

import _ctypes
import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: espeak-ng's voices by the grammar's languages. Latin American Spanish has no sound that
#: English lacks but the tapped and the rolled r.
BASE = {"english": "en-us", "spanish": "es-419"}

_RETRIEVAL, _RATE, _VOLUME, _PITCH, _RANGE = 1, 1, 2, 3, 4  # espeak_ng's enumerations
_PHONEME_EVENTS, _PHONEME = 1, 7


class _Id(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True)
class Voice:
    """`variant` of espeak-ng (its formants, breath, flutter); `rate` in words a minute; `pitch`
    and `pitch_range` in espeak-ng's units, 0 to 99."""

    name: str
    variant: str
    pitch: int
    rate: int
    pitch_range: int = 50


@dataclass
class Utterance:
    """`samples` float32 at `sample_rate`; `phones` as (seconds at which it begins, name)."""

    samples: np.ndarray
    sample_rate: int
    phones: list[tuple[float, str]]


class _Espeak:
    """The library, freshly loaded; `with` unloads it."""

    def __init__(self):
        self.library = ctypes.CDLL("libespeak-ng.so.1")
        self.sample_rate = self.library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEME_EVENTS)
        self.library.espeak_Info.restype = ctypes.c_char_p
        self.pieces: list[np.ndarray] = []
        self.phones: list[tuple[float, str]] = []
        self._callback = _CALLBACK(self._receive)  # the library keeps no reference of its own
        self.library.espeak_SetSynthCallback(self._callback)

    def __enter__(self) -> "_Espeak":
        return self

    def __exit__(self, *_) -> None:
        self.library.espeak_Terminate()
        _ctypes.dlclose(self.library._handle)

    def data(self) -> Path:
        """The folder of the library's voices."""
        path = ctypes.c_char_p()
        self.library.espeak_Info(ctypes.byref(path))
        return Path(path.value.decode())

    def _receive(self, samples, count, events) -> int:
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != 0:
            if events[i].type == _PHONEME:
                name = events[i].id.string.decode("utf-8", "replace")
                self.phones.append((events[i].audio_position / 1000, name))
            i += 1
        return 0

    def speak(self, text: str, name: str, voice: Voice, rate: int) -> Utterance:
        self.pieces, self.phones = [], []
        # A variant that it does not have, the library leaves out without a word.
        variant = self.data() / "voices" / "!v" / voice.variant
        if not variant.is_file() or self.library.espeak_SetVoiceByName(name.encode()) != 0:
            raise LookupError(f"espeak-ng has no voice {name}")
        settings = {_RATE: rate, _VOLUME: 80, _PITCH: voice.pitch, _RANGE: voice.pitch_range}
        for parameter, value in settings.items():
            self.library.espeak_SetParameter(parameter, value, 0)
        data = text.encode()
        utf8 = 1
        self.library.espeak_Synth(data, len(data) + 1, 0, 1, 0, utf8, None, None)
        self.library.espeak_Synchronize()
        samples = np.concatenate(self.pieces).astype(np.float32) / 32768
        return Utterance(samples, self.sample_rate, self.phones)


def version() -> str:
    """The library's version, on which every sample depends."""
    with _Espeak() as espeak:
        return espeak.library.espeak_Info(None).decode()


def speak(text: str, language: str, voice: Voice, tempo: float = 1.0) -> Utterance:
    """`text`, already normalised, in `voice` at `tempo` times its rate."""
    name = f"{BASE[language]}+{voice.variant}"
    with _Espeak() as espeak:
        return espeak.speak(text, name, voice, round(voice.rate * tempo))
