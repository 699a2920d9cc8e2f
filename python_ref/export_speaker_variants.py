"""Export CAM++ in small as different exporters write it, for native/tests/data/campplus.

The file of the published model may come from any of them. Writes the networks, and what
onnxruntime (float32) and PyTorch (float64) make of them, into recorded.json. Needs what
export_onnx.py needs.
"""

import argparse
import copy
import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime
import torch
from speakerlab.models.campplus.DTDNN import FCM
from speakerlab.models.campplus.layers import (
    CAMDenseTDNNBlock,
    CAMLayer,
    DenseLayer,
    StatsPool,
    TDNNLayer,
    TransitLayer,
    get_nonlinear,
)
from torch import nn

from export_onnx import (
    FEATURES,
    NORMS,
    calibrate,
    damp,
    draw_speaker_network,
    strip_names,
    voices,
)

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests"))
import speaker_variants

#: Whole pooling windows of 100 of every second frame, and a partial last one.
FRAMES = (200, 333)
NORM = "batchnorm-relu"
#: The last opset that this torch writes; other exporters write later ones.
NEWEST = 17


class SmallCampplus(nn.Module):
    """CAM++ with five layers in three blocks instead of 52, and 8 channels instead of 128."""

    def __init__(self, width: int = 8, growth: int = 2):
        super().__init__()
        self.head = FCM(feat_dim=FEATURES, m_channels=2)
        parts = [TDNNLayer(self.head.out_channels, width, 5, 2, padding=-1, config_str=NORM)]
        for layers, dilation in ((2, 1), (2, 2), (1, 2)):
            parts.append(
                CAMDenseTDNNBlock(layers, width, growth, 2 * growth, 3, 1, dilation, False, NORM)
            )
            width += layers * growth
            parts.append(TransitLayer(width, width // 2, False, NORM))
            width //= 2
        parts += [get_nonlinear(NORM, width), StatsPool()]
        self.dense = DenseLayer(2 * width, 192, config_str="batchnorm_")
        self.xvector = nn.Sequential(*parts)

    def forward(self, x):
        return self.dense(self.xvector(self.head(x.permute(0, 2, 1))))


def per_channel(values, x):
    """`values` in the shape in which they meet the channels of `x`."""
    return values.reshape(1, -1, *(1,) * (x.dim() - 2))


class NormOfParts(nn.Module):
    """Batch norm written as arithmetic."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        norm = self.norm
        deviation = torch.sqrt(norm.running_var + norm.eps)
        y = (x - per_channel(norm.running_mean, x)) / per_channel(deviation, x)
        if norm.affine:
            y = y * per_channel(norm.weight, x) + per_channel(norm.bias, x)
        return y


class Folded(nn.Module):
    """Batch norm as one product and one sum."""

    def __init__(self, norm):
        super().__init__()
        exact = copy.deepcopy(norm).double()
        scale = 1 / torch.sqrt(exact.running_var + exact.eps)
        scale = scale * exact.weight.detach() if norm.affine else scale
        bias = -exact.running_mean * scale
        bias = bias + exact.bias.detach() if norm.affine else bias
        self.scale, self.bias = nn.Parameter(scale.float()), nn.Parameter(bias.float())

    def forward(self, x):
        return x * per_channel(self.scale, x) + per_channel(self.bias, x)


def with_norms(net: nn.Module, kind) -> nn.Module:
    """A copy of `net` with every batch norm replaced."""
    net = copy.deepcopy(net)
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, NORMS):
                setattr(parent, name, kind(child))
    return net.eval()


def whole_windows(self, x, seg_len=100, _kind="avg"):
    """CAMLayer.seg_pooling as onnxruntime 1.18 runs its export: a partial window is divided by
    the whole window's length."""
    frames = x.shape[-1]
    windows = -(-frames // seg_len)
    padded = nn.functional.pad(x, (0, windows * seg_len - frames))
    means = padded.reshape(*x.shape[:-1], windows, seg_len).mean(-1, keepdim=True)
    return means.expand(-1, -1, -1, seg_len).reshape(*x.shape[:-1], -1)[..., :frames]


def in_float64(net: nn.Module) -> dict:
    """{frames: embedding} by PyTorch."""
    exact = copy.deepcopy(net).double()
    for norm in exact.modules():
        if isinstance(norm, NORMS):
            norm.eps = float(np.float32(norm.eps))  # as the ONNX file has it
    CAMLayer.seg_pooling, before = whole_windows, CAMLayer.seg_pooling
    try:
        with torch.no_grad():
            return {
                frames: exact(torch.from_numpy(speaker_variants.features(frames)).double())[0]
                for frames in FRAMES
            }
    finally:
        CAMLayer.seg_pooling = before


def convert(path: Path, opset: int) -> None:
    """Rewrite the file in a later opset, as exporters do."""
    model = onnx.version_converter.convert_version(onnx.load(str(path)), opset)
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)
    onnx.save(model, str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=speaker_variants.FOLDER)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    onnxruntime.set_default_logger_severity(3)

    net = SmallCampplus()
    draw_speaker_network(net, args.seed)
    calibrate(net, voices(24, 300))
    damp(net.dense.nonlinear.batchnorm, args.seed + 1)
    for norm in net.modules():
        if isinstance(norm, NORMS):
            norm.momentum = 0.1  # as it is outside this script; calibrate() clears it
    net.eval()

    sample = torch.from_numpy(speaker_variants.features(200))
    # What the exporter folds, it folds in float32: such a file is another network by as much.
    variants = [
        ("plain-opset11", net, 11, 1e-6, {}),
        ("plain-opset13", net, 13, 1e-6, {}),
        ("plain-opset14", net, 14, 1e-6, {}),
        ("plain-opset17", net, 17, 1e-6, {}),
        ("unfolded-opset12", net, 12, 1e-12,
         {"do_constant_folding": False, "keep_initializers_as_inputs": True,
          "training": torch.onnx.TrainingMode.PRESERVE}),
        ("arithmetic-opset16", with_norms(net, NormOfParts), 16, 1e-6, {}),
        ("folded-opset21", with_norms(net, Folded), 21, 1e-6, {}),
    ]  # fmt: skip
    exact = in_float64(net)
    about = {
        "frames": list(FRAMES),
        "versions": {m.__name__: m.__version__ for m in (torch, onnx, onnxruntime)},
        "variants": [],
        "float64": {str(frames): value.tolist() for frames, value in exact.items()},
        "float32": {},
    }
    for name, network, opset, within, how in variants:
        path = args.out / f"{name}.onnx"
        torch.onnx.export(
            network, sample, str(path), input_names=["input"], output_names=["output"],
            dynamic_axes={"input": {0: "batch", 1: "frames"}, "output": {0: "batch"}},
            opset_version=min(opset, NEWEST), **how,
        )  # fmt: skip
        if opset > NEWEST:
            convert(path, opset)
        strip_names(path)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        input_name = session.get_inputs()[0].name
        about["variants"].append(
            {"file": path.name, "input": input_name, "opset": opset, "float64_within": within}
        )
        about["float32"][path.name] = {}
        for frames in FRAMES:
            x = speaker_variants.features(frames)
            value = session.run(None, {input_name: x})[0][0]
            about["float32"][path.name][str(frames)] = [float(str(v)) for v in value]
            error = np.linalg.norm(value - exact[frames].numpy()) / np.linalg.norm(exact[frames])
            print(f"{name}, {frames} frames: float32 is {error:.1e} from float64")
        norms = [n for n in onnx.load(str(path)).graph.node if n.op_type == "BatchNormalization"]
        print(f"  {path.stat().st_size} bytes, {len(norms)} BatchNormalization nodes")
    text = re.sub(r",\s+(?=[-\d])", ",", json.dumps(about, indent=1))  # a line for each vector
    (args.out / "recorded.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
