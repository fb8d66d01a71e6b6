"""The measure of feed-forward style transfer: what L-BFGS reaches, what the network reaches, and their ratio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from gesso.metrics.restyled import measure_restyled
from gesso.verbs.assemble import assemble
from gesso.verbs.load import Model
from gesso.verbs.measure import Make


def test_a_ratio_is_given_for_each_number_of_passes(tmp_path: Path) -> None:
    for name in ("content", "style"):
        (tmp_path / name).mkdir()
        noise = np.random.default_rng(len(name)).integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(noise).resize((48, 36)).save(tmp_path / name / "one.png")
    model = Model(assemble("fast_style", preset="tiny", untrained=True))
    figures = measure_restyled(Make(model), tmp_path, {"size": 32, "iterations": 2, "passes": (1, 2), "pairs": 1})
    row = figures["objective"]["one × one"]
    assert figures["pairs"] == 1 and row["ratio 2"] == row["passes 2"] / row["optimised"]
    assert figures["ratio at passes 1"] == row["ratio 1"] > 0
