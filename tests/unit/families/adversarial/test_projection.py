"""A picture is found again in the latent space it comes from, and its place generates it, moves with handles, and fits one model only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gesso
from gesso.conditions.latent_place import LatentPlace
from gesso.conditions.picture import Picture
from gesso.errors import GessoError
from gesso.families.adversarial.projection import difference
from gesso.ports import Ports
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model
from gesso.weights.store import save_weights


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(3)
    made = assemble("stylegan2", preset="tiny", untrained=True)
    mapping = made.networks["mapping"]
    with torch.no_grad():
        mapping.mean.copy_(mapping(torch.randn(200, 16), Ports()).mean(0))
        for layer in made.networks["synthesis"].leave:
            layer.weight.mul_(0.15)  # no colour is cut off, as in a trained generator
    return Model(made)


def test_the_difference_sees_coarse_and_fine_ones():
    torch.manual_seed(0)
    one = torch.rand(2, 3, 16, 16)
    assert (difference(one, one) == 0).all()
    fine, coarse = torch.rand(2, 3, 16, 16).sub(0.5).mul(0.2), torch.full((2, 3, 16, 16), 0.0577)
    assert fine.std() == pytest.approx(0.0577, abs=0.002), "equal pixel errors"
    assert (difference(one + coarse, one) > 2 * difference(one + fine, one)).all()


def test_a_generated_picture_is_found_again(tmp_path: Path, model: Model):
    made = model.generate(seed=8).outputs["image"]
    weights = tmp_path / "w.safetensors"
    states = {role: model.networks[role].state_dict() for role in ("mapping", "synthesis")}
    save_weights(weights, states, {"recipe": "stylegan2", "preset": "tiny", "seed": 0, "commit": "", "licence": "", "figures": {}})
    done = gesso.fit("stylegan2", conditions={"picture": made}, settings={"num_steps": 150}, weights=weights, out=tmp_path / "found")
    first, last = done.objective[0]["distance"], done.objective[-1]["distance"]
    assert last < first / 20, "the search comes near"
    found = done.result.outputs["image"]

    def apart(picture: np.ndarray) -> float:
        return float(np.square(picture.astype(float) - made).mean())

    assert apart(found) < 0.2 * min(apart(model.generate(seed=seed).outputs["image"]) for seed in range(100, 140)), "no guess is as near"
    own = gesso.load("stylegan2", weights=weights)
    again = own.generate(place=str(done.out / "request.json"))
    assert np.array_equal(again.outputs["image"], found), "the place generates what was found"
    other = own.generate(place=str(done.out / "request.json"), handles="3")
    assert not np.array_equal(other.outputs["image"], found)


def test_a_place_of_another_model_is_refused(model: Model):
    with pytest.raises(GessoError, match="of another model"):
        model.generate(place=LatentPlace.of(np.zeros((3, 5), np.float32)))


def test_the_picture_is_for_a_fit_only(model: Model):
    with pytest.raises(GessoError):
        model.generate(picture=Picture(pixels=np.zeros((8, 8, 3), np.uint8)))
