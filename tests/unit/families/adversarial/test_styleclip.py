"""StyleCLIP's equations: what a channel does is found, β leaves channels out, α is how far, and no words or no strength change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gesso.errors import GessoError
from gesso.families.adversarial.styleclip import DEVIATION, RELEVANCE, StyleClip, StyleGenerator, joined, style_step
from gesso.families.family import STATE, Inputs
from gesso.networks.stylegan2 import MappingNetwork, Synthesis
from gesso.ports import Ports, Tokens

SETTINGS: dict[str, Any] = {
    "way": "direction", "strength": 3.0, "disentanglement": 0.0, "truncation": 1.0, "num_steps": 12, "keep": 0.008, "identity": 0.0,
}  # fmt: skip
RED, GREEN, BLUE = range(3)


class Colours(nn.Module):
    """A picture's vector is its mean colour, which is known exactly, and a number so large that unit vectors hardly bend it."""

    num_classes = 4

    def forward(self, pictures: Tensor) -> Tensor:
        return F.pad(pictures.mean((2, 3)), (0, 1), value=10.0)


def look(pictures: Tensor) -> Tensor:
    """How far the mean colour is from grey, [b 3]."""
    mean: Tensor = pictures.clamp(-1, 1).mean((2, 3))
    return mean - mean.mean(1, keepdim=True)


class Named(nn.Module):
    """The text with the id 10 + c is the colour c."""

    def forward(self, tokens: Tokens) -> Ports:
        assert tokens.ids is not None
        wanted = F.one_hot(tokens.ids[:, 0] - 10, 3).float()
        return Ports(vector=F.pad(wanted - wanted.mean(1, keepdim=True), (0, 1)))


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    torch.manual_seed(1)
    mapping, synthesis = MappingNetwork(8, 16).eval(), Synthesis(3, (8, 8, 8), 16)
    with torch.no_grad():
        mapping.mean.copy_(mapping(torch.randn(200, 8), Ports()).mean(0))
        for layer in synthesis.leave:
            layer.weight.mul_(0.15)
    found = {"generator.mapping": mapping, "generator.synthesis": synthesis, "clip.text": Named(), "clip.picture": Colours()}
    for network in found.values():
        network.requires_grad_(False)
    return found


def given(colour: int | None, state: dict[str, Tensor] | None = None, num: int = 6, instead: int | None = None) -> Inputs:
    slots = {}
    for name, value in (("words", colour), ("instead", instead)):
        ids = torch.full((num, 1), 10 + (value or 0))
        slots[name] = Ports(tokens=Tokens(torch.zeros(num, 1, 0), torch.full((num, 1), value is not None), ids=ids))
    return Inputs(Ports(by_slot=slots), Ports(), (num, 3, 1, 1), items=range(num), state=state or {})


def made(networks: dict[str, nn.Module], inputs: Inputs, **changed: Any) -> Tensor:
    with torch.inference_mode():
        *_, last = StyleClip(4, 16).sample(networks, inputs, torch.Generator().manual_seed(5), SimpleNamespace(**SETTINGS | changed))
    return last.media["image"]


@pytest.fixture(scope="module")
def state(networks: dict[str, nn.Module]) -> dict[str, Tensor]:
    *_, last = StyleClip(4, 16).fit(networks, given(None, num=1), torch.Generator().manual_seed(5), SimpleNamespace(**SETTINGS))
    assert last.final and last.step == last.num_steps == 4
    return dict(last.weights[STATE])


def test_what_channels_do_is_found(networks: dict[str, nn.Module], state: dict[str, Tensor]):
    generator = StyleGenerator(networks)
    assert state[RELEVANCE].shape == (sum(generator.channels), 4) and len(state[DEVIATION]) == sum(generator.channels)
    assert torch.allclose(state[RELEVANCE].norm(dim=1), torch.ones(sum(generator.channels)), atol=1e-4)
    # The last channels show colours: what each adds to red, green and blue is its weight, up to the sign of its map.
    last: Any = generator.synthesis.leave[-1]
    weight = last.weight[:, :, 0, 0].T
    found = F.cosine_similarity(state[RELEVANCE][-8:, :3], weight).abs()
    assert (found > 0.97).sum() >= 6, "all but maps whose mean has another sign from latent to latent"


@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
def test_words_move_pictures_towards_what_they_say(networks: dict[str, nn.Module], state: dict[str, Tensor], colour: int):
    before, after, back = (look(made(networks, given(colour, state), strength=a))[:, colour] for a in (0.0, 3.0, -3.0))
    assert (after > before).all() and (back < before).all()


def test_no_strength_and_no_words_change_nothing(networks: dict[str, nn.Module], state: dict[str, Tensor]):
    still = made(networks, given(None, state))
    assert torch.equal(made(networks, given(RED, state), strength=0.0), still)
    generator = StyleGenerator(networks)
    ws = generator.start(given(None), 5, SimpleNamespace(**SETTINGS))
    assert torch.equal(generator.synthesis(ws, generator.layer_noise(given(None), 5)), still), "it is the generator's own picture"
    assert not torch.equal(made(networks, given(RED, state)), still)


def test_what_it_is_instead_turns_the_direction(networks: dict[str, nn.Module], state: dict[str, Tensor]):
    one, other = (look(made(networks, given(RED, state, instead=instead))) for instead in (GREEN, BLUE))
    assert (one[:, GREEN] < other[:, GREEN]).all() and (other[:, BLUE] < one[:, BLUE]).all()


def test_more_disentanglement_moves_fewer_channels():
    relevance = F.normalize(torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.1, 1.0], [-1.0, 0.2]]), dim=1)
    deviation = torch.tensor([1.0, 2.0, 3.0, 4.0])
    towards = torch.tensor([[1.0, 0.0]])
    every = style_step(relevance, deviation, towards, 0.0)
    assert torch.allclose(every, deviation * (relevance @ towards[0]) / 1.0, atol=1e-5), "the most relevant moves by its deviation"
    moved = [int((style_step(relevance, deviation, towards, cut) != 0).sum()) for cut in (0.0, 0.5, 0.9, 1.01)]
    assert moved == [4, 3, 2, 0]
    assert torch.equal(style_step(relevance, deviation, towards, 1.01), torch.zeros(1, 4))
    assert style_step(relevance, deviation, towards, 0.9)[0, 3] < 0, "a channel that leads away moves back"


def test_a_search_comes_nearer_and_stays_near(networks: dict[str, nn.Module]):
    inputs = given(BLUE, num=2)
    before = made(networks, inputs, strength=0.0)
    free, held = (made(networks, inputs, way="search", keep=keep) for keep in (0.0, 5.0))
    nearer = [F.cosine_similarity(look(one), torch.tensor([[-1.0, -1.0, 2.0]])) for one in (before, free, held)]
    assert (nearer[1] > nearer[0]).all()
    assert (held - before).square().mean() < (free - before).square().mean()
    seen = list(_search(networks, inputs))
    assert [one.step for one in seen] == list(range(1, 13)) and [one.final for one in seen] == [False] * 11 + [True]


def _search(networks: dict[str, nn.Module], inputs: Inputs) -> Any:
    with torch.inference_mode():
        yield from StyleClip(4, 16).sample(
            networks, inputs, torch.Generator().manual_seed(5), SimpleNamespace(**SETTINGS | {"way": "search"})
        )


def test_a_pictures_drawing_is_kept(networks: dict[str, nn.Module]):
    inputs = given(GREEN, num=2)
    before = made(networks, inputs, strength=0.0)
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    light = [((made(networks, inputs, way="search", identity=one) - before) * weights).sum(1).square().mean() for one in (0.0, 30.0)]
    assert light[1] < 0.7 * light[0]


def test_weights_of_another_generator_are_refused(networks: dict[str, nn.Module], state: dict[str, Tensor]):
    with pytest.raises(GessoError, match="gesso fit"):
        made(networks, given(RED))
    with pytest.raises(GessoError, match="another generator"):
        made(networks, given(RED, {**state, RELEVANCE: state[RELEVANCE][:-1]}))
    torch.manual_seed(2)
    other = {**networks, "generator.synthesis": Synthesis(3, (8, 8, 8), 16).requires_grad_(False)}
    with pytest.raises(GessoError, match="another generator"):
        made(other, given(RED, state))


def test_a_pictures_styles_are_parted_as_they_were_joined(networks: dict[str, nn.Module]):
    generator = StyleGenerator(networks)
    styles = generator.synthesis.styles(torch.randn(2, 16))
    assert joined(styles).shape == (2, sum(generator.channels))
