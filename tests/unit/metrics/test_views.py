"""PSNR of views."""

from types import SimpleNamespace

import numpy as np
import pytest

from gesso.errors import GessoError
from gesso.metrics.views import measure_views, psnr


def test_psnr_is_its_definition():
    one = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(one, one) == 100
    assert psnr(one, one + np.uint8(10)) == pytest.approx(10 * np.log10(255**2 / 100))
    with pytest.raises(GessoError, match="compared"):
        psnr(one, one[:2])
    with pytest.raises(GessoError, match="compared"):
        psnr(one.astype(float), one)


def test_photographs_are_compared_on_white():
    clear = np.zeros((4, 4, 4), np.uint8)
    views = [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    made = {"a": np.full((4, 4, 3), 255, np.uint8), "b": np.full((4, 4, 3), 245, np.uint8)}
    report = measure_views(lambda view: made[view.name], views, [clear, clear], aim=28.0)
    assert report["each view"][0] == {"view": "a", "psnr": 100} and report["lowest"] == report["each view"][1]["psnr"]
    assert report["num_views"] == 2 and report["met"]
    with pytest.raises(GessoError, match="held"):
        measure_views(lambda view: made["a"], [], [], aim=1)
