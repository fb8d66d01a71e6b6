"""photo_colorize: points win, the lightness stays, other colours are suggested, and its measures print what they promise."""

import numpy as np
import pytest

import gesso
from gesso.errors import GessoError
from gesso.media.lab import lab_planes


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("photo") / "run"
    gesso.train("photo_colorize", preset="tiny", steps=2, out=place)
    return place


@pytest.fixture(scope="module")
def model(run):
    return gesso.load("photo_colorize", weights=run)


@pytest.fixture(scope="module")
def photo():
    y, x = np.mgrid[:50, :70]
    return np.repeat((60 + y + x)[..., None], 3, 2).astype(np.uint8)


def test_a_point_wins_and_the_lightness_stays(model, photo):
    hint = gesso.Hint(35, 25, "#b04020", radius=2)
    made = model.generate(photo=photo, hints=[hint], seed=1)
    image, plain = made.outputs["image"], model.generate(photo=photo, seed=1).outputs["image"]
    assert image.shape == photo.shape
    lab = lab_planes(image)
    wanted = lab_planes(np.array([[[0xB0, 0x40, 0x20]]], np.uint8))[1:, 0, 0]
    assert np.abs(lab[1:, 25, 35] - wanted).max() < 1.5
    assert np.abs(lab[0] - lab_planes(photo)[0]).max() < 1.0
    assert (image != plain).any()
    (suggested,) = made.outputs["suggested"]
    assert len(suggested) == 5 and all(one.startswith("#") for one in suggested)


def test_colours_of_the_photograph_are_ignored(model, photo):
    tinted = photo.copy()
    tinted[..., 0] = np.clip(tinted[..., 0].astype(int) + 60, 0, 255)
    lab = lab_planes(tinted)
    lab[1:] = 0
    assert not np.array_equal(model.generate(photo=tinted).outputs["image"], tinted)


@pytest.mark.parametrize("size", [(8, 300), (256, 9)])
def test_odd_sizes_are_coloured(model, size):
    made = model.generate(photo=np.full((*size, 3), 90, np.uint8), size=64)
    assert made.outputs["image"].shape == (*size, 3)


def test_a_point_beyond_the_page_is_refused(model, photo):
    with pytest.raises(GessoError, match="outside the page"):
        model.generate(photo=photo, hints=[gesso.Hint(500, 2, "red")])


def test_its_measures_print_a_curve_and_rare_colours(run):
    figures = gesso.measure("photo_colorize", weights=run, limit=2, side=48, points="0,5", which="curve")["figures"]
    assert set(figures["psnr"]) == {"coloured", "without the rule after it", "rule alone", "grey and points"}
    assert figures["psnr"]["rule alone"]["5"] > figures["psnr"]["rule alone"]["0"]
    rare = gesso.measure("photo_colorize", weights=run, limit=2, side=48, which="rare", rival=str(run))["figures"]
    assert set(rare["colours"]) == {"coloured", "grey", "rival"}
    with pytest.raises(GessoError, match="numbers of points"):
        gesso.measure("photo_colorize", weights=run, limit=1, side=48, points="many", which="curve")
