"""Finding, importing and describing a CosyVoice checkout."""

import contextlib
import hashlib
import importlib
import importlib.metadata
import io
import logging
import platform
import subprocess
import sys
import warnings
from pathlib import Path

#: What the recorded numbers depend on, by the names of their distributions.
LIBRARIES = (
    "torch",
    "torchaudio",
    "onnxruntime",
    "transformers",
    "tokenizers",
    "wetext",
    "kaldifst",
    "inflect",
    "openai-whisper",
    "librosa",
    "soundfile",
    "numpy",
    "x-transformers",
    "HyperPyYAML",
)


class CheckoutError(Exception):
    """The checkout cannot be used as it is; the message says what to do about it."""


def add_to_path(root: Path) -> None:
    """Make the checkout importable, with the submodule that it needs."""
    root = Path(root).resolve()
    if not (root / "cosyvoice" / "cli" / "cosyvoice.py").is_file():
        raise CheckoutError(
            f"{root} is no CosyVoice checkout: clone https://github.com/FunAudioLLM/CosyVoice "
            "with --recursive and pass its path"
        )
    matcha = root / "third_party" / "Matcha-TTS"
    if not (matcha / "matcha").is_dir():
        raise CheckoutError(
            f"{matcha} is empty: run `git submodule update --init --recursive` in {root}"
        )
    for path in (str(matcha), str(root)):
        if path not in sys.path:
            sys.path.insert(0, path)
    for name in ("cosyvoice", "matcha"):
        loaded = sys.modules.get(name)
        where = getattr(loaded, "__path__", None)
        if where and not any(Path(p).resolve().is_relative_to(root) for p in where):
            raise CheckoutError(
                f"`{name}` was already imported from {next(iter(where))}, not from {root}: "
                "use one checkout a process"
            )


@contextlib.contextmanager
def quiet():
    """Hold back the reference's logging, warnings and prints; show them if it fails."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    said = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if said.getvalue().strip():
            error.add_note(f"It had printed:\n{said.getvalue().strip()[-2000:]}")
        raise
    finally:
        logging.disable(level)


def import_reference(root: Path):
    """The checkout's `cosyvoice.cli.cosyvoice`, without its progress bars."""
    add_to_path(root)
    with quiet():
        try:
            module = importlib.import_module("cosyvoice.cli.cosyvoice")
        except ImportError as error:
            raise CheckoutError(
                f"the reference cannot be imported: {error}. Install its environment: "
                "python_ref/README.md says how"
            ) from error
    module.tqdm = lambda segments: segments
    return module


def sources(root: Path) -> dict:
    """SHA-256 of every file of the checkout that was imported, by relative path."""
    root = Path(root).resolve()
    found = {}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and Path(file).suffix == ".py" and Path(file).resolve().is_relative_to(root):
            path = Path(file).resolve()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[path.relative_to(root).as_posix()] = digest
    return dict(sorted(found.items()))


def commit(root: Path):
    """The commit that the checkout is at, or None where git cannot say."""
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def libraries() -> dict:
    """Versions of what the numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
