"""Writes the compact model as a model directory that the unmodified reference loads."""

import hashlib
import json
import shutil
from pathlib import Path

import torch
from transformers import Qwen2ForCausalLM

from . import compact, language_model, onnx_networks, vocabulary
from .codes import CODES, CONTROLS, NEVER, TOKENS, Synonyms
from .texts import RANKS

TEMPLATE = Path(__file__).with_name("cosyvoice3.yaml")
#: Where the rows that are never used come from, as in `parity fixture` (`TensorRng`).
SEED = 7
TEXT_EMBEDDING = "llm.model.model.embed_tokens.weight"
#: An id that no token of the vocabulary ever reaches; its row is as unlikely as training made it.
UNUSED_CONTROL = CODES + CONTROLS - 1


def generator(file: str, tensor: str) -> torch.Generator:
    """The fixture's generator for one tensor of one file."""
    digest = hashlib.sha256(f"{SEED}/{file}/{tensor}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))


def text_embedding(used: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """All rows of the text embedding, of which training has seen `used`.

    The others are as large as those: what is not in the grammar is babble, not an error.
    """
    shape = (vocabulary.TEXT_ROWS, used.shape[1])
    rows = torch.randn(shape, generator=generator("llm.pt", TEXT_EMBEDDING))
    rows *= 0.125  # near the used rows' own, and exact
    rows[torch.tensor(ids)] = used
    return rows


def by_token(rows: torch.Tensor, table) -> torch.Tensor:
    """Rows of codes spread over the 6561 token ids; `table` says which code each id has."""
    index = torch.from_numpy(table)
    index = torch.where(index == NEVER, UNUSED_CONTROL, index)
    return rows[index]


def llm(folder: Path, about: dict) -> dict[str, torch.Tensor]:
    """`llm.pt`."""
    state = compact.read(folder, "llm")
    synonyms = Synonyms(about["silence"])
    state[TEXT_EMBEDDING] = text_embedding(state[TEXT_EMBEDDING], about["text_ids"])
    state["llm.model.lm_head.weight"] = state[TEXT_EMBEDDING]
    tables = {"speech_embedding.weight": synonyms.heard, "llm_decoder.weight": synonyms.said}
    for name, table in tables.items():
        rows = state[name]
        state[name] = torch.cat([by_token(rows, table), rows[CODES:]])
        assert state[name].shape[0] == TOKENS + CONTROLS
    return state


def flow(folder: Path, about: dict) -> dict[str, torch.Tensor]:
    """`flow.pt`."""
    state = compact.read(folder, "flow")
    name = "input_embedding.weight"
    state[name] = by_token(state[name], Synonyms(about["silence"]).heard)
    return state


def blank_en(out: Path, about: dict) -> None:
    """`CosyVoice-BlankEN`: the vocabulary, and a Qwen2 whose weights `llm.pt` replaces."""
    vocabulary.write(RANKS, out)
    torch.manual_seed(SEED)
    net = Qwen2ForCausalLM(language_model.qwen_config(vocabulary.TEXT_ROWS))
    net.bfloat16().save_pretrained(out)


def write(folder: Path, out: Path) -> None:
    """Write the model directory `out` from the compact files in `folder`."""
    about = json.loads((folder / "model.json").read_text())
    if about["version"] != compact.VERSION:
        raise ValueError(f"{folder}: version {about['version']}, expected {compact.VERSION}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "cosyvoice3.yaml").write_text(TEMPLATE.read_text().format(**about))
    blank_en(out / "CosyVoice-BlankEN", about)
    torch.save(llm(folder, about), out / "llm.pt")
    torch.save(flow(folder, about), out / "flow.pt")
    torch.save(compact.read(folder, "hift"), out / "hift.pt")
    for name in (onnx_networks.TOKENIZER, onnx_networks.SPEAKER):
        shutil.copyfile(folder / name, out / name)


def make(folder: Path) -> None:
    """Write `model/` from `compact/`."""
    write(folder / "compact", folder / "model")
