"""A correspondence finds parts, carries their colours over, and keeps to the exemplar's inside."""

from __future__ import annotations

import pytest
import torch

from gesso.networks.correspondence import Correspondence


def colours(h: int, w: int) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(1, 3, h, w) * 2 - 1


@pytest.mark.parametrize("size", [(32, 32), (48, 32)])
def test_shapes_and_shares(size):
    torch.manual_seed(0)
    match = Correspondence(8, 8)(colours(*size), colours(*size), torch.ones(1, 1, *size))
    h, w = size[0] // 4, size[1] // 4
    assert match.logits.shape == (1, h * w, h * w) and match.colours.shape == (1, 3, h, w) and match.places.shape == (1, 2, h, w)
    assert torch.allclose(match.features.norm(dim=1), torch.ones(1, h, w), atol=1e-4) and match.sure.max() <= 1


def test_parts_of_equal_features_carry_their_colours_over():
    torch.manual_seed(0)
    network, picture = Correspondence(8, 16), colours(32, 32)
    network.coloured.load_state_dict(network.drawing.state_dict())
    match = network(picture, picture, torch.ones(1, 1, 32, 32))
    at = (torch.arange(8) + 0.5) / 4 - 1
    assert torch.allclose(match.places[0, 0], at.expand(8, 8)) and torch.allclose(match.places[0, 1], at[:, None].expand(8, 8))


def test_nothing_is_taken_from_outside_the_exemplar():
    torch.manual_seed(0)
    there = torch.zeros(1, 1, 32, 32)
    there[..., :16, :12] = 1
    match = Correspondence(8, 8)(colours(32, 32), colours(32, 32), there)
    assert match.places[:, 0].max() < 2 * 12 / 32 - 1 and match.places[:, 1].max() < 0


def test_large_pictures_are_made_smaller_for_the_choice():
    match = Correspondence(8, 8, limit=32)(colours(200, 100), colours(200, 100), torch.ones(1, 1, 200, 100))
    assert match.features.shape[-2:] == (8, 4)
