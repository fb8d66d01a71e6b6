"""The family: its loss, guidance, noise of items, previews, and samplers by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.families.diffusion import Diffusion, Edm, Epsilon, FlowMatching, Velocity
from gesso.families.diffusion.denoise import SAMPLERS
from gesso.families.diffusion.guidance import guided, scale_at
from gesso.families.family import Batch, Inputs, Phase
from gesso.ports import Ports

OBJECTIVES = [FlowMatching(), Epsilon(), Velocity(), Edm()]
SPREAD = 0.5


class Perfect(nn.Module):
    """Says what is to be said where all data are one picture of the value 0.7, plus `vector`."""

    def __init__(self, objective) -> None:
        super().__init__()
        self.objective, self.unused, self.calls = objective, nn.Parameter(torch.zeros(1)), 0

    def forward(self, x, t, ports):
        self.calls += 1
        clean = 0.7 + ports.vector[:, :, None, None]
        if isinstance(self.objective, FlowMatching):
            return (clean - x) / (1 - t.view(-1, 1, 1, 1))
        sigma = (-4 * t).exp() if isinstance(self.objective, Edm) else self.objective.schedule.sigma_of(1 - t)
        skip, out, scale = (one.view(-1, 1, 1, 1) for one in self.objective.scales(sigma))
        return (clean - skip * x / scale) / out


def settings(**changed):
    return SimpleNamespace(**{"num_steps": 8, "guidance_scale": 1.0, "sampler": "auto", **changed})


def inputs(items=(0,), given=0.0):
    vector = torch.full((len(items), 1), given)
    return Inputs(Ports(vector=vector), Ports(vector=torch.zeros_like(vector)), (len(items), 1, 4, 4), items)


def run(objective, asked, chosen, seed=0):
    network = Perfect(objective)
    outputs = list(Diffusion(objective).sample({"denoiser": network}, asked, torch.Generator().manual_seed(seed), chosen))
    return outputs, network.calls


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.predicts)
@pytest.mark.parametrize("sampler", ["auto", *SAMPLERS])
def test_every_sampler_works_with_every_objective(objective, sampler):
    outputs, calls = run(objective, inputs((0, 1)), settings(sampler=sampler))
    assert torch.allclose(outputs[-1].media["image"], torch.full((2, 1, 4, 4), 0.7), atol=2e-3)
    assert [one.final for one in outputs] == [False] * 7 + [True]
    assert all(one.step == at + 1 and one.num_steps == 8 for at, one in enumerate(outputs))
    assert torch.allclose(outputs[0].media["image"], torch.full((2, 1, 4, 4), 0.7), atol=2e-3), "the preview is what is expected"
    assert calls == (15 if sampler == "heun" else 8)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.predicts)
def test_the_loss_of_the_right_answer_is_zero(objective):
    batch = Batch({"image": torch.full((64, 1, 4, 4), 0.7)}, Ports(vector=torch.zeros(64, 1)), torch.arange(64))

    def loss(given):
        part = Batch(batch.clean, Ports(vector=torch.full((64, 1), given)), batch.index)
        networks = {"denoiser": Perfect(objective)}
        return Diffusion(objective).loss(Phase("denoise", ("denoiser",)), networks, part, nn.Module(), 0, torch.Generator().manual_seed(1))

    assert loss(0.0).value.shape == (64,) and loss(0.0).value.median() < 1e-5
    assert loss(0.5).value.mean() > 1e-2
    assert list(loss(0.0).logs) == [f"{objective.predicts}_error"]


def test_guidance_strengthens_conditions_within_its_interval():
    def made(**changed):
        return run(FlowMatching(), inputs(given=0.1), settings(sampler="euler", **changed))

    assert made(guidance_scale=3.0)[0][-1].media["image"].mean() == pytest.approx(1.0, abs=1e-3)
    assert made(guidance_scale=0.0)[0][-1].media["image"].mean() == pytest.approx(0.7, abs=1e-3)
    outputs, calls = made(guidance_scale=3.0, guidance_from=0.3, guidance_to=0.6)
    assert calls == 8 + 2, "twice at 3/8 and 4/8"
    first, *_, last = (one.media["image"].mean() for one in outputs)
    assert first == pytest.approx(0.8, abs=1e-3) and last == pytest.approx(0.8, abs=1e-3)
    assert scale_at(settings(guidance_scale=2.0), 0.0) == 2 == scale_at(settings(guidance_scale=2.0), 1.0)


@pytest.mark.parametrize(("scale", "wanted"), [(0.0, 0.0), (1.0, 2.0), (3.0, 6.0)])
def test_guidance_scales_the_effect_of_the_conditions(scale, wanted):
    class Echo(nn.Module):
        def forward(self, x, t, ports):
            return 0 * x + ports.vector[:, :, None, None]

    given, null = Ports(vector=torch.full((1, 1), 2.0)), Ports(vector=torch.zeros(1, 1))
    said = guided(Echo(), torch.zeros(1, 1, 4, 4), torch.zeros(1), given, null, scale)
    assert torch.allclose(said, torch.full_like(said, wanted))


class Wandering(nn.Module):
    """A network whose answer lets noise through."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x, t, ports):
        return x * self.weight


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_noise_depends_on_seed_and_item_but_not_on_the_batch(sampler):
    def made(items, seed=9):
        chosen = settings(sampler=sampler, eta=0.5, num_steps=3)
        *_, last = Diffusion().sample({"denoiser": Wandering()}, inputs(items), torch.Generator().manual_seed(seed), chosen)
        return last.media["image"]

    together, alone = made((3, 4, 5)), made((4,))
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])
    assert not torch.equal(made((4,), seed=10), alone)


def test_an_unknown_sampler_is_refused():
    with pytest.raises(GessoError, match="one of auto, euler, heun"):
        run(FlowMatching(), inputs(), settings(sampler="rk9"))
