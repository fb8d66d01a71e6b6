"""What lies in a hole never reaches the network, the known part is met, and resampling brings both sides together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gesso.families.diffusion.filling import Filling
from gesso.families.diffusion.paths import EXPLODING, STRAIGHT
from gesso.families.diffusion.samplers import noisier, repeated
from gesso.families.family import Batch, Inputs, Phase
from gesso.ports import Ports


def ports(pixels: Tensor, hole: Tensor) -> Ports:
    given = Ports(spatial=torch.cat([pixels, torch.ones_like(hole)], 1))
    parts = {"picture": given, "hole": Ports(spatial=hole)}
    return Ports(spatial=torch.cat([part.spatial for part in parts.values() if part.spatial is not None], 1), by_slot=parts)


class Seen(nn.Module):
    """Keeps what it was shown."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.shown: list[Tensor] = []
        self.answer = answer or (lambda x, t: torch.zeros_like(x))

    def forward(self, x: Tensor, t: Tensor, given: Ports) -> Tensor:
        if given.spatial is not None:
            self.shown.append(given.spatial)
        return self.scale * self.answer(x, t)


HOLE = torch.zeros(1, 1, 8, 8)
HOLE[..., 2:6, 3:7] = 1


def settings(**more: Any) -> Any:
    return SimpleNamespace(**{"num_steps": 6, "resampling": 1, "guidance_scale": 1.0, "sampler": "euler"} | more)


def sampled(network: nn.Module, pixels: Tensor, **more: Any) -> list[Any]:
    given = ports(pixels, HOLE)
    asked = Inputs(given, given, tuple(pixels.shape))
    return list(Filling().sample({"denoiser": network}, asked, torch.Generator().manual_seed(0), settings(**more)))


def test_what_lies_in_the_hole_is_not_seen():
    one, other = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    other = torch.where(HOLE > 0, other, one)
    first, second = Seen(), Seen()
    made = [sampled(network, pixels)[-1].media["image"] for network, pixels in ((first, one), (second, other))]
    assert torch.equal(made[0], made[1]) and all(torch.equal(a, b) for a, b in zip(first.shown, second.shown, strict=True))
    assert (first.shown[0][:, :3] * HOLE == 0).all() and torch.equal(first.shown[0][:, 3:], 1 - HOLE)
    batch = Batch({"image": one}, ports(one, HOLE), torch.arange(1))
    Filling().loss(Phase("denoise", ("denoiser",)), {"denoiser": first}, batch, nn.Module(), 0, torch.Generator().manual_seed(0))
    assert (first.shown[-1][:, :3] * HOLE == 0).all()


@pytest.mark.parametrize("resampling", [1, 3])
def test_the_known_part_is_put_in(resampling: int):
    pixels = torch.rand(1, 3, 8, 8) * 2 - 1
    outputs = sampled(Seen(), pixels, resampling=resampling)
    made = outputs[-1].media["image"]
    assert torch.allclose((made - pixels) * (1 - HOLE), torch.zeros(()), atol=1e-5) and not torch.allclose(made, pixels)
    assert [one.final for one in outputs] == [False] * (len(outputs) - 1) + [True]
    assert len(outputs) == 6 + (resampling - 1) * 4 == outputs[-1].num_steps
    without = sampled(Seen(), pixels, resampling=0)[-1].media["image"]
    assert not torch.allclose((without - pixels) * (1 - HOLE), torch.zeros(()), atol=1e-2)


def test_resampling_brings_both_sides_together():
    """Data whose pixels are all of one value, -1 or 1, and a network that sees no hole: the exact flow, by the mean of all pixels."""

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        at = t.view(-1, 1, 1, 1)
        spread = (1 - at).square().clamp_min(1e-6)
        expected = torch.tanh((x * at).sum((1, 2, 3), keepdim=True) / spread)
        return (expected - x) / (1 - at).clamp_min(1e-3)

    pixels = torch.ones(64, 1, 8, 8)
    right = []
    for resampling in (0, 1, 4):
        hole = torch.ones(64, 1, 8, 8)
        hole[..., :1, :1] = 0
        given = ports(pixels, hole)
        asked = Inputs(given, given, (64, 1, 8, 8), items=tuple(range(64)))
        family = Filling(sees=False)
        *_, last = family.sample(
            {"denoiser": Seen(velocity)}, asked, torch.Generator().manual_seed(1), settings(num_steps=20, resampling=resampling)
        )
        right.append(float((last.media["image"][:, 0, 4, 4] > 0).float().mean()))
    assert right[0] < 0.7 and right[2] > right[0] and right[2] >= right[1]


def test_levels_go_back_and_forth():
    assert repeated([0, 0.25, 0.5, 0.75, 1], 1) == [0, 0.25, 0.5, 0.75, 1]
    assert repeated([0, 0.25, 0.5, 0.75, 1], 2) == [0, 0.25, 0.5, 0.25, 0.5, 0.75, 0.5, 0.75, 1]


@pytest.mark.parametrize(("path", "level", "goal"), [(STRAIGHT, 0.7, 0.4), (EXPLODING, 0.5, 2.0)])
def test_a_step_back_has_the_variance_of_its_level(path: Any, level: float, goal: float):
    torch.manual_seed(0)
    data, draws = torch.full((200_000,), 0.3), torch.randn(2, 200_000)
    x = path.alpha(level) * data + path.sigma(level) * draws[0]
    back = noisier(x, level, goal, path, draws[1])
    assert float(back.mean()) == pytest.approx(path.alpha(goal) * 0.3, abs=0.01) and float(back.std()) == pytest.approx(
        path.sigma(goal), rel=0.01
    )
