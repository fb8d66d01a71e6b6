"""Sampling follows the network: sequences have its probabilities, in order or many at once, and constraints hold."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gesso.families.autoregressive import Autoregressive, Masked
from gesso.families.family import Inputs
from gesso.ports import Ports, Tokens

CHAIN = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.2, 0.3, 0.5]])  # the last row is of the first place
PORTS = Ports(tokens=Tokens(torch.zeros(1, 1, 0), torch.ones(1, 1, dtype=torch.bool), ids=torch.ones(1, 1, dtype=torch.int64)))


class Chain(nn.Module):
    """A Markov chain: what comes next depends on the code before."""

    grid, mask, causal = (2, 3), 3, True

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(()))

    def begin(self, ports: Ports, rows: int) -> Any:
        return SimpleNamespace(rows=rows)

    def step(self, memory: Any, ids: Tensor | None) -> Tensor:
        return CHAIN.log()[torch.full((memory.rows,), 3) if ids is None else ids]


class Sure(Chain):
    """Knows the wanted codes: more surely the more of them it sees."""

    def forward(self, ids: Tensor, ports: Ports) -> Tensor:
        wanted = torch.arange(6) % 3
        known = (ids == wanted).float().mean(1)[:, None, None]
        return torch.nn.functional.one_hot(wanted, 3)[None] * (2 + 20 * known)


class Codec(nn.Module):
    bottleneck = SimpleNamespace(look_up=lambda ids: ids[:, None].float())

    def decode(self, latents: Tensor) -> Tensor:
        return latents.expand(-1, 3, -1, -1)


def sampled(family: Autoregressive, network: nn.Module, num: int = 1, **settings: Any) -> list[Any]:
    chosen = SimpleNamespace(**{"temperature": 1.0, "top_p": 1.0, "guidance_scale": 1.0, "num_steps": 6} | settings)
    ports = PORTS.map(lambda value: value.expand(num, *value.shape[1:]))
    asked = Inputs(ports, ports, (num, 3, 2, 3), items=tuple(range(num)))
    return list(family.sample({"writer": network, "codec": Codec()}, asked, torch.Generator().manual_seed(2), chosen))


def test_codes_come_as_likely_as_the_network_says():
    codes = sampled(Autoregressive(), Chain(), 3000)[-1].taps["codes"].flatten(1)
    first = torch.bincount(codes[:, 0], minlength=3) / 3000
    stay = (codes[:, 1:] == codes[:, :-1]).float().mean()
    assert torch.allclose(first, CHAIN[3], atol=0.04) and float(stay) == pytest.approx(0.8, abs=0.02)


def test_an_item_does_not_depend_on_its_batch_and_previews_grow():
    many = sampled(Autoregressive(), Chain(), 3)
    alone = sampled(Autoregressive(), Chain(), 1)
    assert torch.equal(many[-1].taps["codes"][0], alone[-1].taps["codes"][0])
    assert [one.final for one in alone] == [False] * (len(alone) - 1) + [True] and len(alone) > 3
    assert not torch.equal(many[-1].taps["codes"][0], many[-1].taps["codes"][1])


@pytest.mark.parametrize("family", [Autoregressive, Masked])
def test_what_a_place_may_not_hold_it_does_not_hold(family: Any):
    def allowed(inputs: Inputs, settings: Any) -> Tensor:
        may = torch.ones(inputs.shape[0], 6, 3, dtype=torch.bool)
        may[:, 2] = torch.tensor([False, False, True])
        may[:, 4] = torch.tensor([True, False, False])
        return may

    codes = sampled(family(allowed=allowed), Sure(), 200)[-1].taps["codes"].flatten(1)
    assert (codes[:, 2] == 2).all() and (codes[:, 4] == 0).all()


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_many_at_once_keeps_the_surest_and_ends_without_masks(steps: int):
    outputs = sampled(Masked(), Sure(), 300, num_steps=steps)
    codes = outputs[-1].taps["codes"].flatten(1)
    assert len(outputs) == steps and codes.max() < 3
    right = float((codes == torch.arange(6) % 3).float().mean())
    assert right > (0.7 if steps == 1 else 0.85)


def test_temperature_0_is_the_likeliest():
    codes = sampled(Autoregressive(), Chain(), 20, temperature=0.0)[-1].taps["codes"]
    assert (codes == 2).all()
