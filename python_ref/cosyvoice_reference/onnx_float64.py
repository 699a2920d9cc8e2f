"""An ONNX network of float32 evaluated in float64, and held against onnxruntime's float32.

onnx's own reference operators do the work, but for those in `onnx_operators`. Whether they compute
what onnxruntime computes is not taken on trust: an evaluation that differs from it by more than
rounding is refused, because its difference would be recorded as the reference's own noise and
hide any fault of a port.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

# Without the package's name where this file is imported without torch, as its tests are.
try:
    from . import onnx_operators
except ImportError:
    import onnx_operators

#: Of the signal. float32's rounding is a thousandth of this even in deep networks.
ROUNDING = 1e-3


class Float64Error(Exception):
    """The network cannot be evaluated in float64; the message says what to do."""


def run(path: Path, inputs: dict, operators=onnx_operators.ALL) -> np.ndarray:
    """The network's first output for `inputs` of float32 or float64, computed in float64.

    Raises Float64Error where that is not what onnxruntime computes in float32.
    """
    model = onnx.load(str(path))
    single = {name: _as(value, np.float32) for name, value in inputs.items()}
    float32 = _onnxruntime(str(path)).run(None, single)[0]
    try:
        float64 = _evaluate(model, inputs, operators)[0]
    except Exception as error:  # onnx raises whatever it likes
        raise Float64Error(
            f"{path}: cannot be evaluated in float64: {error or type(error).__name__}.\n{_ADVICE}"
        ) from error
    difference = disagreement(float64, float32)
    if float64.dtype != np.float64 or not difference <= ROUNDING:
        where = _first_difference(path, inputs, single, operators)
        raise Float64Error(
            f"{path}: its float64 evaluation ({float64.dtype}) differs from onnxruntime's float32 "
            f"by {difference:.3g} of the signal, where rounding is below {ROUNDING:g}{where}. "
            f"Taken for noise, that would hide a wrong port, so nothing is recorded.\n"
            f"{_ADVICE}"
        )
    return float64


_ADVICE = (
    "Export the network anew with plain operators (torch.onnx.export in evaluation mode, batch "
    "norm folded), or give the operator an evaluation of its own in "
    "python_ref/cosyvoice_reference/onnx_operators.py."
)


def disagreement(a: np.ndarray, b: np.ndarray) -> float:
    """The norm of the difference over the larger norm; NaN where a value is, infinity where the
    shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    a, b = a.astype(np.float64), b.astype(np.float64)
    size = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / size) if size > 0 else float(size)


def _onnxruntime(network, optimised: bool = True):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; a warning for every input that is an initializer
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _evaluate(model, inputs: dict, operators) -> list:
    evaluator = ReferenceEvaluator(_widened(model), new_ops=list(operators))
    return evaluator.run(None, {name: _as(value, np.float64) for name, value in inputs.items()})


def _as(value: np.ndarray, kind) -> np.ndarray:
    """`value` as floats of `kind`; whole numbers stay."""
    return value.astype(kind) if np.issubdtype(value.dtype, np.floating) else value


def _first_difference(path: Path, inputs: dict, single: dict, operators) -> str:
    """The first node whose results differ, in words, where it can be found."""
    model = onnx.load(str(path))
    nodes = {name: node for node in model.graph.node for name in node.output if name}
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in nodes)
    try:
        # Unoptimised: every node is to be there.
        expected = _onnxruntime(model.SerializeToString(), optimised=False).run(None, single)
        values = _evaluate(model, inputs, operators)
    except Exception:  # this is for a message only
        return ""
    for name, float64, float32 in zip(nodes, values, expected, strict=True):
        comparable = isinstance(float64, np.ndarray) and isinstance(float32, np.ndarray)
        if comparable and not disagreement(float64, float32) <= ROUNDING:
            version = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
            return f", first at `{name}`, of {nodes[name].op_type} in opset {version}"
    return ""


def _widened(model):
    """The model with every float32 constant and cast in float64."""
    _widen_graph(model.graph)
    for function in model.functions:
        _widen_nodes(function.node)
    return model


def _widen_graph(graph) -> None:
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    _widen_nodes(graph.node)
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE


def _widen_nodes(nodes) -> None:
    for node in nodes:
        for attribute in node.attribute:
            _widen_attribute(node.op_type, attribute)


def _widen_attribute(op_type: str, attribute) -> None:
    if attribute.HasField("t"):
        _widen_tensor(attribute.t)
    for tensor in attribute.tensors:
        _widen_tensor(tensor)
    for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
        _widen_graph(graph)
    # The type that Cast, EyeLike and their like make.
    if attribute.name in ("to", "dtype") and attribute.i == TensorProto.FLOAT:
        attribute.i = TensorProto.DOUBLE
    if op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
        single = attribute.name == "value_float"
        values = [attribute.f] if single else list(attribute.floats)
        shape = [] if single else [len(values)]
        value = helper.make_tensor("", TensorProto.DOUBLE, shape, values)
        attribute.CopyFrom(helper.make_attribute("value", value))


def _widen_tensor(tensor) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        values = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
