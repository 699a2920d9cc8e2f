"""Recordings as callers hand them over, and sound as they get it back."""

from __future__ import annotations

import os
from typing import Any, BinaryIO, Protocol, Union, cast

import numpy
import numpy.typing

from ._native import Recording
from .optional_torch import torch

#: The rate of samples that come without one, as in the reference's older versions, in Hz.
PROMPT_RATE = 16_000


class _Tensor(Protocol):
    def detach(self) -> Any: ...


#: Samples: [samples], [1, samples], or [channels, samples].
Samples = Union[numpy.typing.NDArray[Any], _Tensor]
#: A path; an open binary file; samples at 16 kHz; or samples with their rate in Hz, in either order.
Sound = Union[
    str, "os.PathLike[str]", BinaryIO, Samples, tuple[Samples, int], tuple[int, Samples]
]


def recording(sound: Sound) -> Recording:
    """The recording in what was handed over."""
    if isinstance(sound, Recording):
        return sound
    if isinstance(sound, (str, os.PathLike)):
        return Recording.read(os.fspath(sound))
    if hasattr(sound, "read"):
        return _file(sound)
    if isinstance(sound, tuple) and len(sound) == 2:
        rate_first = isinstance(sound[0], (int, numpy.integer))
        samples, rate = reversed(sound) if rate_first else sound
        return Recording.from_samples(_mono(samples), int(cast(int, rate)))
    if hasattr(sound, "__array__"):
        return Recording.from_samples(_mono(sound), PROMPT_RATE)
    raise TypeError(
        "a recording is a path, a binary file, an array of samples at 16 kHz, or a pair of samples "
        f"and their rate, not {type(sound).__name__}"
    )


def _file(file: Any) -> Recording:
    # The same file may be given to more than one request.
    if getattr(file, "seekable", lambda: False)():
        file.seek(0)
    contents = file.read()
    if not isinstance(contents, (bytes, bytearray)):
        raise TypeError("the recording's file is open as text: open it with mode 'rb'")
    name = getattr(file, "name", None)
    return Recording.from_bytes(bytes(contents), name if isinstance(name, str) else "the recording")


def _mono(samples: Any) -> numpy.typing.NDArray[numpy.float32]:
    """One channel of float32, full scale at 1."""
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu().numpy()
    array = numpy.asarray(samples)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"samples are numbers, not {array.dtype}")
    if array.dtype.kind == "u":
        raise TypeError(f"unsigned samples ({array.dtype}) have no zero: pass floats or signed ones")
    scale = numpy.iinfo(array.dtype).max + 1 if array.dtype.kind == "i" else 1
    if array.ndim not in (1, 2) or array.size == 0:
        raise ValueError(f"samples are [samples] or [channels, samples], not {list(array.shape)}")
    array = array.astype(numpy.float32) / numpy.float32(scale)
    if array.ndim == 2:
        # soundfile and gradio put the channels last.
        channels = 0 if array.shape[0] <= array.shape[1] else 1
        array = array.mean(axis=channels, dtype=numpy.float32)
    return numpy.ascontiguousarray(array)


def handed_back(samples: numpy.typing.NDArray[numpy.float32]) -> Any:
    """Sound, [1, samples]: a torch tensor where there is torch, without a copy."""
    module = torch()
    return samples if module is None else module.from_numpy(samples)
