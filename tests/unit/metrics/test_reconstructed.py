"""The codec's measure: what comes back whole costs nothing, what is lost counts, and codes are counted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gesso.errors import GessoError
from gesso.metrics.colour import CAP
from gesso.metrics.reconstructed import measure_codec


class Held:
    name = "held"

    def __len__(self) -> int:
        return 5

    def item(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        return {"picture": np.random.default_rng(index).integers(0, 256, (8, 8, 3)).astype(np.uint8)}


class Keeps(torch.nn.Module):
    factor = 4

    def __init__(self, shift: float, num: int = 0) -> None:
        super().__init__()
        self.shift, self.bottleneck = shift, SimpleNamespace(codes=torch.zeros(num, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, SimpleNamespace]:
        ids = torch.arange(4).view(1, 2, 2).expand(len(x), 2, 2) if len(self.bottleneck.codes) else None
        return x + self.shift, SimpleNamespace(ids=ids)


def test_what_comes_back_whole_is_at_the_cap_and_loss_is_seen():
    whole = measure_codec(Keeps(0.0), Held(), {})
    assert whole["psnr"] == CAP and whole["low"] == whole["high"] == CAP and whole["n"] == 5
    lost = measure_codec(Keeps(0.1), Held(), {"limit": 3})
    assert 20 < lost["psnr"] < 30 and lost["low"] < lost["psnr"] < lost["high"] and lost["n"] == 3
    assert lost["smaller and large again"] < lost["psnr"] and "codes" not in lost


def test_codes_are_counted():
    assert measure_codec(Keeps(0.0, 16), Held(), {})["codes"] == {"used": 4, "of": 16, "perplexity": pytest.approx(4.0)}


@pytest.mark.parametrize("limit", [0, -1, "many", 1.5])
def test_a_wrong_limit_is_refused(limit: object):
    with pytest.raises(GessoError, match="limit"):
        measure_codec(Keeps(0.0), Held(), {"limit": limit})
