"""The reference's text frontend alone: what it makes of a text, and how fast.

    frontend = cosyvoice_reference.load_text(root="CosyVoice", model_dir="Fun-CosyVoice3-0.5B")
    frontend.answers(["It costs $5."], {"normalizer": "wetext-0.1.8"})

The frontend is the one that the reference's own constructor made. A setting may take its text
normaliser away, as where wetext is not installed, or put an older wetext in its place.
"""

import contextlib
import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import signal
import sys
import time
import types
from pathlib import Path

from . import checkout
from .reference import load

#: Files of the checkout that text goes through.
SOURCES = (
    "cosyvoice/cli/frontend.py",
    "cosyvoice/tokenizer/tokenizer.py",
    "cosyvoice/utils/frontend_utils.py",
)

#: What a text's segments and ids depend on, by the names of their distributions.
LIBRARIES = ("inflect", "kaldifst", "regex", "tokenizers", "transformers", "wetext")

#: Seconds of computing after which the reference is taken not to come to an end: its reader of
#: tags has a loop that does not.
LIMIT = 60.0

#: The model's files that text goes through.
MODEL_FILES = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json")

RULES = tuple(f"{lang}/tn/{part}.fst" for lang in ("en", "zh") for part in ("tagger", "verbalizer"))


class TextError(Exception):
    """What was asked for cannot be done; the message says what to do about it."""


class NoEnd(Exception):
    """The reference went on past the limit."""


def load_text(root, model_dir, older_wetext=None) -> "TextReference":
    """The text frontend of the model in `model_dir`, as the checkout at `root` makes it.

    `older_wetext` is a folder into which pip put wetext 0.0.4.
    """
    return TextReference(load(root, model_dir), older_wetext and Path(older_wetext))


class TextReference:
    """`CosyVoiceFrontEnd`, as far as it is about text."""

    def __init__(self, reference, older_wetext=None):
        self.reference = reference
        self.frontend = reference.engine.frontend
        self._module = importlib.import_module("cosyvoice.cli.frontend")
        if self.frontend.text_frontend != "wetext":
            raise TextError("the reference found no wetext: install its environment anew")
        version = importlib.metadata.version("wetext")
        installed = (self.frontend.zh_tn_model, self.frontend.en_tn_model)
        self._normalizers = {f"wetext-{version}": installed, "none": None}
        self._rules = Path(importlib.util.find_spec("wetext").origin).parent / "fsts"
        self._older = older_wetext
        if older_wetext is not None:
            self._normalizers["wetext-0.0.4"] = _older_normalizers(older_wetext, self._rules)

    def provenance(self) -> dict:
        """Versions, commit, and hashes of every file that decides about a text."""
        libraries = {"python": checkout.libraries()["python"]}
        libraries.update((name, importlib.metadata.version(name)) for name in LIBRARIES)
        root = self.reference.root
        sources = {name: _digest(root / name) for name in SOURCES}
        if self._older is not None:
            libraries["wetext (older)"] = "0.0.4, on the rule files of the other"
            for path in sorted((self._older / "wetext").glob("*.py")):
                sources[f"wetext-0.0.4/{path.name}"] = _digest(path)
        vocabulary = self.reference.model_dir / "CosyVoice-BlankEN"
        files = {name: vocabulary / name for name in MODEL_FILES}
        return {
            "libraries": libraries,
            "commit": checkout.commit(root),
            "sources": sources,
            "vocabulary": {name: _digest(path) for name, path in files.items() if path.is_file()},
            "rules": {name: _digest(self._rules / name) for name in RULES},
        }

    def answers(self, texts: list, setting: dict) -> list:
        """What becomes of each text: `normalized`, `segments` and the `ids` of each segment, or
        under `raised` the name of the exception."""
        with self._as_set(setting, remember=True), checkout.quiet():
            return [self._answer(text, setting) for text in texts]

    def seconds(self, texts: list, setting: dict) -> list:
        """What each text takes to be normalised, split and tokenised."""
        spent = []
        with self._as_set(setting, remember=False), checkout.quiet():
            for text in texts:
                start = time.perf_counter()
                for segment in self._normalize(text, setting, split=True):
                    self._ids(segment)
                spent.append(time.perf_counter() - start)
        return spent

    def _answer(self, text: str, setting: dict) -> dict:
        try:
            with _limited(LIMIT):
                normalized = self._normalize(text, setting, split=False)
                segments = [normalized]
                if setting.get("split", True):
                    segments = self._normalize(text, setting, split=True)
                ids = [self._ids(segment) for segment in segments]
        except NoEnd:
            return {"raised": "NoEnd"}
        except Exception as error:
            return {"raised": type(error).__name__}
        return {"normalized": normalized, "segments": segments, "ids": ids}

    def _normalize(self, text: str, setting: dict, split: bool):
        wanted = setting.get("text_frontend", True)
        return self.frontend.text_normalize(text, split=split, text_frontend=wanted)

    def _ids(self, text: str) -> list:
        ids, _ = self.frontend._extract_text_token(text)
        # Ids of nothing come as floats.
        return [int(token) for token in ids.flatten().tolist()]

    @contextlib.contextmanager
    def _as_set(self, setting: dict, remember: bool):
        """Give the frontend the setting's normaliser, which `remember`s its last answer: a text is
        normalised once to be split and once to be kept whole."""
        name = setting["normalizer"]
        if name not in self._normalizers:
            known = ", ".join(sorted(self._normalizers))
            raise TextError(f"no normaliser {name} here, only {known}")
        frontend, module = self.frontend, self._module
        before = (frontend.text_frontend, frontend.zh_tn_model, frontend.en_tn_model)
        split = module.split_paragraph
        models = self._normalizers[name]
        frontend.text_frontend = "wetext" if models else ""
        if models:
            wrap = _remembering if remember else lambda model: model
            frontend.zh_tn_model, frontend.en_tn_model = (wrap(model) for model in models)
        if setting.get("english_prefix", False):
            module.split_paragraph = _prefixing(split)
        try:
            yield
        finally:
            module.split_paragraph = split
            frontend.text_frontend, frontend.zh_tn_model, frontend.en_tn_model = before


def _prefixing(split_paragraph):
    """Upstream's splitting with `<|en|>` before every English segment, where the fork put it."""

    def prefixed(text, tokenize, lang="zh", **limits):
        segments = split_paragraph(text, tokenize, lang, **limits)
        return [f"<|en|>{s}" for s in segments] if lang == "en" else segments

    return prefixed


def _remembering(model):
    return types.SimpleNamespace(normalize=functools.lru_cache(maxsize=1)(model.normalize))


def _older_normalizers(folder: Path, rules: Path) -> tuple:
    """wetext 0.0.4's two normalisers. It carries no rule files and would download today's, so it
    gets those of the installed wetext."""
    source = folder / "wetext" / "__init__.py"
    if not source.is_file():
        raise TextError(f"{folder} has no wetext: `make golden` puts wetext 0.0.4 there")
    name = "wetext_0_0_4"
    spec = importlib.util.spec_from_file_location(
        name, source, submodule_search_locations=[str(source.parent)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    sys.modules[f"{name}.wetext"].snapshot_download = lambda repository: str(rules)
    return module.Normalizer(remove_erhua=False), module.Normalizer()


@contextlib.contextmanager
def _limited(seconds: float):
    """Raise NoEnd after `seconds` of computing within."""

    def give_up(signum, frame):
        raise NoEnd

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
