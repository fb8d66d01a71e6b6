"""The convolution for penalised slopes: values, first and second gradients are nn.Conv2d's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gesso.networks.twice_conv import TwiceConv2d


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, 8), (1, 1, 7), (4, 2, 8), (3, 2, 7), (3, 2, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_both_gradients_are_those_of_a_convolution(kernel: int, stride: int, size: int, bias: bool):
    plain = nn.Conv2d(3, 4, kernel, stride, kernel // 2, bias=bias).double()
    twice = TwiceConv2d(3, 4, kernel, stride, kernel // 2, bias=bias).double()
    twice.load_state_dict(plain.state_dict())
    found = []
    for conv in (plain, twice):
        x = torch.linspace(-1, 1, 2 * 3 * size * size, dtype=torch.double).view(2, 3, size, size).cos().requires_grad_(True)
        made = torch.tanh(conv(x))
        (slope,) = torch.autograd.grad(made.sum(), x, create_graph=True)
        (slope.square().sum() + made.mean()).backward()
        found.append([made.detach(), x.grad, *(p.grad for p in conv.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_gradients_are_right_by_differences():
    twice = TwiceConv2d(2, 3, 3, 2, 1).double()
    x = torch.randn(1, 2, 5, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(twice, x) and torch.autograd.gradgradcheck(twice, x)


def test_under_autocast_it_computes_in_bfloat16_and_without_gradients_as_usual():
    twice = TwiceConv2d(2, 3, 3, padding=1)
    x = torch.randn(1, 2, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        made = twice(x)
    assert made.dtype == torch.bfloat16
    made.float().sum().backward()
    assert twice.weight.grad is not None and twice.weight.grad.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(twice(x), nn.functional.conv2d(x, twice.weight, twice.bias, padding=1))
