"""The pointer network: a share for every colour, hints copied exactly, any size."""

import pytest
import torch

from gesso.networks.pointer_unet import PointerUNet
from gesso.ports import Ports, PortSizes, Tokens

PALETTE = torch.tensor([[255, 255, 255], [255, 0, 0], [0, 0, 255]])


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PointerUNet(PortSizes(spatial=6, token=3), PALETTE, widths=(16, 16, 16), depth=(1, 1, 1)).eval()


def ports(h, w, num=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    places = (torch.rand(1, num, h, w, generator=rng) > 0.9).float()
    return Ports(
        spatial=torch.randn(1, 6, h, w, generator=rng),
        tokens=Tokens(torch.rand(1, num, 3, generator=rng), torch.ones(1, num, dtype=torch.bool), places),
    )


@pytest.mark.parametrize("size", [(72, 72), (8, 8), (50, 33), (9, 64)])
def test_any_size_gives_a_share_for_each_palette_colour_and_token(network, size):
    field = network(ports(*size))
    assert field.logits.shape == (1, 5, *size) and field.colours.shape == (1, 5, 3)
    assert field.mean().abs().max() <= 1


@pytest.mark.parametrize("size", [(16, 24), (9, 13)])
def test_one_pixel_in_four_is_the_same_pixel(network, size):
    field = network(ports(*size))
    for dy, dx in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        assert torch.allclose(field.thin(dy, dx), field.logits[:, :, dy::2, dx::2], atol=1e-5)


def test_a_masked_token_gets_nothing(network):
    given = ports(24, 24)
    given.tokens.mask[0, 1] = False
    share = torch.softmax(network(given).logits, 1)
    assert share[0, 4].max() < 1e-6 < share[0, 3].max()


def test_tokens_may_come_in_any_order(network):
    given = ports(24, 24, num=3)
    turned = Ports(spatial=given.spatial, tokens=Tokens(given.tokens.values.flip(1), given.tokens.mask, given.tokens.places.flip(1)))
    assert torch.allclose(network(given).logits[:, 3:], network(turned).logits[:, 3:].flip(1), atol=1e-5)


def test_the_colour_of_a_token_moves_no_logit(network):
    """Pointing looks at where hints are; what they look like comes only through the maps."""
    given = ports(24, 24)
    other = Ports(spatial=given.spatial, tokens=Tokens(1 - given.tokens.values, given.tokens.mask, given.tokens.places))
    assert torch.equal(network(given).logits, network(other).logits)


def test_without_tokens_the_palette_is_all(network):
    assert network(Ports(spatial=torch.zeros(2, 6, 16, 16))).logits.shape == (2, 3, 16, 16)


def test_it_learns_to_copy_a_hint_it_never_saw(network):
    """Two halves, each with one dot: after some steps each half takes its own dot's colour, also for new colours."""
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    half = torch.zeros(1, 2, 16, 16)
    half[:, 0, :, :8], half[:, 1, :, 8:] = 1, 1

    def example(seed):
        rng = torch.Generator().manual_seed(seed)
        colours = torch.rand(1, 2, 3, generator=rng) * 2 - 1
        places = torch.zeros(1, 2, 16, 16)
        places[0, 0, 8, 3], places[0, 1, 8, 12] = 1, 1
        spatial = torch.zeros(1, 6, 16, 16)
        spatial[:, 0, :, 7:9] = 1
        spatial[0, 2:5] = (places[0, :, None] * colours[0, :, :, None, None]).sum(0)
        return Ports(spatial=spatial, tokens=Tokens(colours, torch.ones(1, 2, dtype=torch.bool), places)), colours

    for step in range(60):
        given, _ = example(step)
        share = torch.log_softmax(network(given).logits, 1)[:, 3:]
        loss = -(share * half).sum() / half.sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    given, colours = example(1000)
    mean = network.eval()(given).mean()
    assert (mean[0, :, :, :6].mean((1, 2)) - colours[0, 0]).abs().max() < 0.15
    assert (mean[0, :, :, 10:].mean((1, 2)) - colours[0, 1]).abs().max() < 0.15
