"""MeanFlow on normal data, whose mean velocity is known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gesso.families.diffusion.mean_flow import MeanFlow, target_of
from gesso.families.family import Batch, Inputs, Phase
from gesso.ports import Ports

SPREAD = 0.4


def variance(t):
    return (t * SPREAD) ** 2 + (1 - t) ** 2


def velocity(z, t):
    """Of data N(0, SPREAD²): E[x₁ - ε | z]."""
    return z * (t * SPREAD**2 - (1 - t)) / variance(t)


def mean_velocity(z, t, span):
    """The flow maps z to z √(V(r) / V(t)); the limit of short spans is written out."""
    short = span.abs() < 1e-4
    safe = torch.where(short, torch.ones_like(span), span)
    return torch.where(short, velocity(z, t), z * ((variance(t + safe) / variance(t)).sqrt() - 1) / safe)


class Known(nn.Module):
    """The true mean velocity times `scale`."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale, self.calls = nn.Parameter(torch.tensor(scale)), 0

    def forward(self, z, t, ports, span):
        self.calls += 1
        shape = (-1, *[1] * (z.ndim - 1))
        return self.scale * mean_velocity(z, t.view(shape), span.view(shape))


def test_the_true_mean_velocity_is_its_own_target():
    """u = v + (r - t) du/dt holds exactly where u is the mean of the marginal velocity v."""
    rng = torch.Generator().manual_seed(0)
    z, t = torch.randn(64, 1, generator=rng, dtype=torch.float64), torch.rand(64, generator=rng, dtype=torch.float64)
    span = (1 - t) * torch.rand(64, generator=rng, dtype=torch.float64)
    v = velocity(z, t[:, None])
    target = target_of(lambda z, t, span: mean_velocity(z, t[:, None], span[:, None]), z, v, t, span)
    assert torch.allclose(target, mean_velocity(z, t[:, None], span[:, None]), atol=1e-10)


def test_a_step_leads_there_too():
    """With a step for the derivative the true mean velocity differs from its target by the error of one Euler step, δ² / 2 dv/dt."""
    z, t, span = torch.randn(64, 1, dtype=torch.float64), torch.full((64,), 0.2).double(), torch.full((64,), 0.5).double()

    def u(z, t, span):
        return mean_velocity(z, t[:, None], span[:, None])

    apart = [float((target_of(u, z, velocity(z, t[:, None]), t, span, ratio) - u(z, t, span)).abs().max()) for ratio in (0.1, 0.05)]
    assert apart[0] < 0.02 and 3.5 < apart[0] / apart[1] < 4.5


def test_a_wrong_one_is_not():
    z, t, span = torch.ones(1, 1), torch.full((1,), 0.3), torch.full((1,), 0.5)
    target = target_of(lambda z, t, span: 2 * z, z, velocity(z, t[:, None]), t, span)
    assert not torch.allclose(target, 2 * z, atol=0.1)


def test_the_gradient_is_least_at_the_true_mean_velocity():
    """Over many draws the gradient with respect to the network's scale changes its sign there."""
    batch = Batch({"image": SPREAD * torch.randn(4000, 4, 1, 1, generator=torch.Generator().manual_seed(2))}, Ports(), torch.arange(4000))

    def slope(scale: float) -> float:
        network = Known(scale)
        family = MeanFlow(power=0.0, ratio=0.0)
        loss = family.loss(Phase("denoise", ("denoiser",)), {"denoiser": network}, batch, nn.Module(), 0, torch.Generator().manual_seed(1))
        loss.value.mean().backward()
        return float(network.scale.grad)

    assert abs(slope(1.0)) < 0.03 and slope(1.3) > 0.1 and slope(0.7) < -0.1


def test_a_part_of_the_batch_is_plain_flow_matching():
    batch = Batch({"image": torch.randn(8, 1, 2, 2)}, Ports(), torch.arange(8))
    network = Known()
    for share, ratio, calls in ((0.0, 0.0, 1), (1.0, 0.0, 2), (1.0, 0.5, 3)):
        network.calls = 0
        MeanFlow(share=share, ratio=ratio).loss(
            Phase("denoise", ("denoiser",)), {"denoiser": network}, batch, nn.Module(), 0, torch.Generator().manual_seed(1)
        )
        assert network.calls == calls


@pytest.mark.parametrize("num", [1, 2, 4])
def test_one_step_arrives_where_many_do(num):
    inputs = Inputs(Ports(), Ports(), (5, 1, 2, 2), range(5))
    chosen = SimpleNamespace(num_steps=num, guidance_scale=1.0, sampler="auto")
    network = Known()
    with torch.no_grad():
        outputs = list(MeanFlow().sample({"denoiser": network}, inputs, torch.Generator().manual_seed(0), chosen))
    start = torch.stack([torch.randn(1, 2, 2, generator=torch.Generator().manual_seed(7919 * item + 12345)) for item in range(5)])
    assert torch.allclose(outputs[-1].media["image"], SPREAD * start, atol=1e-5)
    assert network.calls == num == len(outputs)
