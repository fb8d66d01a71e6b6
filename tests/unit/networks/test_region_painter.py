"""RegionPainter: a share for every colour, tokens copied exactly, any size, and cached features that do not depend on hints."""

import copy

import pytest
import torch

from gesso.networks.region_painter import RegionPainter
from gesso.ports import Ports, PortSizes, Tokens

PALETTE = torch.tensor([[255, 255, 255], [255, 0, 0], [0, 0, 255]])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return RegionPainter(PortSizes(spatial=2, token=3), PALETTE, widths=(16, 16, 16), depth=(1, 1, 1), wide=32, layers=2).eval()


def ports(h, w, num=2, regions=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    stripes = (torch.arange(w) * regions // w).expand(1, 1, h, w).contiguous()
    places = torch.zeros(1, num, h, w)
    for n in range(num):
        places[0, n, h // 2, (2 * n + 1) * w // (2 * num)] = 1
    return Ports(
        spatial=torch.randn(1, 2, h, w, generator=rng),
        tokens=Tokens(torch.rand(1, num, 3, generator=rng), torch.ones(1, num, dtype=torch.bool), places),
        regions=stripes,
    )


@pytest.mark.parametrize("size", [(72, 72), (8, 8), (50, 33), (9, 64)])
def test_any_size_gives_a_share_for_each_palette_colour_and_token(network, size):
    field = network(ports(*size))
    assert field.share.shape == (1, 4, 5) and field.colours.shape == (1, 5, 3)
    assert torch.allclose(field.share.sum(2), torch.ones(1, 4))
    assert field.mean().shape == (1, 3, *size) and field.mean().abs().max() <= 1


def test_all_pixels_of_a_region_have_one_colour(network):
    field = network(ports(24, 24))
    at_pixels = field.at_pixels(field.share)
    assert (at_pixels[0, :, :, :6] == at_pixels[0, :, :1, :1]).all()


def test_a_masked_token_gets_no_share(network):
    given = ports(24, 24)
    given.tokens.mask[0, 1] = False
    share = network(given).share
    assert share[0, :, 4].max() < 1e-6 < share[0, :, 3].max()


def test_a_token_outside_the_window_gets_no_share(network):
    given = ports(24, 24)
    given.tokens.places[0, 1] = 0
    assert network(given).share[0, :, 4].max() < 1e-6


def test_tokens_may_come_in_any_order(network):
    given = ports(24, 24, num=3)
    turned = Ports(
        spatial=given.spatial,
        tokens=Tokens(given.tokens.values.flip(1), given.tokens.mask, given.tokens.places.flip(1)),
        regions=given.regions,
    )
    assert torch.allclose(network(given).scores[:, :, 3:], network(turned).scores[:, :, 3:].flip(2), atol=1e-4)


def test_regions_may_be_numbered_in_any_order(network):
    given = ports(24, 24)
    other = Ports(spatial=given.spatial, tokens=given.tokens, regions=3 - given.regions)
    assert torch.allclose(network(given).scores, network(other).scores.flip(1), atol=1e-4)


def test_padding_with_empty_regions_changes_nothing(network):
    one, other = ports(24, 24), ports(24, 24, regions=6, seed=1)
    both = Ports(
        spatial=torch.cat([one.spatial, other.spatial]),
        tokens=Tokens(
            *(torch.cat(pair) for pair in zip(*((t.tokens.values, t.tokens.mask, t.tokens.places) for t in (one, other)), strict=True))
        ),
        regions=torch.cat([one.regions, other.regions]),
    )
    assert torch.allclose(network(both).scores[0, :4], network(one).scores[0], atol=1e-4)


def test_without_tokens_only_the_palette_gets_shares(network):
    given = ports(16, 16)
    assert network(Ports(spatial=given.spatial, regions=given.regions)).scores.shape == (1, 4, 3)


def test_it_learns_to_copy_an_unseen_hint(network):
    """Two halves, each with one dot: after some steps each half takes its own dot's colour, also for new colours."""
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)

    def example(seed):
        given = ports(16, 16, regions=2, seed=seed)
        return Ports(spatial=torch.zeros(1, 2, 16, 16), tokens=given.tokens, regions=given.regions)

    for step in range(80):
        share = torch.log_softmax(network(example(step)).scores, 2)[0, :, 3:]
        loss = -share.diagonal().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    given = example(1000)
    mean = network.eval()(given).mean()
    for half, token in ((mean[0, :, :, 0], 0), (mean[0, :, :, 15], 1)):
        assert (half.mean(1) - given.tokens.values[0, token]).abs().max() < 0.15


def test_a_drawing_is_encoded_once_while_hints_change(network, monkeypatch):
    calls = []
    image_features = network.image_features
    monkeypatch.setattr(network, "image_features", lambda spatial: calls.append(1) or image_features(spatial))
    with torch.inference_mode():
        one = network(ports(24, 24))
        again = network(Ports(spatial=ports(24, 24).spatial, tokens=ports(24, 24, num=3).tokens, regions=ports(24, 24).regions))
        assert len(calls) == 1 and not torch.equal(one.scores[..., :3], again.scores[..., :3])
        network(ports(24, 24, seed=1))
        assert len(calls) == 2
    fresh = copy.deepcopy(network)
    with torch.inference_mode():
        assert torch.equal(fresh(ports(24, 24)).scores, one.scores), "cached or not, the bits are the same"


def test_cached_features_are_dropped_when_the_network_changes(network):
    with torch.no_grad():
        before = network(ports(24, 24)).scores.clone()
        network.stem.weight.mul_(2)
        assert not torch.equal(network(ports(24, 24)).scores, before)
