"""Export the fixture's two small ONNX networks, as committed in parity/fixture/assets.

Both have the published networks' architecture, inputs and outputs, at a fraction of their width,
with seeded random weights. Running this again is only needed to change them: it needs the
reference environment and, besides, `s3tokenizer` and `speakerlab-slim` (requirements-onnx.txt).
"""

import argparse
from pathlib import Path

import onnx
import s3tokenizer.model_v2
import torch
import torch._dynamo  # imported late, in the middle of an export, it fails
from onnx import numpy_helper
from s3tokenizer.model_v3 import ModelConfigV3, S3TokenizerV3
from speakerlab.models.campplus.DTDNN import FCM, CAMPPlus
from torch import nn

ROTARY = 64  # the tokenizer's heads are this wide, whatever its width
FEATURES = 80  # mel channels of the speaker network
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def rotate(query, key, inverse_frequencies):
    """Rotary embedding with real numbers; the original's complex table cannot be exported."""
    positions = torch.arange(query.shape[1], dtype=torch.float32)
    angles = torch.outer(positions, inverse_frequencies)
    angles = torch.cat((angles, angles), dim=-1)[None, :, None, :]
    cos, sin = angles.cos(), angles.sin()

    def turned(x):
        left, right = x.chunk(2, dim=-1)
        return torch.cat((-right, left), dim=-1)

    return query * cos + turned(query) * sin, key * cos + turned(key) * sin


class SpeechTokenizer(nn.Module):
    """Log-mel [batch, 128, frames] and lengths to codes [batch, tokens]."""

    def __init__(self, state: int, layers: int):
        super().__init__()
        config = ModelConfigV3(
            n_audio_state=state, n_audio_head=state // ROTARY, n_audio_layer=layers
        )
        self.net = S3TokenizerV3("v3", config)
        frequencies = 10000.0 ** (-torch.arange(0, ROTARY, 2, dtype=torch.float32) / ROTARY)
        self.net.encoder.freqs_cis = WholeTable(frequencies)
        s3tokenizer.model_v2.apply_rotary_emb = lambda q, k, freqs_cis: rotate(q, k, freqs_cis)

    def forward(self, feats, feats_length):
        hidden, _ = self.net.encoder(feats, feats_length)
        return self.net.quantizer.encode(hidden)


class WholeTable:
    """A table whose every slice is the whole: the encoder slices by length, `rotate` needs all."""

    def __init__(self, values):
        self.values = values

    def to(self, _device):
        return self

    def __getitem__(self, _slice):
        return self.values


def draw_speech_tokenizer(net: SpeechTokenizer, seed: int) -> None:
    """Weights that keep the signal's scale, and codes that use every level."""
    torch.manual_seed(seed)
    for name, parameter in net.named_parameters():
        if parameter.dim() >= 2:
            nn.init.normal_(parameter, std=(1.0 / parameter[0].numel()) ** 0.5)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.05)
        else:
            nn.init.normal_(parameter, mean=1.0, std=0.1)


def draw_speaker_network(net: nn.Module, seed: int) -> None:
    """Weights that keep the signal's scale and its distance from rounding noise.

    The norms are shifted up, so that most of what they pass on lies on the straight side of the
    rectifier. Without it fifty rectified layers are chaotic: float32's rounding of the features
    came out 32 dB larger in the embedding, where a trained network damps it.
    """
    torch.manual_seed(seed)
    norms = {n for n, m in net.named_modules() if isinstance(m, NORMS)}
    for name, parameter in net.named_parameters():
        if parameter.dim() >= 2:
            nn.init.normal_(parameter, std=(2.0 / parameter[0].numel()) ** 0.5)
        elif name.endswith("bias"):
            shift = 0.7 if name.removesuffix(".bias") in norms else 0.0
            nn.init.normal_(parameter, mean=shift, std=0.05)
        else:
            nn.init.normal_(parameter, mean=1.0, std=0.1)


def calibrate(net: nn.Module, batch: torch.Tensor) -> None:
    """Set the batch norms' running statistics to those of `batch`, as training would."""
    norms = [m for m in net.modules() if isinstance(m, NORMS)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
    net.train()
    with torch.no_grad():
        net(batch)
    net.eval()


def damp(norm: nn.BatchNorm1d, seed: int) -> None:
    """Let four fifths of the embedding be common to all voices.

    The last norm divides by how much the voices differ, which in a random network is little, and
    would enlarge rounding noise with it.
    """
    torch.manual_seed(seed)
    common = 5.0 * torch.randn(norm.num_features) * norm.running_var.sqrt()
    norm.running_mean -= common
    norm.running_var *= 25.0


def export(net, inputs, path, names, outputs, dynamic, opset):
    torch.onnx.export(
        net, inputs, str(path), input_names=names, output_names=outputs,
        dynamic_axes=dynamic, opset_version=opset,
    )  # fmt: skip
    strip_names(path)


def strip_names(path: Path) -> None:
    """Give the graph's inner values short names and drop what only helps to debug."""
    model = onnx.load(str(path))
    graph = model.graph
    merge_constants(graph)
    keep = {v.name for v in [*graph.input, *graph.output]}
    short: dict[str, str] = {"": ""}

    def rename(name: str) -> str:
        if name in keep:
            return name
        return short.setdefault(name, f"v{len(short)}")

    for tensor in graph.initializer:
        tensor.name = rename(tensor.name)
        if tensor.raw_data == b"":
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    for i, node in enumerate(graph.node):
        node.name, node.doc_string = f"n{i}", ""
        node.input[:] = [rename(n) for n in node.input]
        node.output[:] = [rename(n) for n in node.output]
    del graph.value_info[:]
    model.producer_version = ""
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def merge_constants(graph) -> None:
    """Keep one of each set of equal constants, of which the exporter writes hundreds."""
    first: dict[bytes, str] = {}
    replaced: dict[str, str] = {}
    kept = []
    for node in graph.node:
        if node.op_type == "Constant":
            value = node.attribute[0].SerializeToString()
            name = first.setdefault(value, node.output[0])
            if name != node.output[0]:
                replaced[node.output[0]] = name
                continue
        node.input[:] = [replaced.get(n, n) for n in node.input]
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def voices(count: int, frames: int) -> torch.Tensor:
    """Features that move as speech does, [count, frames, 80]: smooth, mean-subtracted."""
    noise = torch.randn(count, 1, frames + 40, FEATURES + 10)
    smooth = nn.functional.avg_pool2d(noise, (9, 11), stride=1)[:, 0, :frames]
    loudness = 2.0 * torch.randn(count, frames // 25 + 1, 1)
    loudness = loudness.repeat_interleave(25, dim=1)[:, :frames]
    tilt = torch.randn(count, 1, 1) * torch.linspace(-1, 1, FEATURES)
    moving = (
        35.0 * smooth + loudness * (1.0 + 0.5 * tilt) + 0.7 * torch.randn(count, frames, FEATURES)
    )
    return moving - moving.mean(dim=1, keepdim=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(__file__).resolve().parent.parent / "parity" / "fixture" / "assets"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    tokenizer = SpeechTokenizer(state=64, layers=2).eval()
    draw_speech_tokenizer(tokenizer, args.seed)
    inputs = (torch.randn(1, 128, 200), torch.tensor([200], dtype=torch.int32))
    dynamic = {"feats": {0: "batch", 2: "frames"}, "feats_length": {0: "batch"},
               "indices": {0: "batch", 1: "tokens"}}  # fmt: skip
    export(tokenizer, inputs, args.out / "speech_tokenizer_v3.onnx",
           ["feats", "feats_length"], ["indices"], dynamic, opset=17)  # fmt: skip

    speaker = CAMPPlus(feat_dim=FEATURES, embedding_size=192, growth_rate=4, init_channels=16)
    speaker.head = FCM(feat_dim=FEATURES, m_channels=8)
    speaker.xvector.tdnn.linear = nn.Conv1d(
        speaker.head.out_channels, 16, 5, stride=2, padding=2, bias=False
    )
    draw_speaker_network(speaker, args.seed + 1)
    calibrate(speaker, voices(24, 300))
    damp(speaker.xvector.dense.nonlinear.batchnorm, args.seed + 2)
    dynamic = {"input": {0: "batch", 1: "frames"}, "output": {0: "batch"}}
    export(speaker, torch.randn(1, 300, FEATURES), args.out / "campplus.onnx",
           ["input"], ["output"], dynamic, opset=13)  # fmt: skip


if __name__ == "__main__":
    main()
