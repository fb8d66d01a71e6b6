"""Number type and memory format are chosen by what the machine supports."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gesso.training import device
from gesso.training.device import choose, use_threads


@pytest.fixture(autouse=True)
def _no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize("feature", ["", "AMX"])
def test_bf16_and_channels_last_where_the_cpu_multiplies_bf16(feature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_bf16_feature", lambda: feature)
    chosen = choose()
    assert chosen.autocast == (torch.bfloat16 if feature else None) and chosen.channels_last == bool(feature)
    network = chosen.place(nn.Conv2d(4, 4, 3))
    assert network.weight.is_contiguous(memory_format=torch.channels_last) == bool(feature)
    with chosen.computing():
        made = network(torch.zeros(1, 4, 5, 5))
    assert made.dtype == (torch.bfloat16 if feature else torch.float32)
    assert feature in chosen.reason


def test_cpu_features_unknown_to_this_torch_count_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert choose().autocast is None


def test_the_number_of_threads_is_set() -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(1) == 1 and torch.get_num_threads() == 1
        assert use_threads(None) >= 1
    finally:
        torch.set_num_threads(before)
