"""Lets the unmodified reference speak with the exported model, and measures what it says.

Sentences that training never saw, in voices that it heard and in voices that it did not. Beside
the synthesis stand espeak-ng's own recording of the sentence, which is as good as it can get, and
copy synthesis: the recording's own speech tokens through flow and vocoder.
"""

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import soundfile
import torch

from cosyvoice_reference import reference

from . import corpus, features
from .corpus import Item
from .judge import Judge, word_error_rate
from .language_model import INSTRUCTIONS
from .onnx_networks import Prompter
from .progress import Progress
from .sentences import sentences
from .speech import Voice
from .voices import JUDGED, UNSEEN

END_OF_SPEECH = 6562
SEED = 50
KINDS = ("espeak-ng", "copy synthesis", "synthesis")


@dataclass
class Spoken:
    """One sentence in the three ways, [samples] each, and how the sampling ended."""

    item: Item
    prompt: Item
    sounds: dict[str, np.ndarray]
    stopped: bool


def reference_root() -> Path:
    """The checkout that is on the path."""
    return Path(import_module("cosyvoice.llm.llm").__file__).parents[2]


def _wav(item: Item, folder: Path, name: str) -> Path:
    path = folder / f"{name}.wav"
    soundfile.write(path, item.samples.numpy(), features.SAMPLE_RATE)
    return path


def speak(engine: reference.Reference, item: Item, prompt: Item, seed: int) -> Spoken:
    """The item's text in the voice of `prompt`, another recording of the same voice."""
    with tempfile.TemporaryDirectory() as folder:
        source, voice = (
            _wav(i, Path(folder), n) for i, n in ((item, "source"), (prompt, "prompt"))
        )
        words = INSTRUCTIONS["usual"] + prompt.text
        case = {"mode": "zero-shot", "text": item.text, "prompt_text": words, "seed": seed,
                "prompt_wav": voice}  # fmt: skip
        try:
            said = engine.run(case, noise=False).arrays
        except RuntimeError:
            # The reference cannot make sound of less than a handful of tokens.
            said = {"speech": np.zeros(features.SAMPLE_RATE // 10, np.float32), "llm.stop[0]": [0]}
        copy = {"mode": "vc", "source_wav": source, "prompt_wav": voice, "seed": seed}
        copied = engine.run(copy, noise=False).arrays["speech"]
    stops = [int(v[0]) for k, v in said.items() if k.startswith("llm.stop[")]
    sounds = dict(
        zip(KINDS, (item.samples.numpy() / 32768, copied, said["speech"]), strict=True)
    )
    return Spoken(item, prompt, sounds, all(stop == END_OF_SPEECH for stop in stops))


def f0_correlation(a: np.ndarray, b: np.ndarray, points: int = 100) -> float:
    """Pearson's correlation of two sounds' log-F0 over their voiced frames, in order, both
    stretched to one length; not a number where either is hardly voiced."""
    contours = []
    for samples in (a, b):
        wave = torch.from_numpy(np.asarray(samples, np.float32))
        f0 = features.f0(wave, len(wave) // features.HOP).numpy()
        voiced = np.log(f0[f0 > 0])
        if len(voiced) < 10:
            return float("nan")
        contours.append(
            np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(voiced)), voiced)
        )
    return float(np.corrcoef(*contours)[0, 1])


def _similarity(prompter: Prompter, a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of the speaker embeddings of two sounds."""
    wave = (torch.from_numpy(np.asarray(x, np.float32)) for x in (a, b))
    one, two = (prompter.embedding(features.speaker_features(x)) for x in wave)
    return float(torch.nn.functional.cosine_similarity(one, two, dim=0))


def measure(spoken: list[Spoken], prompter: Prompter) -> dict:
    """All figures of one group of sentences, which are of one language."""
    language = spoken[0].item.language
    judges = {"grammar": Judge(language), "free": Judge(language, free=True)}
    figures = {"sentences": len(spoken), "stopped": np.mean([s.stopped for s in spoken])}
    for kind in KINDS:
        rates = {}
        for order, judge in judges.items():
            heard = [(s.item.text, judge.recognise(s.sounds[kind], 24000)) for s in spoken]
            rates[f"word errors, {order}"] = word_error_rate(heard)
        original = [s.sounds["espeak-ng"] for s in spoken]
        ratios = [len(s.sounds[kind]) / len(o) for s, o in zip(spoken, original, strict=True)]
        f0 = [f0_correlation(s.sounds[kind], o) for s, o in zip(spoken, original, strict=True)]
        prompts = [s.prompt.samples.numpy() / 32768 for s in spoken]
        own = [
            _similarity(prompter, s.sounds[kind], p) for s, p in zip(spoken, prompts, strict=True)
        ]
        other = [
            _similarity(prompter, s.sounds[kind], p)
            for s, p in zip(spoken, prompts[1:] + prompts[:1], strict=True)
        ]
        figures[kind] = {
            **rates, "length": float(np.mean(ratios)), "length deviation": float(np.std(ratios)),
            "F0 correlation": float(np.nanmean(f0)), "similar to the prompt": float(np.mean(own)),
            "similar to another": float(np.mean(other)),
        }  # fmt: skip
    return figures


def instructed(engine: reference.Reference, items: list[Item], prompt: Item) -> dict:
    """Mean length of the items' texts said as instructed, against said without."""
    seconds = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        voice = _wav(prompt, Path(folder), "prompt")
        for tempo, instruction in INSTRUCTIONS.items():
            for seed, item in enumerate(items):
                case = {"mode": "instruct", "text": item.text, "instruct": instruction,
                        "prompt_wav": voice, "seed": seed}  # fmt: skip
                tokens = engine.run(case, noise=False, tokens_only=True).arrays["llm.tokens[0]"]
                seconds[tempo].append(len(tokens) / 25)
    usual = np.mean(seconds.pop("usual"))
    return {f"length when told {tempo}": float(np.mean(s) / usual) for tempo, s in seconds.items()}


def utterances(count: int, voices: list[Voice]) -> list[tuple[Item, Item]]:
    """Sentences and prompts for them: each voice in its turn, `count` sentences that training never
    saw, and another sentence of the same voice and language before each."""
    pairs = []
    todo = sentences(count, SEED, held_out=True)
    for number, sentence in enumerate(todo):
        voice = voices[number % len(voices)]
        (before,) = sentences(1, SEED + number, language=sentence.language)
        pairs.append(
            tuple(
                corpus.item(s, number, voice, seed=40_000_000 + 2 * number + k)
                for k, s in enumerate((sentence, before))
            )
        )
    return pairs


def make(folder: Path, group: str, count: int = 200) -> None:
    """Write `figures-GROUP.json`, of `count` sentences in voices that training heard (`known`) or
    did not (`unseen`), and the first of their sounds into `sounds/`."""
    model, sounds = folder / "model", folder / "sounds"
    engine = reference.load(reference_root(), model)
    pairs = utterances(count, JUDGED if group == "known" else UNSEEN)
    progress, spoken = Progress(f"{group} voices", count), []
    for seed, (item, prompt) in enumerate(pairs):
        spoken.append(speak(engine, item, prompt, seed))
        progress.at(seed + 1)
    figures = {}
    for language in sorted({s.item.language for s in spoken}):
        of_language = [s for s in spoken if s.item.language == language]
        figures[language] = measure(of_language, Prompter(model))
    sounds.mkdir(exist_ok=True)
    for n, s in enumerate(spoken[:8]):
        for kind, samples in s.sounds.items():
            name = f"{group}-{n:03}-{kind}.wav".replace(" ", "-")
            soundfile.write(sounds / name, samples, 24000)
    if group == "known":
        items = [item for item, _ in pairs if item.language == "english"][:12]
        figures["instructions"] = instructed(engine, items, pairs[0][1])
    (folder / f"figures-{group}.json").write_text(json.dumps(figures, indent=2) + "\n")
