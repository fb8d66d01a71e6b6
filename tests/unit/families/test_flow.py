"""Flow matching as a family of its own: solvers, guidance and noise per item."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs, Phase
from gesso.families.flow import Flow
from gesso.ports import Ports


class Field(nn.Module):
    """A velocity field given as a function of (x, t, vector)."""

    def __init__(self, rule) -> None:
        super().__init__()
        self.rule, self.calls = rule, 0
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x, t, ports):
        self.calls += 1
        return self.rule(x, t[:, None, None, None], ports.vector)


def settings(num_steps=4, guidance_scale=1.0, solver="euler"):
    return SimpleNamespace(num_steps=num_steps, guidance_scale=guidance_scale, solver=solver)


def inputs(items=(0,), given=1.0):
    vector = torch.full((len(items), 1), given)
    return Inputs(Ports(vector=vector), Ports(vector=torch.zeros_like(vector)), (len(items), 1, 4, 4), items)


def run(field, asked, chosen, seed=0):
    return list(Flow().sample({"velocity": field}, asked, torch.Generator().manual_seed(seed), chosen))


def test_the_loss_is_the_squared_error_of_the_velocity():
    """For data that is one picture the velocity is (data - x) / (1 - t)."""
    data = torch.full((8, 1, 4, 4), 0.7)
    batch = Batch({"image": data}, Ports(), torch.arange(8))

    def loss(rule):
        return Flow().loss(Phase("flow", ("velocity",)), {"velocity": Field(rule)}, batch, nn.Module(), 0, torch.Generator().manual_seed(1))

    right = loss(lambda x, t, v: (0.7 - x) / (1 - t))
    assert right.value.shape == (8,) and right.value.max() < 1e-6
    off = loss(lambda x, t, v: (0.7 - x) / (1 - t) + 2)
    assert torch.allclose(off.value, torch.full((8,), 4.0), atol=1e-3)
    assert float(off.logs["velocity_error"]) == pytest.approx(4, abs=1e-3)


@pytest.mark.parametrize("solver", ["euler", "heun"])
@pytest.mark.parametrize("num_steps", [1, 3, 200])
def test_a_straight_flow_is_exact_with_any_number_of_steps(solver, num_steps):
    """Velocity data - noise is constant along the path: every solver is exact."""
    start = run(Field(lambda x, t, v: 0 * x), inputs(), settings(1))[-1].media["image"]
    outputs = run(Field(lambda x, t, v: 0.7 - start), inputs(), settings(num_steps, solver=solver))
    assert torch.allclose(outputs[-1].media["image"], torch.full((1, 1, 4, 4), 0.7), atol=1e-4)
    assert len(outputs) == num_steps and [o.final for o in outputs] == [False] * (num_steps - 1) + [True]
    assert all(o.step == i + 1 and o.num_steps == num_steps for i, o in enumerate(outputs))
    for preview in outputs[:-1]:
        assert torch.allclose(preview.media["image"], torch.full((1, 1, 4, 4), 0.7), atol=1e-4), "the preview is the predicted end"


def test_heun_is_of_second_order_and_euler_of_first():
    """dx/dt = x: at t = 1 the start has grown by e."""
    start = run(Field(lambda x, t, v: 0 * x), inputs(), settings(1))[-1].media["image"]

    def error(solver, num):
        made = run(Field(lambda x, t, v: x), inputs(), settings(num, solver=solver))[-1].media["image"]
        return float((made - start * torch.e).abs().max())

    assert 1.7 < error("euler", 32) / error("euler", 64) < 2.3
    assert 3.5 < error("heun", 32) / error("heun", 64) < 4.5
    assert error("heun", 16) < error("euler", 32), "at equal evaluations"


@pytest.mark.parametrize(
    ("solver", "scale", "calls"), [("euler", 1.0, 5), ("heun", 1.0, 9), ("euler", 2.0, 10), ("heun", 3.0, 18), ("heun", 0.0, 9)]
)
def test_the_number_of_evaluations_is_as_documented(solver, scale, calls):
    field = Field(lambda x, t, v: 0 * x)
    run(field, inputs(), settings(5, scale, solver))
    assert field.calls == calls


def test_noise_depends_on_seed_and_item_but_not_on_the_batch():
    field = Field(lambda x, t, v: 0 * x)
    together = run(field, inputs((3, 4, 5)), settings(1), seed=9)[-1].media["image"]
    alone = run(field, inputs((4,)), settings(1), seed=9)[-1].media["image"]
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(run(field, inputs((4,)), settings(1), seed=10)[-1].media["image"], alone)


def test_an_unknown_solver_is_refused():
    with pytest.raises(GessoError, match="euler or heun"):
        run(Field(lambda x, t, v: x), inputs(), settings(solver="rk9"))


def test_bits_are_those_of_the_family_before_the_kit():
    """Outputs and trainings of `digits` replay to the bit, so the arithmetic is written out here as it was."""
    network = Field(lambda x, t, v: torch.sin(3 * x) * (1 - t) + v[:, :, None, None])
    asked, num = inputs((3, 8), given=0.3), 5
    *_, last = run(network, asked, settings(num, 2.0, "heun"), seed=4)

    def velocity(x, t):
        given, without = (network(x, t, ports) for ports in (asked.ports, asked.null))
        return without + 2.0 * (given - without)

    seeds = [4 * 1_000_003 + item * 7919 + 12345 for item in (3, 8)]
    x = torch.stack([torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    for step in range(num):
        t, t_next = (torch.full((2,), k / num) for k in (step, step + 1))
        v, span = velocity(x, t), (t_next - t).view(-1, 1, 1, 1)
        x = x + span * v if step == num - 1 else x + span * (v + velocity(x + span * v, t_next)) / 2
    assert torch.equal(last.media["image"], x)

    data = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    batch = Batch({"image": data}, Ports(vector=torch.zeros(6, 1)), torch.arange(6))
    loss = Flow().loss(Phase("flow", ("velocity",)), {"velocity": network}, batch, nn.Module(), 0, torch.Generator().manual_seed(7))
    rng = torch.Generator().manual_seed(7)
    noise, normal = torch.randn(6, 1, 4, 4, generator=rng), torch.sigmoid(torch.randn(6, generator=rng))
    flat, chosen = torch.rand(6, generator=rng), torch.rand(6, generator=rng) < 0.3
    t = torch.where(chosen, flat, normal)
    said = network(torch.lerp(noise, data, t.view(-1, 1, 1, 1)), t, batch.ports)
    assert torch.equal(loss.value, (said - (data - noise)).square().mean((1, 2, 3)))
