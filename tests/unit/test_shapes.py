"""Shapes are names with a meaning: each accepts what it says and refuses the rest."""

import pytest
import torch

from gesso import shapes

RIGHT = {
    "Images": torch.zeros(2, 3, 4, 5),
    "Maps": torch.zeros(2, 7, 4, 5),
    "Samples": torch.zeros(2, 3, 4),
    "Masks": torch.zeros(2, 1, 4, 5),
    "Vectors": torch.zeros(2, 6),
    "TokenValues": torch.zeros(2, 3, 6),
    "TokenMask": torch.zeros(2, 3, dtype=torch.bool),
    "TokenPlaces": torch.zeros(2, 3, 4, 5),
    "Labels": torch.zeros(2, dtype=torch.int64),
    "LabelMaps": torch.zeros(2, 4, 5, dtype=torch.int64),
    "Times": torch.zeros(2),
}
WRONG = {
    "Images": torch.zeros(3, 4, 5),
    "Maps": torch.zeros(2, 7, 4, 5, dtype=torch.int64),
    "Samples": torch.zeros(2, 3, dtype=torch.int64),
    "Masks": torch.zeros(2, 3, 4, 5),
    "Vectors": torch.zeros(2),
    "TokenValues": torch.zeros(2, 6),
    "TokenMask": torch.zeros(2, 3),
    "TokenPlaces": torch.zeros(2, 3, 4),
    "Labels": torch.zeros(2),
    "LabelMaps": torch.zeros(2, 4, 5),
    "Times": torch.zeros(2, 1),
}


def test_every_name_is_tried_here():
    assert set(shapes.__all__) == set(RIGHT) == set(WRONG)


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_accepts_what_it_says(name):
    assert isinstance(RIGHT[name], getattr(shapes, name))


@pytest.mark.parametrize("name", sorted(WRONG))
def test_refuses_the_rest(name):
    assert not isinstance(WRONG[name], getattr(shapes, name))
