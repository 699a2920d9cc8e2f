"""Loading the reference and running one case of it."""

import contextlib
import tempfile
import threading
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import numpy as np
import torch

from . import checkout, float64, layers
from .taps import watching

#: Tokens that the reference streams at first; it grows while a model object lives.
FIRST_HOP = 25

MODES = ("zero-shot", "cross-lingual", "instruct", "vc")

#: The files of the two sets of weights that a published language model has.
LM_WEIGHTS = {"base": "llm.pt", "rl": "llm.rl.pt"}


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


def load(root, model_dir, threads: int = 1, lm_weights: str = LM_WEIGHTS["base"]) -> "Reference":
    """The reference of the checkout at `root` with the weights in `model_dir`, on the CPU.

    `lm_weights` is the file of the language model's, for cases that name no set themselves. Sums
    over several threads are not the same numbers as over one, hence the default.
    """
    return Reference(Path(root), Path(model_dir), threads, lm_weights)


class Reference:
    """A loaded CosyVoice3."""

    def __init__(self, root: Path, model_dir: Path, threads: int, lm_weights: str):
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
        # The reference itself knows no other file than this.
        self._loaded, self.lm_weights = LM_WEIGHTS["base"], lm_weights

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
        tokens_only: bool = False,
        progress=lambda part, done: None,
        layers_of: tuple = (),
    ) -> Result:
        """Synthesise a case; with `noise`, measure the float32 error of every stage too.

        `case` has the fields of golden/cases.toml with absolute paths. With `tokens_only` the
        sampled tokens are not made into sound. `layers_of` names the networks whose
        layers are wanted: `llm`, `flow`, `vocoder`. `progress(part, done)` is called as the work
        goes on, from any thread, and may raise to end it.
        """
        self._use_lm(case.get("lm_weights"))
        start = time.perf_counter()
        watch = watching(self.engine, progress, tokens_only)
        with checkout.quiet(), failing_threads(), watch as seen:
            chunks = [chunk.numpy()[0] for chunk in self._synthesise(case)]
        result = Result(seconds={**seen.seconds, "total": time.perf_counter() - start})
        result.arrays = _arrays(seen, case, tokens_only)
        if tokens_only:
            chunks = []
        result.arrays["speech"] = np.concatenate([np.zeros(0, np.float32), *chunks])
        if case.get("stream", False):
            result.arrays["speech.chunks"] = np.array([len(c) for c in chunks], np.int64)
        result.text = self._text(seen, case)
        if noise and not tokens_only:
            start = time.perf_counter()
            with checkout.quiet(), torch.inference_mode():
                result.noise = float64.noise(self, seen, result.arrays, case, progress)
            result.seconds["noise"] = time.perf_counter() - start
        if layers_of:
            with checkout.quiet(), torch.inference_mode():
                singles, doubles = layers.outputs(self, seen, layers_of, case)
            result.arrays.update({n: np.ascontiguousarray(a) for n, a in singles.items()})
            result.noise.update({n: float64.difference(singles[n], doubles[n]) for n in doubles})
        return result

    def _use_lm(self, which) -> None:
        """Load the language model's set `which`, or what the recording as a whole is of."""
        name = LM_WEIGHTS[which] if which else self.lm_weights
        if name == self._loaded:
            return
        path = self.model_dir / name
        if not path.is_file():
            raise CaseError(f"{path} is not there")
        state = torch.load(path, map_location="cpu", weights_only=True)
        # The weights after reinforcement learning carry a layer that CosyVoice 3 has not.
        state = {k: v for k, v in state.items() if not k.startswith("spk_embed_affine_layer.")}
        self.engine.model.llm.load_state_dict(state, strict=True)
        self._loaded = name

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
        text, wav, words = case.get("text"), str(case["prompt_wav"]), case.get("prompt_text")
        if case.get("pieces"):
            # The reference knows text that arrives by its being a generator.
            text = (piece for piece in case["pieces"])
        with contextlib.ExitStack() as undo:
            if case.get("speaker"):
                undo.enter_context(self._saved_speaker(case["speaker"], words, wav))
                how["zero_shot_spk_id"], wav, words = case["speaker"], "", ""
            import_module("cosyvoice.utils.common").set_all_random_seed(case.get("seed", 0))
            if mode == "zero-shot":
                outputs = engine.inference_zero_shot(text, words, wav, **how)
            elif mode == "cross-lingual":
                outputs = engine.inference_cross_lingual(text, wav, **how)
            elif mode == "instruct":
                outputs = engine.inference_instruct2(text, case["instruct"], wav, **how)
            else:
                outputs = engine.inference_vc(str(case["source_wav"]), wav, **how)
            for output in outputs:
                yield output["tts_speech"]

    @contextlib.contextmanager
    def _saved_speaker(self, name: str, words: str, wav: str):
        """Save a speaker in a file and read it back, as a model directory's own are read."""
        engine, frontend = self.engine, self.engine.frontend
        speakers, where = frontend.spk2info, engine.model_dir
        try:
            engine.add_zero_shot_spk(words, wav, name)
            with tempfile.TemporaryDirectory() as folder:
                engine.model_dir = folder
                engine.save_spkinfo()
                path = Path(folder) / "spk2info.pt"
                frontend.spk2info = torch.load(path, map_location="cpu", weights_only=True)
            yield
        finally:
            frontend.spk2info, engine.model_dir = speakers, where
            frontend.spk2info.pop(name, None)

    def _text(self, seen, case: dict) -> dict:
        """The normalised texts and their ids, as the language model got them."""
        prompts = [result for _, split, result in seen.normalized if not split]
        prompt = next(iter(prompts), None)
        if case["mode"] == "instruct":
            # An instruction goes to the model as it is.
            prompt = case["instruct"]
        if case.get("speaker"):
            # So do a saved speaker's words, even where there is an instruction.
            prompt = None if case["mode"] == "cross-lingual" else case["prompt_text"]
        encode = self.engine.frontend.tokenizer.encode
        segments = [segment for segment in seen.segments if segment.ids is not None]
        texts = [text for _, split, result in seen.normalized if split for text in result]
        if case.get("pieces"):
            texts = ["".join(case["pieces"])]
        return {
            "prompt_text": prompt,
            "prompt_ids": encode(prompt) if prompt else [],
            "segments": [
                {"text": text, "ids": segment.ids.flatten().tolist()}
                for text, segment in zip(texts, segments, strict=True)
            ],
        }


def _arrays(seen, case: dict, tokens_only: bool) -> dict:
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
            if not tokens_only:
                arrays[f"llm.logits[{i}]"] = torch.stack(segment.logits).numpy()
            arrays[f"llm.tokens[{i}]"] = np.array(segment.tokens, np.int64)
            arrays[f"llm.stop[{i}]"] = np.array([segment.stop], np.int64)
            arrays[f"llm.tokens_kept[{i}]"] = np.array(segment.kept, np.int64)
        if not case.get("stream", False) and not tokens_only:
            (flow,), (vocoder,) = segment.flow, segment.vocoder
            arrays[f"flow.mu[{i}]"] = flow.mu[0].numpy()
            for step, state in enumerate(flow.states[1:], 1):
                arrays[f"flow.step.{step:02}[{i}]"] = state[0].numpy()
            arrays[f"flow.mel[{i}]"] = flow.mel[0].numpy()
            arrays[f"vocoder.f0[{i}]"] = vocoder.f0[0].numpy()
            arrays[f"vocoder.source[{i}]"] = vocoder.source[0, 0].numpy()
            arrays[f"vocoder.wav[{i}]"] = vocoder.wav[0].numpy()
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}
