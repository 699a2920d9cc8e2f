"""The two networks at the voice prompt's side as the reference loads them: ONNX files.

Their weights are rounded to half precision and stored in single, so that the files compress.
"""

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from export_onnx import export

TOKENIZER, SPEAKER = "speech_tokenizer_v3.onnx", "campplus.onnx"


@torch.no_grad()
def round_to_half(net: nn.Module) -> None:
    """Round every weight, so that nothing is lost when it is stored in half precision."""
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())


def write_tokenizer(net: nn.Module, path: Path) -> None:
    round_to_half(net)
    inputs = (torch.randn(1, 128, 200), torch.tensor([200], dtype=torch.int32))
    dynamic = {"feats": {0: "batch", 2: "frames"}, "feats_length": {0: "batch"},
               "indices": {0: "batch", 1: "tokens"}}  # fmt: skip
    export(net.eval(), inputs, path, ["feats", "feats_length"], ["indices"], dynamic, opset=17)


def write_speaker(net: nn.Module, path: Path) -> None:
    round_to_half(net)
    dynamic = {"input": {0: "batch", 1: "frames"}, "output": {0: "batch"}}
    export(net.eval(), torch.randn(1, 300, 80), path, ["input"], ["output"], dynamic, opset=13)


class Prompter:
    """Speech tokens and speaker embeddings, by the runtime that the reference uses."""

    def __init__(self, folder: Path, threads: int = 1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.tokenizer, self.speaker = (
            onnxruntime.InferenceSession(
                str(folder / name), sess_options=options, providers=["CPUExecutionProvider"]
            )
            for name in (TOKENIZER, SPEAKER)
        )

    def tokens(self, tokenizer_mel: torch.Tensor) -> np.ndarray:
        """Token ids [tokens] of features [128, frames]."""
        mel = tokenizer_mel.float().numpy()[None]
        feed = {"feats": mel, "feats_length": np.array([mel.shape[2]], np.int32)}
        return self.tokenizer.run(None, feed)[0].flatten()

    def embedding(self, banks: torch.Tensor) -> torch.Tensor:
        """Speaker embedding [192] of features [frames, 80]."""
        return torch.from_numpy(
            self.speaker.run(None, {"input": banks.float().numpy()[None]})[0].flatten()
        )
