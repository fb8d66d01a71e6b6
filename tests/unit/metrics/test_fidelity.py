"""PSNR by the published protocol."""

from __future__ import annotations

import numpy as np
import pytest

from gesso.metrics.fidelity import cropped, luma_psnr, measure_published, psnr
from gesso.networks.fsrcnn import FSRCNN


def test_one_level_everywhere_is_48_decibels():
    real = np.full((20, 20), 100, np.uint8)
    assert psnr(real + 1, real) == pytest.approx(48.1308, abs=1e-3)
    assert psnr(real, real) == float("inf")
    with pytest.raises(ValueError):
        psnr(real, real[1:])


def test_the_border_and_fractions_of_a_level_do_not_count():
    real = np.full((20, 20), 100.0)
    made = real + 0.4
    made[:2], made[:, -2:] = 0, 255
    assert luma_psnr(made, real, 2) == float("inf")
    assert luma_psnr(made, real, 1) < 20


def test_pictures_are_cropped_to_a_multiple():
    assert cropped(np.zeros((10, 11, 3)), 4).shape == (8, 8, 3)


def test_the_report_has_bicubic_and_the_aim_beside():
    figures = measure_published(FSRCNN(8, 4, 1), None, {2: 37.0})
    assert set(figures["psnr"]) == {"x2", "x3", "x4"} and figures["psnr"]["x2"]["aim"] == 37.0
    assert abs(figures["psnr"]["x2"]["made"] - figures["psnr"]["x2"]["bicubic"]) < 3, "an untrained network adds little to bicubic"
    assert figures["x4 by picture"]["made up 0"]["bicubic"] > 10
