"""Operators as onnxruntime 1.18 computes them, where onnx's own reference operators differ."""

import itertools
import math

import numpy as np
from onnx.reference.op_run import OpRun


class BatchNormalization(OpRun):
    """Batch norm with the running statistics, in every opset.

    onnx's own takes the batch's statistics in opset 9 to 13 wherever the node has a `momentum`,
    which torch's exporter always writes.
    """

    op_domain = ""

    def _run(
        self,
        x,
        scale,
        bias,
        mean,
        variance,
        epsilon=None,
        momentum=None,
        training_mode=None,
        is_test=None,
        spatial=None,
        consumed_inputs=None,
    ):
        if training_mode:
            raise NotImplementedError("batch norm in training mode")
        if mean.ndim == 1:
            shape = (-1, *(1,) * (x.ndim - 2))
            scale, bias = scale.reshape(shape), bias.reshape(shape)
            mean, variance = mean.reshape(shape), variance.reshape(shape)
        epsilon = 1e-5 if epsilon is None else epsilon
        return (scale * (x - mean) / np.sqrt(variance + epsilon) + bias,)


class AveragePool(OpRun):
    """Average pooling over any number of axes.

    Where padding counts, onnxruntime 1.18 divides a window that reaches past the end by the whole
    window's size, which later versions do not; the weights were trained on that.
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
        axes = [
            _Axis(length, kernel, stride, dilation, head, tail, auto_pad or "NOTSET", ceil_mode)
            for length, kernel, stride, dilation, head, tail in zip(
                x.shape[2:],
                kernel_shape,
                strides or [1] * len(kernel_shape),
                dilations or [1] * len(kernel_shape),
                pads[: len(kernel_shape)] if pads else [0] * len(kernel_shape),
                pads[len(kernel_shape) :] if pads else [0] * len(kernel_shape),
                strict=True,
            )
        ]
        total = _window_sums(x, axes)
        if count_include_pad:
            return (total / math.prod(kernel_shape),)
        return (total / _window_sums(np.ones_like(x), axes),)


class _Axis:
    """How the windows lie along one axis."""

    def __init__(self, length, kernel, stride, dilation, head, tail, auto_pad, ceil_mode):
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        span = (kernel - 1) * dilation + 1
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            self.windows = -(-length // stride)
            needed = max(0, (self.windows - 1) * stride + span - length)
            self.head = needed // 2 if auto_pad == "SAME_UPPER" else -(-needed // 2)
        else:
            self.head, tail = (0, 0) if auto_pad == "VALID" else (head, tail)
            room = length + self.head + tail - span
            self.windows = (-(-room // stride) if ceil_mode else room // stride) + 1
        self.padded = max((self.windows - 1) * stride + span, self.head + length)

    def taps(self):
        """The slice of the padded axis that each place of the kernel sees in all windows."""
        for place in range(self.kernel):
            first = place * self.dilation
            yield slice(first, first + (self.windows - 1) * self.stride + 1, self.stride)


def _window_sums(x, axes):
    padded = np.zeros((*x.shape[:2], *(axis.padded for axis in axes)), x.dtype)
    inside = (slice(axis.head, axis.head + n) for axis, n in zip(axes, x.shape[2:], strict=True))
    padded[(slice(None), slice(None), *inside)] = x
    total = 0.0
    for taps in itertools.product(*(axis.taps() for axis in axes)):
        total = total + padded[(slice(None), slice(None), *taps)]
    return total


#: For `ReferenceEvaluator(new_ops=…)`.
ALL = (BatchNormalization, AveragePool)
