"""The diffusion transformer: its shapes, its start at zero, and what reaches its output."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from gesso.networks.dit import DiT, attend, grid_positions
from gesso.ports import Ports, PortSizes, Tokens

SIZES = PortSizes(vector=3, spatial=2, token=5)


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """The network with no layer at zero, so that everything reaches the output."""
    with torch.no_grad():
        for p in network.parameters():
            if not p.any():
                p.normal_(0, 0.1)
    return network


def ports(num: int = 2, size: tuple[int, int] = (8, 8)) -> Ports:
    rng = torch.Generator().manual_seed(1)
    tokens = Tokens(torch.randn(num, 4, 5, generator=rng), torch.tensor([[True, True, False, False]]).expand(num, -1))
    return Ports(vector=torch.zeros(num, 3), spatial=torch.zeros(num, 2, *size), tokens=tokens)


@pytest.fixture
def network() -> DiT:
    torch.manual_seed(0)
    return awake(DiT(1, SIZES, width=24, depth=2, num_heads=3, spans=True)).eval()


def test_it_starts_at_zero_and_its_blocks_as_the_identity():
    torch.manual_seed(0)
    fresh = DiT(1, SIZES, width=24, depth=2)
    assert not fresh(torch.randn(2, 1, 8, 8), torch.rand(2), ports()).any()
    h, embedded = torch.randn(2, 16, 24), torch.randn(2, 24)
    words = fresh.words(ports().tokens, 2)
    fresh.blocks[0].hear.bias.data.zero_()
    assert torch.equal(fresh.blocks[0](h, embedded, words), h)


@pytest.mark.parametrize("size", [(8, 8), (4, 12)])
def test_the_output_has_the_shape_of_the_input(network, size):
    assert network(torch.randn(2, 1, *size), torch.rand(2), ports(2, size)).shape == (2, 1, *size)


@pytest.mark.parametrize("name", ["x", "t", "span", "vector", "spatial", "words"])
def test_everything_given_reaches_the_output(network, name):
    given = {"x": torch.zeros(2, 1, 8, 8), "t": torch.full((2,), 0.5), "ports": ports(), "span": torch.full((2,), 0.2)}
    before = network(**given)
    one = given["ports"]
    changed = {
        "x": {"x": given["x"] + 0.5},
        "t": {"t": given["t"] + 0.1},
        "span": {"span": given["span"] + 0.1},
        "vector": {"ports": replace(one, vector=one.vector + 1)},
        "spatial": {"ports": replace(one, spatial=one.spatial + 1)},
        "words": {"ports": replace(one, tokens=replace(one.tokens, values=one.tokens.values + 1))},
    }[name]
    assert (network(**given | changed) - before).abs().max() > 1e-4


def test_absent_words_are_not_read(network):
    one = ports()
    values = one.tokens.values.clone()
    values[:, 2:] = 9
    x, t = torch.randn(2, 1, 8, 8), torch.rand(2)
    assert torch.allclose(network(x, t, one), network(x, t, replace(one, tokens=replace(one.tokens, values=values))), atol=1e-6)
    none = replace(one, tokens=replace(one.tokens, mask=torch.zeros(2, 4, dtype=torch.bool)))
    assert torch.allclose(network(x, t, none), network(x, t, replace(one, tokens=None)), atol=1e-6)
    assert torch.isfinite(network(x, t, none)).all()


def test_words_may_be_ids():
    torch.manual_seed(0)
    network = awake(DiT(1, PortSizes(vocabulary=7), width=24, depth=1)).eval()
    x, t = torch.randn(1, 1, 8, 8), torch.rand(1)

    def made(*ids: int) -> torch.Tensor:
        tokens = Tokens(torch.zeros(1, len(ids), 0), torch.ones(1, len(ids), dtype=torch.bool), ids=torch.tensor([ids]))
        return network(x, t, Ports(tokens=tokens))

    assert (made(1, 2) - made(1, 3)).abs().max() > 1e-4
    assert (made(1, 2) - made(2, 1)).abs().max() > 1e-4, "their order counts"


def test_a_patch_knows_where_it_is(network):
    """Without positions a picture whose patches all are alike would give patches that all are alike."""
    made = network(torch.zeros(1, 1, 8, 8), torch.full((1,), 0.5), ports(1))
    patches = F.unfold(made, 2, stride=2)[0].T
    assert torch.pdist(patches).min() > 1e-4
    places = grid_positions(3, 5, 24)
    assert places.shape == (15, 24) and torch.pdist(places).min() > 0.01


def test_attention_is_the_same_written_out():
    rng = torch.Generator().manual_seed(0)
    query, key, value = torch.randn(2, 6, 12, generator=rng), *torch.randn(2, 2, 4, 12, generator=rng)
    mask = torch.tensor([[True, False, True, True], [True, True, True, False]])
    for there in (None, mask):
        one, other = (attend(query, key, value, 3, there, written_out) for written_out in (True, False))
        assert torch.allclose(one, other, atol=1e-6)


def test_it_has_forward_derivatives(network):
    """As MeanFlow needs them: the slope along a direction, as backward derivatives give it too."""
    network.train()
    rng = torch.Generator().manual_seed(2)
    x, v, weight = torch.randn(3, 2, 1, 8, 8, generator=rng)
    given, t, span = ports(), torch.full((2,), 0.4), torch.full((2,), 0.3)
    along = (v, torch.full((2,), 1e-3), torch.full((2,), -1e-3))
    _, slope = torch.func.jvp(lambda x, t, span: network(x, t, given, span), (x, t, span), along)
    inputs = [one.clone().requires_grad_(True) for one in (x, t, span)]
    back = torch.autograd.grad((network(inputs[0], inputs[1], given, inputs[2]) * weight).sum(), inputs)
    wanted = sum(float((one * other).sum()) for one, other in zip(back, along, strict=True))
    assert float((slope * weight).sum().detach()) == pytest.approx(wanted, rel=1e-3)
