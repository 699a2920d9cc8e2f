"""The model as it is committed: half precision, and only the rows that are used.

    llm.safetensors, flow.safetensors, hift.safetensors   float16, by the reference's names
    speech_tokenizer_v3.onnx, campplus.onnx               whole; float32 made from half precision
    model.json                                            sizes, and what the rows are

What a row is: `model.json` has `text_ids`, the text id of each row of
`llm.model.model.embed_tokens.weight`; and `silence`, the code of silence, from which
`codes.Synonyms` follows. Rows 0 to 242 of `speech_embedding.weight`, `llm_decoder.weight` and of
the flow's `input_embedding.weight` are codes; the next 200 of the first two are the control
tokens 6561 to 6760 in order.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from . import flow, language_model, onnx_networks, vocoder
from .codes import CODES

VERSION = 1
NETWORKS = ("llm", "flow", "hift")
#: Tied to another tensor, or drawn when the reference is built.
LEFT_OUT = ("llm.model.lm_head.weight", "decoder.rand_noise")


def sizes() -> dict:
    """The widths and depths that a `cosyvoice3.yaml` and a Qwen2 configuration need."""
    return {
        "hidden": language_model.HIDDEN, "layers": language_model.LAYERS,
        "heads": language_model.HEADS, "kv_heads": language_model.KV_HEADS,
        "intermediate": language_model.INTERMEDIATE, "lookahead": flow.LOOKAHEAD,
        "dit": flow.WIDTH, "dit_depth": flow.DEPTH, "dit_heads": flow.HEADS,
        "hift": vocoder.CHANNELS, "f0": vocoder.F0_CHANNELS,
    }  # fmt: skip


def write(folder: Path) -> None:
    """Write `compact/` from the trained networks."""
    out = folder / "compact"
    out.mkdir(exist_ok=True)
    for name in NETWORKS:
        state = torch.load(folder / f"{name}.pt")
        half = {k: v.half().contiguous() for k, v in state.items() if k not in LEFT_OUT}
        if any(not torch.isfinite(v).all() for v in half.values()):
            raise ValueError(f"{name}: a weight is too large for half precision")
        save_file(half, out / f"{name}.safetensors")
    for name in (onnx_networks.TOKENIZER, onnx_networks.SPEAKER):
        shutil.copyfile(folder / name, out / name)
    about = {"version": VERSION, "codes": CODES, **sizes(), **language_model.about(folder)}
    (out / "model.json").write_text(json.dumps(about) + "\n")  # last: it marks a whole directory


def read(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """A network's tensors, in single precision."""
    return {k: v.float() for k, v in load_file(folder / f"{name}.safetensors").items()}
