"""Loading the reference and running one case of it."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from . import checkout, deep, float64
from .taps import watching

#: Tokens that the reference streams at first; it grows while a model object lives.
FIRST_HOP = 25

MODES = ("zero-shot", "cross-lingual", "instruct", "vc")


@dataclass
class Result:
    """What one case produced.

    `arrays` by stage, `STAGE` or `STAGE[SEGMENT]`: float32, or int64 for tokens. `noise` by the
    same keys: the reference's own float32 error. `text` has the normalised prompt and segments
    with their ids. `seconds` by part.
    """

    arrays: dict = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    noise: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


class CaseError(Exception):
    """The case cannot be run as it stands."""


@contextlib.contextmanager
def failing_threads():
    """Raise here what a thread raised: the language model samples in one, and when it fails the
    reference goes on without tokens and fails elsewhere, if at all."""
    failed = []
    before, threading.excepthook = threading.excepthook, lambda args: failed.append(args.exc_value)
    try:
        yield
    except Exception:
        if not failed:
            raise
        raise failed[0] from None
    finally:
        threading.excepthook = before
    if failed:
        raise failed[0]


def load(root, model_dir, threads: int = 1) -> "Reference":
    """The reference of the checkout at `root` with the weights in `model_dir`, on the CPU.

    Sums over several threads are not the same numbers as over one, hence the default.
    """
    return Reference(Path(root), Path(model_dir), threads)


class Reference:
    """A loaded CosyVoice3."""

    def __init__(self, root: Path, model_dir: Path, threads: int):
        if not (model_dir / "cosyvoice3.yaml").is_file():
            # The reference would take a missing directory for the name of one to download.
            raise CaseError(f"{model_dir} has no cosyvoice3.yaml: it is no CosyVoice3 model")
        torch.set_num_threads(threads)
        # The reference takes a GPU wherever there is one, but goldens are the CPU's.
        torch.cuda.is_available = lambda: False
        self.root, self.model_dir, self.threads = root, model_dir, threads
        self._module = checkout.import_reference(root)
        with checkout.quiet():
            self.engine = self._module.AutoModel(model_dir=str(model_dir))

    def provenance(self) -> dict:
        """Versions, commit and sources of what runs here."""
        libraries = checkout.libraries()
        libraries["torch threads"] = str(self.threads)
        libraries["torch capability"] = torch.backends.cpu.get_cpu_capability()
        libraries["text frontend"] = self.engine.frontend.text_frontend or "none"
        return {
            "libraries": libraries,
            "commit": checkout.commit(self.root),
            "sources": checkout.sources(self.root),
        }

    def run(
        self,
        case: dict,
        noise: bool = True,
        progress=lambda part, done: None,
        inside: tuple = (),
    ) -> Result:
        """Synthesise a case; with `noise`, measure the float32 error of every stage too.

        `inside` names networks of which the tensors inside are wanted: `llm`, `flow`, `vocoder`.

        `case` has the fields of golden/cases.toml with absolute paths. `progress(part, done)` is
        called as the work goes on, from any thread, and may raise to end it.
        """
        start = time.perf_counter()
        with checkout.quiet(), failing_threads(), watching(self.engine, progress) as seen:
            chunks = [chunk.numpy()[0] for chunk in self._synthesise(case)]
        result = Result(seconds={**seen.seconds, "total": time.perf_counter() - start})
        result.arrays = _arrays(seen, case)
        result.arrays["speech"] = np.concatenate([np.zeros(0, np.float32), *chunks])
        if case.get("stream", False):
            result.arrays["speech.chunks"] = np.array([len(c) for c in chunks], np.int64)
        result.text = self._text(seen, case)
        if noise:
            start = time.perf_counter()
            with checkout.quiet(), torch.inference_mode():
                result.noise = float64.noise(self, seen, result.arrays, case, progress)
            result.seconds["noise"] = time.perf_counter() - start
        if inside:
            with checkout.quiet(), torch.inference_mode():
                singles, doubles = deep.taps(self, seen, inside, case)
            result.arrays.update({n: np.ascontiguousarray(a) for n, a in singles.items()})
            result.noise.update({n: float64.difference(singles[n], doubles[n]) for n in doubles})
        return result

    def speak(self, case: dict):
        """The sound of a case, [1, samples] a segment, with nothing watched."""
        with checkout.quiet(), failing_threads():
            sounds = list(self._synthesise(case))
        yield from sounds

    def _synthesise(self, case: dict):
        engine, mode = self.engine, case["mode"]
        if mode not in MODES:
            raise CaseError(f"mode {mode!r} is none of {', '.join(MODES)}")
        # What one request leaves behind would change the chunks of the next.
        engine.model.token_hop_len = FIRST_HOP
        how = {"stream": case.get("stream", False), "speed": case.get("speed", 1.0)}
        wav = str(case["prompt_wav"])
        import_module("cosyvoice.utils.common").set_all_random_seed(case.get("seed", 0))
        if mode == "zero-shot":
            outputs = engine.inference_zero_shot(case["text"], case["prompt_text"], wav, **how)
        elif mode == "cross-lingual":
            outputs = engine.inference_cross_lingual(case["text"], wav, **how)
        elif mode == "instruct":
            outputs = engine.inference_instruct2(case["text"], case["instruct"], wav, **how)
        else:
            outputs = engine.inference_vc(str(case["source_wav"]), wav, **how)
        for output in outputs:
            yield output["tts_speech"]

    def _text(self, seen, case: dict) -> dict:
        """The normalised texts and their ids, as the language model got them."""
        prompts = [result for _, split, result in seen.normalized if not split]
        # An instruction goes to the model as it is.
        prompt = case["instruct"] if case["mode"] == "instruct" else next(iter(prompts), None)
        texts = [text for _, split, result in seen.normalized if split for text in result]
        segments = [segment for segment in seen.segments if segment.ids is not None]
        return {
            "prompt_text": prompt,
            "prompt_ids": self.engine.frontend.tokenizer.encode(prompt) if prompt else [],
            "segments": [
                {"text": text, "ids": segment.ids.flatten().tolist()}
                for text, segment in zip(texts, segments, strict=True)
            ],
        }


def _arrays(seen, case: dict) -> dict:
    """The stages' results, as they are recorded."""
    arrays = {}
    # A prompt is prepared anew for every segment, with the same result; a text of no segments
    # never gets as far.
    if seen.mels:
        arrays["prompt.mel"] = seen.mels[0][0].numpy()
        arrays["prompt.fbank"] = next(iter(seen.speaker[0].inputs.values()))[0]
        arrays["prompt.speaker_embedding"] = seen.speaker[0].output.reshape(-1)
    sides = ["prompt", "source"] if case["mode"] == "vc" else ["prompt"]
    for side, call in zip(sides, seen.speech_tokenizer, strict=False):
        arrays[f"{side}.whisper_mel"] = next(iter(call.inputs.values()))[0]
        arrays[f"{side}.speech_tokens"] = call.output.reshape(-1).astype(np.int64)
    for i, segment in enumerate(seen.segments):
        if case["mode"] != "vc":
            arrays[f"llm.logits[{i}]"] = torch.stack(segment.logits).numpy()
            arrays[f"llm.tokens[{i}]"] = np.array(segment.tokens, np.int64)
            arrays[f"llm.tokens_kept[{i}]"] = np.array(segment.kept, np.int64)
        if not case.get("stream", False):
            (flow,), (vocoder,) = segment.flow, segment.vocoder
            arrays[f"flow.mu[{i}]"] = flow.mu[0].numpy()
            for step, state in enumerate(flow.states[1:], 1):
                arrays[f"flow.step.{step:02}[{i}]"] = state[0].numpy()
            arrays[f"flow.mel[{i}]"] = flow.mel[0].numpy()
            arrays[f"vocoder.f0[{i}]"] = vocoder.f0[0].numpy()
            arrays[f"vocoder.source[{i}]"] = vocoder.source[0, 0].numpy()
            arrays[f"vocoder.wav[{i}]"] = vocoder.wav[0].numpy()
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}
