"""The U-Net's output depends on its picture, its time and its ports."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.unet import PixelNorm, UNet, sinusoids
from gesso.ports import Ports, PortSizes


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """The network with no layer at zero, so that everything reaches the output."""
    with torch.no_grad():
        for p in network.parameters():
            if not p.any():
                p.normal_(0, 0.1)
    return network


@pytest.fixture
def network() -> UNet:
    torch.manual_seed(0)
    return awake(UNet(1, PortSizes(vector=3, spatial=2), widths=(8, 16, 16), embedding=16))


def ports(num: int = 2, size: int = 12) -> Ports:
    return Ports(vector=torch.zeros(num, 3), spatial=torch.zeros(num, 2, size, size))


@pytest.mark.parametrize("size", [(12, 12), (28, 28), (8, 20)])
def test_the_output_has_the_shape_of_the_input(network, size):
    given = Ports(vector=torch.zeros(2, 3), spatial=torch.zeros(2, 2, *size))
    assert network(torch.randn(2, 1, *size), torch.rand(2), given).shape == (2, 1, *size)


def test_patches_are_folded_into_channels_and_unfolded():
    torch.manual_seed(0)
    patched = awake(UNet(1, PortSizes(vector=3, spatial=2), widths=(8, 16), depths=(1, 1), embedding=16, patch=2))
    x, t = torch.zeros(1, 1, 12, 12), torch.full((1,), 0.5)
    one = Ports(vector=torch.zeros(1, 3), spatial=torch.zeros(1, 2, 12, 12))
    before = patched(x, t, one)
    assert before.shape == x.shape and patched.enter.in_channels == 12
    moved = one.spatial.clone()
    moved[0, 1, 7, 3] = 1
    change = (patched(x, t, Ports(vector=one.vector, spatial=moved)) - before).abs()[0, 0]
    assert change[4:10, 0:6].sum() > change[0:3, 8:].sum(), "the spatial port acts where it is"


def test_odd_sizes_are_accepted(network):
    given = Ports(vector=torch.zeros(1, 3), spatial=torch.zeros(1, 2, 13, 11))
    assert network(torch.randn(1, 1, 13, 11), torch.rand(1), given).shape == (1, 1, 13, 11)


def test_the_initial_output_is_zero():
    fresh = UNet(1, PortSizes(vector=3, spatial=2), widths=(8, 16), depths=(1, 1), embedding=16)
    last = fresh.leave[-1]
    out = fresh(torch.randn(2, 1, 12, 12), torch.rand(2), ports())
    assert torch.allclose(out, last.bias.expand_as(out.movedim(1, -1)).movedim(-1, 1))


@pytest.mark.parametrize("change", ["picture", "time", "vector", "spatial"])
def test_every_input_affects_the_output(network, change):
    x, t, given = torch.zeros(2, 1, 12, 12), torch.full((2,), 0.3), ports()
    before = network(x, t, given)
    if change == "picture":
        x = x + 0.5
    elif change == "time":
        t = t + 0.1
    elif change == "vector":
        given = Ports(vector=given.vector + 1, spatial=given.spatial)
    else:
        given = Ports(vector=given.vector, spatial=given.spatial + 1)
    assert (network(x, t, given) - before).abs().max() > 1e-4


def test_items_of_a_batch_are_independent(network):
    x, t = torch.randn(3, 1, 12, 12), torch.rand(3)
    together = network(x, t, ports(3))
    alone = torch.cat([network(x[i : i + 1], t[i : i + 1], ports(1)) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_a_missing_or_mismatched_port_is_refused(network):
    x, t = torch.zeros(2, 1, 12, 12), torch.zeros(2)
    with pytest.raises(ValueError, match="vector port 3 wide, not None"):
        network(x, t, Ports(spatial=ports().spatial))
    with pytest.raises(ValueError, match="spatial port 2 wide, not 1"):
        network(x, t, Ports(vector=ports().vector, spatial=torch.zeros(2, 1, 12, 12)))


def test_a_network_without_ports_needs_none():
    plain = UNet(3, PortSizes(), widths=(8, 8), depths=(1, 1), embedding=8)
    assert plain(torch.zeros(1, 3, 8, 8), torch.zeros(1), Ports()).shape == (1, 3, 8, 8)


def test_every_parameter_gets_a_gradient(network):
    network(torch.randn(2, 1, 12, 12), torch.rand(2), Ports(torch.randn(2, 3), torch.randn(2, 2, 12, 12))).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_different_times_have_different_encodings():
    embedded = sinusoids(torch.linspace(0, 1, 101), 32)
    assert torch.cdist(embedded, embedded).fill_diagonal_(9).min() > 0.05


def test_pixel_norm_is_local_to_a_pixel():
    norm, x = PixelNorm(8), torch.randn(1, 8, 4, 4)
    other = x.clone()
    other[..., 2, 2] += 5
    changed = (norm(other) - norm(x)).abs().amax(1)[0] > 1e-6
    assert changed.sum() <= 1
    assert torch.allclose(norm(x).mean(1), torch.zeros(1, 4, 4), atol=1e-5)


def test_a_span_enters_from_zero_on():
    """A network with spans begins as one without, and its output depends on the span once that layer has learned."""
    torch.manual_seed(0)
    network = UNet(1, PortSizes(), widths=(8, 16), depths=(1, 1), embedding=16, spans=True)
    torch.nn.init.normal_(network.leave[-1].weight)
    x, t = torch.randn(2, 1, 8, 8), torch.rand(2)
    assert torch.equal(network(x, t, Ports(), torch.ones(2)), network(x, t, Ports()))
    awake(network)
    assert torch.equal(network(x, t, Ports(), torch.zeros(2)), network(x, t, Ports()))
    assert not torch.allclose(network(x, t, Ports(), torch.ones(2)), network(x, t, Ports()))
