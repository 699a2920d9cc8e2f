"""An ONNX network of float32 evaluated in float64, with onnx's own reference operators."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


def run(path: Path, inputs: dict) -> np.ndarray:
    """The network's first output for float32 `inputs`, computed in float64."""
    evaluator = ReferenceEvaluator(_widened(onnx.load(str(path))), new_ops=[AveragePool])
    widened = {
        name: value.astype(np.float64) if value.dtype == np.float32 else value
        for name, value in inputs.items()
    }
    return evaluator.run(None, widened)[0]


class AveragePool(OpRun):
    """One-dimensional pooling as onnxruntime 1.18 has it.

    It divides a window that reaches past the end by the whole window's length, which later
    versions do not; the weights were trained on that.
    """

    op_domain = ""

    def _run(
        self,
        x,
        auto_pad=None,
        ceil_mode=None,
        count_include_pad=None,
        dilations=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ):
        (size,), (stride,) = kernel_shape, strides
        if size != stride or any(pads or []) or not (ceil_mode and count_include_pad):
            raise NotImplementedError("only the pooling of CAM++ is known here")
        windows = -(-x.shape[2] // size)
        padded = np.zeros((*x.shape[:2], windows * size), x.dtype)
        padded[..., : x.shape[2]] = x
        return (padded.reshape(*x.shape[:2], windows, size).mean(axis=-1),)


def _widened(model):
    """The model with every float32 constant and cast in float64."""

    def widen(tensor):
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    for tensor in model.graph.initializer:
        widen(tensor)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                widen(attribute.t)
            elif node.op_type == "Cast" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            elif node.op_type == "Constant" and attribute.name == "value_float":
                value = helper.make_tensor("", TensorProto.DOUBLE, [], [attribute.f])
                attribute.CopyFrom(helper.make_attribute("value", value))
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    return model
