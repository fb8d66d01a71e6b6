"""Feed-forward style transfer: its objective is the optimising recipe's, statistics are matched, strength and mixing have their ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gesso.errors import GessoError
from gesso.families.family import Batch, Inputs
from gesso.families.optimise import PIXELS, StyleTransfer
from gesso.families.restyle import Restyle, matched, moments, recoloured
from gesso.networks.convnet import ConvNet
from gesso.networks.restyler import Restyler, code_length
from gesso.ports import Ports, join

LAYERS = (PIXELS, "conv1_1", "conv2_1")
FAMILY = Restyle("conv2_1", LAYERS, ("conv2_1", "conv3_1"), passes=2)
SETTINGS = SimpleNamespace(content_weight=1.0, style_weight=30.0, smoothness=0.1)


@pytest.fixture
def networks() -> dict[str, Any]:
    torch.manual_seed(0)
    encoder = ConvNet(3, ((4, 1), (8, 1), (12, 1)), 0).requires_grad_(False).eval()
    return {"features": encoder, "restyler": Restyler((16, 24), (8, 12), (1, 1), code_length((8, 12)))}


def pictures(num: int, size: tuple[int, int] = (20, 25), seed: int = 1) -> torch.Tensor:
    rough = torch.rand(num, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(rough, size=size, mode="bicubic").clamp(0, 1) * 2 - 1


def inputs(**given: torch.Tensor) -> Inputs:
    ports = []
    h, w = given["content"].shape[-2:]
    for picture in given.values():
        shown = torch.cat([picture, torch.ones_like(picture[:, :1])], 1)
        ports.append(Ports(spatial=torch.nn.functional.pad(shown, (0, w - picture.shape[-1], 0, h - picture.shape[-2]))))
    joined = join(ports, list(given))
    return Inputs(joined, joined, (1, 3, *given["content"].shape[-2:]))


def sampled(networks: Any, *, strength: float = 1.0, mix: float = 0.5, passes: int = 2, **given: torch.Tensor) -> list[Any]:
    settings = SimpleNamespace(strength=strength, mix=mix, passes=passes)
    return list(FAMILY.sample(networks, inputs(**given), torch.Generator(), settings))


def test_the_objective_is_that_of_the_optimising_recipe(networks: Any) -> None:
    content, style, x = pictures(2), pictures(2, seed=2), pictures(2, seed=3)
    taps = [FAMILY._taps(networks["features"], one) for one in (x, content, style)]
    terms = FAMILY.terms
    found = terms.of(x, taps[0], terms.targets(taps[1], taps[2]), (1.0, 30.0, 0.1))
    for i in range(2):
        wanted = StyleTransfer("conv2_1", LAYERS).objective(networks["features"], content[i : i + 1], style[i : i + 1], SETTINGS)(
            x[i : i + 1]
        )
        for name, value in found.items():
            assert torch.allclose(value[i], wanted[name], rtol=1e-4), name


def test_features_get_the_wanted_mean_and_covariance() -> None:
    maps, other = torch.rand(2, 6, 9, 11), torch.randn(2, 6, 10, 8)
    mean, covariance = moments(other)
    made = moments(matched(maps, *moments(maps), mean, covariance))
    assert torch.allclose(made[0], mean, atol=1e-4) and torch.allclose(made[1], covariance, atol=1e-2)
    same = matched(maps, *moments(maps), *moments(maps))
    assert torch.allclose(same, maps, atol=1e-3), "what matches already stays"


def test_pixels_get_the_colours_of_a_style(networks: Any) -> None:
    content, style = pictures(1), pictures(1, seed=2)
    look = FAMILY.look_of(networks["features"], style)
    mean, covariance = moments((recoloured(content, look) + 1) / 2)
    wanted = moments((style + 1) / 2)
    assert torch.allclose(mean, wanted[0], atol=1e-3) and torch.allclose(covariance, wanted[1], atol=1e-3)


def test_strength_and_mixing_have_their_ends(networks: Any) -> None:
    content, one, two = pictures(1), pictures(1, seed=2), pictures(1, seed=3)
    torch.nn.init.normal_(networks["restyler"].leave.weight, 0, 0.1)
    last = lambda **given: sampled(networks, content=content, **given)[-1].media["image"]  # noqa: E731
    assert torch.allclose(last(style=one, strength=0.0), content)
    assert torch.allclose(last(style=one, second=two, mix=0.0), last(style=one))
    assert torch.allclose(last(style=one, second=two, mix=1.0), last(style=two), atol=1e-4)
    half = last(style=one, second=two, mix=0.5)
    assert (half - last(style=one)).abs().max() > 0.01 and (half - last(style=two)).abs().max() > 0.01


def test_all_but_the_last_picture_are_drafts_and_odd_sizes_stay(networks: Any) -> None:
    made = sampled(networks, content=pictures(1, (21, 27)), style=pictures(1, (16, 16)), passes=3)
    assert [(one.draft, one.final, one.step) for one in made] == [(True, False, 1), (True, False, 2), (False, True, 3)]
    assert all(one.media["image"].shape == (1, 3, 21, 27) for one in made)
    with pytest.raises(GessoError, match="missing"):
        sampled(networks, content=pictures(1))


def test_it_learns_to_lower_the_objective(networks: Any) -> None:
    content, style = pictures(2, (16, 16)), pictures(2, (16, 16), seed=2)
    batch = Batch({"content": content, "style": style}, Ports(), torch.arange(2))
    optimiser = torch.optim.Adam(networks["restyler"].parameters(), 3e-3)
    values = []
    for step in range(30):
        loss = FAMILY.loss(FAMILY.phases(step)[0], networks, batch, torch.nn.Module(), step, torch.Generator())
        optimiser.zero_grad()
        loss.value.mean().backward()
        optimiser.step()
        values.append(loss.value.mean().item())
    assert values[-1] < values[0] - 0.3, values
