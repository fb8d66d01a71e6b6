"""How near translations come to the truth, beside copying and a rival that saw pairs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gesso.metrics.translated import measure_pairs


class Held:
    name = "made up"

    def __len__(self) -> int:
        return 3

    def item(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        return {"picture": np.full((8, 8, 3), 100, np.uint8), "target": np.full((8, 8, 3), 200, np.uint8)}


def model(colour: int) -> Any:
    made = np.full((8, 8, 3), colour, np.uint8)
    return SimpleNamespace(generate=lambda picture, seed: SimpleNamespace(outputs={"image": made}))


def test_the_share_of_the_way_from_copying_to_the_rival():
    found = measure_pairs(model(175), Held(), {}, rival=model(195))
    assert found["the input itself"]["l1"] == 100 and found["translated"]["l1"] == 25 and found["from pairs"]["l1"] == 5
    copied, mine, other = (found[name]["psnr"] for name in ("the input itself", "translated", "from pairs"))
    assert found["share of the way"] == pytest.approx((mine - copied) / (other - copied)) and 0 < found["share of the way"] < 1


def test_a_perfect_picture_counts_as_forty_decibels_and_limit_counts():
    found = measure_pairs(model(200), Held(), {"limit": 2})
    assert found["translated"]["psnr"] == 40 and found["n"] == 2 and "from pairs" not in found
