"""What the tests share: the tiny model, its prompts, and the module loaded once."""

import functools
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import cosyvoice_native
import numpy
from cosyvoice_native import AutoModel, set_all_random_seed
from cosyvoice_native.optional_torch import torch

ROOT = Path(__file__).resolve().parents[3]
#: The folder that cargo built into; run.py sets it.
BUILT = ROOT / "target/debug"
PROMPT = str(ROOT / "golden/prompts/fox_22k.wav")
SOURCE = str(ROOT / "golden/prompts/story_44k_stereo.wav")
TRANSCRIPT = "You are a helpful assistant.<|endofprompt|>The quick brown fox."
TEXT = "Hello there, this is a short test."
#: Long enough that it is not over when it is interrupted.
LONG = "Nobody had expected it, least of all the people who had packed the boxes in the cold. " * 8


@functools.lru_cache(maxsize=None)
def model_dir() -> str:
    """The tiny model, as `cargo test` or `make fixture` writes it."""
    for folder in ("out/tests/tiny-7", "out/tiny-7"):
        if (ROOT / folder / "cosyvoice3.yaml").is_file():
            return str(ROOT / folder)
    print("SKIPPED: the tiny model is not there: `make test` or `make fixture` writes it")
    raise unittest.SkipTest("no tiny model")


@functools.lru_cache(maxsize=None)
def model():
    """Loaded once for all tests."""
    os.chdir(ROOT)
    return AutoModel(model_dir=model_dir())


def said(outputs) -> numpy.ndarray:
    """All the sound of a request, in one row."""
    pieces = [numpy.asarray(output["tts_speech"]) for output in outputs]
    for piece in pieces:
        assert piece.dtype == numpy.float32 and piece.ndim == 2 and piece.shape[0] == 1
    return numpy.concatenate(pieces, axis=1)[0]


def zero_shot(seed=3, text=TEXT, prompt=PROMPT, **options) -> numpy.ndarray:
    # Loading seeds as well, so it comes first.
    outputs = model().inference_zero_shot(text, TRANSCRIPT, prompt, **options)
    set_all_random_seed(seed)
    return said(outputs)


def own_copy(test: unittest.TestCase) -> str:
    """A model directory of the test's own, of links, for what writes into it."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    for file in Path(model_dir()).iterdir():
        if file.name != "spk2info.pt":
            (Path(folder.name) / file.name).symlink_to(file)
    return folder.name


def native(*arguments) -> subprocess.CompletedProcess:
    """The `native` command on the tiny model."""
    program = BUILT / "native"
    if not program.is_file():
        print(f"SKIPPED: {program} is not built, so nothing is compared with the command")
        raise unittest.SkipTest("no native command")
    command = [program, *arguments, "--model-dir", model_dir()]
    return subprocess.run(command, capture_output=True, cwd=ROOT)


def python(*arguments, **options) -> subprocess.Popen:
    """Another Python with the module on its path."""
    path = str(Path(cosyvoice_native.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def needs_torch(test):
    """Marks a test of what happens where there is torch."""
    if torch() is None:
        print(f"SKIPPED: {test.__name__}: {sys.executable} has no torch")
        return unittest.skip("no torch")(test)
    return test
