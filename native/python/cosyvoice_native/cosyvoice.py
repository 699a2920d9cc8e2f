"""The reference's model, method by method (`cosyvoice/cli/cosyvoice.py`)."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, Optional, TypedDict, Union

from . import randomness
from ._native import Engine, Recording, Speech, Voice
from .sounds import Sound, handed_back, recording
from .text_rules import rules_of_wetext

_log = logging.getLogger("cosyvoice_native")

#: A text, or its pieces as they arrive.
Text = Union[str, Iterable[str]]


class Output(TypedDict):
    """What the methods give: sound, [1, samples], float32."""

    tts_speech: Any


class CosyVoice3:
    """A loaded model, which several threads can use at once.

    Positional arguments are the reference's. Of them `load_trt`, `load_vllm` and `trt_concurrent` have
    no use here, and `fp16` needs a GPU. The others are this package's:

    device: "cpu", "cuda", "cuda:1" or "metal"; by default a GPU, if package and machine have one.
    precision: "f32", "bf16" or "f16", also by network: "bf16,vocoder=f32".
    lm_weights: "llm.rl.pt" for the weights after reinforcement learning.
    normalizer: "wetext-0.1.8", "wetext-0.0.4" or "none".
    text_rules: the folder of the normaliser's rules, if it is not found by itself.
    fresh_hop: begin every stream with the shortest first chunk. In the reference, and here by default,
        all streams after the first begin with a long one.
    """

    def __init__(
        self,
        model_dir: Union[str, "os.PathLike[str]"],
        load_trt: bool = False,
        load_vllm: bool = False,
        fp16: bool = False,
        trt_concurrent: int = 1,
        *,
        device: Optional[str] = None,
        precision: Optional[str] = None,
        lm_weights: Optional[str] = None,
        normalizer: str = "wetext-0.1.8",
        text_rules: Union[str, "os.PathLike[str]", None] = None,
        fresh_hop: bool = False,
    ) -> None:
        model_dir = _present(model_dir)
        if load_trt or load_vllm:
            _log.warning("load_trt and load_vllm have no use here: the engine needs neither")
        if fp16 and device in (None, "cpu"):
            _log.warning("fp16 is for a GPU, which device= has to name: set to False")
            fp16 = False
        self.model_dir = model_dir
        self.fp16 = fp16
        self.fresh_hop = fresh_hop
        self._engine = Engine(
            model_dir,
            device=device,
            precision=precision or ("f16" if fp16 else "f32"),
            lm_weights=lm_weights,
            normalizer=normalizer,
            text_rules=None if text_rules is None else os.fspath(text_rules),
            other_text_rules=rules_of_wetext(),
        )
        self.sample_rate = self._engine.sample_rate
        randomness.seed_by_loading(self._engine)

    def list_available_spks(self) -> list[str]:
        """The names of the saved speakers."""
        return self._engine.speaker_names()

    def add_zero_shot_spk(self, prompt_text: str, prompt_wav: Sound, zero_shot_spk_id: str) -> bool:
        """Add a speaker, from a recording and what is said in it after a prompt that ends in
        <|endofprompt|>. `save_spkinfo` writes it into the model's folder."""
        self._engine.add_speaker(zero_shot_spk_id, prompt_text, recording(prompt_wav))
        return True

    def save_spkinfo(self) -> None:
        """Write the added speakers into the model's `spk2info.pt`, beside those it has."""
        self._engine.save_speakers()

    def inference_zero_shot(
        self,
        tts_text: Text,
        prompt_text: str,
        prompt_wav: Sound,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[Output]:
        """Say a text in a voice, given a recording of it and what is said there, after a prompt that
        ends in <|endofprompt|>. Or in the voice of a saved speaker."""
        voice = self._voice(prompt_wav, zero_shot_spk_id)
        yield from self._say(
            "zero-shot", voice, tts_text, prompt_text, None, stream, speed, text_frontend
        )

    def inference_cross_lingual(
        self,
        tts_text: Text,
        prompt_wav: Sound,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[Output]:
        """Say a text, which begins with a prompt that ends in <|endofprompt|>, in a voice of any
        language."""
        voice = self._voice(prompt_wav, zero_shot_spk_id)
        yield from self._say("cross-lingual", voice, tts_text, "", None, stream, speed, text_frontend)

    def inference_instruct2(
        self,
        tts_text: Text,
        instruct_text: str,
        prompt_wav: Sound,
        zero_shot_spk_id: str = "",
        stream: bool = False,
        speed: float = 1.0,
        text_frontend: bool = True,
    ) -> Iterator[Output]:
        """Say a text as an instruction demands, which ends in <|endofprompt|>."""
        voice = self._voice(prompt_wav, zero_shot_spk_id)
        yield from self._say(
            "instruct", voice, tts_text, instruct_text, None, stream, speed, text_frontend
        )

    def inference_vc(
        self, source_wav: Sound, prompt_wav: Sound, stream: bool = False, speed: float = 1.0
    ) -> Iterator[Output]:
        """Say what is said in one recording in the voice of another."""
        voice = self._voice(prompt_wav, "")
        yield from self._say("vc", voice, "", "", recording(source_wav), stream, speed, True)

    def inference_sft(self, *_: object, **__: object) -> Iterator[Output]:
        """Not of this model: an error, as in the reference."""
        raise ValueError(
            "CosyVoice 3 has no preset speakers: use inference_zero_shot with the zero_shot_spk_id of "
            "a saved one"
        )

    def inference_instruct(self, *_: object, **__: object) -> Iterator[Output]:
        """Not of this model: an error, as in the reference."""
        raise ValueError("inference_instruct is of CosyVoice 1: use inference_instruct2")

    def _voice(self, prompt_wav: Sound, speaker: str) -> Voice:
        if speaker != "":
            return self._engine.saved_voice(speaker)
        return self._engine.voice(recording(prompt_wav))

    def _say(
        self,
        mode: str,
        voice: Voice,
        text: Text,
        prompt: str,
        source: Optional[Recording],
        stream: bool,
        speed: float,
        text_frontend: bool,
    ) -> Iterator[Output]:
        with randomness.taken() as rng:
            speech = self._engine.speak(
                mode,
                voice,
                rng,
                text=text if isinstance(text, str) else "",
                pieces=None if isinstance(text, str) else iter(text),
                prompt=prompt,
                source=source,
                stream=stream,
                fresh_hop=self.fresh_hop,
                speed=speed,
                text_frontend=text_frontend,
            )
            try:
                yield from self._chunks(speech)
            finally:
                speech.cancel()

    def _chunks(self, speech: Speech) -> Iterator[Output]:
        for warning in speech.warnings:
            _log.warning(warning)
        announced = -1
        while True:
            started = time.perf_counter()
            chunk = speech.next_chunk()
            if chunk is None:
                return
            samples, segment = chunk
            if segment > announced and segment < len(speech.segments):
                announced = segment
                _log.info("synthesis text %s", speech.segments[segment])
            seconds = samples.shape[1] / self.sample_rate
            rtf = (time.perf_counter() - started) / seconds if seconds else 0.0
            _log.info("yield speech len %s, rtf %s", seconds, rtf)
            yield {"tts_speech": handed_back(samples)}


def AutoModel(**kwargs: Any) -> CosyVoice3:  # noqa: N802, the reference's name
    """The model in `model_dir`; the other arguments are those of `CosyVoice3`."""
    return CosyVoice3(**kwargs)


def _present(model_dir: Union[str, "os.PathLike[str]"]) -> str:
    """The folder, or as in the reference the one that modelscope downloads by this name."""
    path = os.fspath(model_dir)
    if os.path.exists(path):
        return path
    try:
        from modelscope import snapshot_download
    except ImportError:
        raise FileNotFoundError(
            f"{path}: there is no such folder. If it is a model's name, `pip install modelscope` lets "
            "it be downloaded here"
        ) from None
    return str(snapshot_download(path))
