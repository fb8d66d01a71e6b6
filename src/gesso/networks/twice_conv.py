"""A convolution that is fast to differentiate twice, for critics whose slopes are penalised (R1, R2) and generators with path length.

PyTorch's second gradient of a convolution swaps items and channels, which CPUs do slowly. Here the gradient is itself made of
convolutions that are differentiated as usual. Values and gradients are those of nn.Conv2d up to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.shapes import Maps

AUTOCAST = ("cpu", "cuda")  # devices that may compute in fewer bits; asking it of an unknown one is an error


class TwiceConv2d(nn.Conv2d):
    """nn.Conv2d without dilation and groups, and with zeros at its borders."""

    def forward(self, x: Maps) -> Maps:
        return twice_conv(x, self.weight, self.bias, int(self.stride[0]), int(self.padding[0]))


def twice_conv(x: Maps, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Maps:
    """A convolution of x [b c h w] with square kernels `weight` [d c k k]."""
    if not torch.is_grad_enabled():
        return F.conv2d(x, weight, bias, stride, padding)
    kind = x.device.type
    if kind in AUTOCAST and torch.is_autocast_enabled(kind):  # autocast does not see into a function with its own gradient
        dtype = torch.get_autocast_dtype(kind)
        x, weight, bias = x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)
    made: Maps = _Conv.apply(x, weight, bias, stride, padding)
    return made


def _to_input(gradient: Tensor, weight: Tensor, size: torch.Size, stride: int, padding: int) -> Tensor:
    """The gradient in an input of `size`, as a transposed convolution."""
    more = [side - ((out - 1) * stride - 2 * padding + weight.shape[-1]) for side, out in zip(size[-2:], gradient.shape[-2:], strict=True)]
    return F.conv_transpose2d(gradient, weight, None, stride, padding, more)


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.steps = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        return (
            _to_input(gradient, weight, x.shape, *ctx.steps) if of_x else None,
            _WeightGradient.apply(gradient, x, weight, *ctx.steps) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
            None,
            None,
        )


class _WeightGradient(torch.autograd.Function):
    """The gradient in the weights: linear in the output's gradient and in the input, which gives its own gradients."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Any:
        ctx.save_for_backward(gradient, x)
        ctx.steps = stride, padding
        settings = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, [False, True, False])
        return torch.ops.aten.convolution_backward(gradient, x, weight, None, *settings)[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (second,), (gradient, x) = gradients, ctx.saved_tensors
        stride, padding = ctx.steps
        of_gradient, of_x = ctx.needs_input_grad[:2]
        return (
            F.conv2d(x, second, None, stride, padding) if of_gradient else None,
            _to_input(gradient, second, x.shape, stride, padding) if of_x else None,
            None,
            None,
            None,
        )
