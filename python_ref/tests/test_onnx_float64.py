"""The float64 evaluation of ONNX networks, against onnxruntime's float32 and against PyTorch.

Needs numpy, onnx and onnxruntime of requirements.txt, and not the reference.
"""

import random
import sys
import tempfile
import unittest
from pathlib import Path

PYTHON_REF = Path(__file__).resolve().parent.parent
# Not the package: it would import torch and all of the reference.
sys.path.insert(0, str(PYTHON_REF / "cosyvoice_reference"))
try:
    import numpy as np
    import onnx
    import onnx_float64
    import onnx_operators
    import onnxruntime
    import speaker_variants
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    raise unittest.SkipTest(f"SKIPPED, no float64 evaluation is tested: {missing}") from missing

#: The reference's version, whose pooling is what the evaluation has to reproduce.
REFERENCE = "1.18.0"


def saved(folder, nodes, opset, x, constants=None):
    """A network of `nodes` from `x` to `y`, as a file."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, name) for name, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path = Path(folder) / "network.onnx"
    onnx.save(model, str(path))
    return path


class Operators(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.rng = np.random.default_rng(7)

    def floats(self, *shape):
        return self.rng.standard_normal(shape).astype(np.float32)

    def batch_norm(self, opset, **attributes):
        x = 3 + 2 * self.floats(2, 3, 5)
        names = ["scale", "bias", "mean", "variance"]
        constants = {name: 1 + self.floats(3) ** 2 for name in names}
        node = helper.make_node("BatchNormalization", ["x", *names], ["y"], **attributes)
        path = saved(self.folder, [node], opset, x, constants)
        scale, bias, mean, variance = (
            constants[name].astype(np.float64)[:, None] for name in names
        )
        epsilon = float(np.float32(attributes.get("epsilon", 1e-5)))
        expected = scale * (x.astype(np.float64) - mean) / np.sqrt(variance + epsilon) + bias
        return path, x, expected

    def test_batch_norm_takes_the_running_statistics_however_it_is_written(self):
        for opset in (7, 9, 11, 12, 13, 14, 15, 17):
            for attributes in ({}, {"momentum": 0.9}, {"epsilon": 1e-3, "momentum": 0.5}):
                with self.subTest(opset=opset, **attributes):
                    path, x, expected = self.batch_norm(opset, **attributes)
                    value = onnx_float64.run(path, {"x": x})
                    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)

    def test_onnxs_own_batch_norm_is_refused_with_its_node_and_the_way_out(self):
        path, x, _ = self.batch_norm(13, momentum=0.9)
        pools_only = (onnx_operators.AveragePool,)
        with self.assertRaises(onnx_float64.Float64Error) as raised:
            onnx_float64.run(path, {"x": x}, pools_only)
        message = str(raised.exception)
        for part in ("network.onnx", "BatchNormalization in opset 13", "nothing is recorded",
                     "Export the network anew"):  # fmt: skip
            self.assertIn(part, message)

    def test_nan_other_shapes_and_other_types_are_refused(self):
        class Spoiled(onnx_operators.OpRun):
            op_domain = ""

            def _run(self, x, **_):
                return (self.spoil(x),)

        x = self.floats(1, 2, 8)
        node = helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[1])
        path = saved(self.folder, [node], 13, x)
        spoils = {
            "nan": lambda x: x * np.nan,
            "shape": lambda x: x[..., 1:],
            "float32": lambda x: x.astype(np.float32),
            "zero": lambda x: x * 0,
            "a hundredth": lambda x: x * 1.01,
            "raises": lambda x: x @ x,
        }
        for name, spoil in spoils.items():
            kind = type("AveragePool", (Spoiled,), {"spoil": staticmethod(spoil)})
            with self.subTest(name), self.assertRaises(onnx_float64.Float64Error):
                onnx_float64.run(path, {"x": x}, (kind,))

    @unittest.skipUnless(onnxruntime.__version__ == REFERENCE, "SKIPPED: not onnxruntime 1.18.0")
    def test_average_pools_of_any_parameters_are_onnxruntimes(self):
        draw = random.Random(7)
        tried = 0
        while tried < 400:
            axes = draw.choice([1, 1, 2])
            kernel = [draw.randint(1, 5) for _ in range(axes)]
            attributes = {
                "kernel_shape": kernel,
                # Wider strides make windows that see nothing: 0 or NaN, as it happens.
                "strides": [draw.randint(1, k) for k in kernel],
                "ceil_mode": draw.randint(0, 1),
                "count_include_pad": draw.randint(0, 1),
            }
            opset = draw.choice([10, 11, 13, 17, 19, 21])
            padding = draw.choice(["none", "pads", "SAME_UPPER", "SAME_LOWER", "VALID"])
            if padding == "pads":
                up = attributes["ceil_mode"]  # with padding behind, it too makes empty windows
                attributes["pads"] = [draw.randint(0, k - 1) for k in kernel]
                attributes["pads"] += [0 if up else draw.randint(0, k - 1) for k in kernel]
            elif padding != "none":
                attributes["auto_pad"] = padding
            # With SAME_* onnxruntime's number of windows is its own, and is refused.
            if opset >= 19 and not padding.startswith("SAME"):
                attributes["dilations"] = [draw.randint(1, 2) for _ in kernel]
            x = self.floats(1, 2, *(draw.randint(2 * k, 17) for k in kernel))
            node = helper.make_node("AveragePool", ["x"], ["y"], **attributes)
            path = saved(self.folder, [node], opset, x)
            session = onnxruntime.InferenceSession(str(path))
            expected = session.run(None, {"x": x})[0]
            with self.subTest(opset=opset, length=x.shape[2:], **attributes):
                tried += 1
                value = onnx_float64.run(path, {"x": x})
                np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)

    def test_other_norms_casts_and_constants_are_float64_throughout(self):
        x = self.floats(2, 4, 6)
        scale, bias = self.floats(6), self.floats(6)
        wide = x.astype(np.float64)

        def normal(values, axis):
            centred = values - values.mean(axis=axis, keepdims=True)
            variance = np.square(centred).mean(axis=axis, keepdims=True)
            return centred / np.sqrt(variance + float(np.float32(1e-5)))

        node, third = helper.make_node, float(np.float32(1 / 3))
        cases = {
            "LayerNormalization": (
                17,
                [node("LayerNormalization", ["x", "scale", "bias"], ["y"], epsilon=1e-5)],
                {"scale": scale, "bias": bias},
                normal(wide, -1) * scale + bias,
            ),
            "InstanceNormalization": (
                13,
                [node("InstanceNormalization", ["x", "scale", "bias"], ["y"], epsilon=1e-5)],
                {"scale": scale[:4], "bias": bias[:4]},
                normal(wide, -1) * scale[:4, None] + bias[:4, None],
            ),
            "layer norm of parts": (
                11,
                [
                    node("ReduceMean", ["x"], ["mean"], axes=[-1]),
                    node("Sub", ["x", "mean"], ["centred"]),
                    node("Cast", ["centred"], ["cast"], to=TensorProto.FLOAT),
                    node("Constant", [], ["two"], value=numpy_helper.from_array(np.float32(2))),
                    node("Pow", ["cast", "two"], ["square"]),
                    node("ReduceMean", ["square"], ["variance"], axes=[-1]),
                    node("Add", ["variance", "epsilon"], ["raised"]),
                    node("Sqrt", ["raised"], ["deviation"]),
                    node("Div", ["cast", "deviation"], ["y"]),
                ],
                {"epsilon": np.float32(1e-5)},
                normal(wide, -1),
            ),
            "value_float": (
                13,
                [
                    node("Constant", [], ["a"], value_float=1 / 3),
                    node("Constant", [], ["b"], value_floats=[1 / 3]),
                    node("Mul", ["x", "a"], ["xa"]),
                    node("Mul", ["xa", "b"], ["y"]),
                ],
                {},
                wide * third * third,
            ),
            "GlobalAveragePool": (
                13,
                [node("GlobalAveragePool", ["x"], ["y"])],
                {},
                wide.mean(axis=-1, keepdims=True),
            ),
        }
        for name, (opset, nodes, constants, expected) in cases.items():
            with self.subTest(name):
                path = saved(self.folder, nodes, opset, x, constants)
                value = onnx_float64.run(path, {"x": x})
                np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)


class SpeakerNetworks(unittest.TestCase):
    """CAM++ in small, as different exporters write it: native/tests/data/campplus."""

    def test_every_variant_agrees_with_onnxruntime_and_with_pytorch_in_float64(self):
        recorded = speaker_variants.recorded()
        self.assertGreaterEqual(len(recorded["variants"]), 6)
        for variant in recorded["variants"]:
            for frames in recorded["frames"]:
                with self.subTest(variant=variant["file"], frames=frames):
                    x = speaker_variants.features(frames)
                    path = speaker_variants.FOLDER / variant["file"]
                    value = onnx_float64.run(path, {variant["input"]: x})[0]
                    expected = np.array(recorded["float64"][str(frames)])
                    error = onnx_float64.disagreement(value, expected)
                    self.assertLess(error, float(variant["float64_within"]))
                    single = np.array(recorded["float32"][variant["file"]][str(frames)])
                    self.assertLess(onnx_float64.disagreement(value, single), 2e-5)

    def test_what_onnx_itself_makes_of_a_plain_export_is_refused(self):
        plain = [
            v for v in speaker_variants.recorded()["variants"] if v["file"].startswith("plain")
        ]
        for variant in plain:
            with self.subTest(variant["file"]):
                path = speaker_variants.FOLDER / variant["file"]
                pools_only = (onnx_operators.AveragePool,)
                inputs = {variant["input"]: speaker_variants.features(200)}
                if variant["opset"] >= 14:
                    onnx_float64.run(path, inputs, pools_only)  # training mode is said there
                    continue
                with self.assertRaisesRegex(onnx_float64.Float64Error, "BatchNormalization"):
                    onnx_float64.run(path, inputs, pools_only)


if __name__ == "__main__":
    unittest.main()
