"""Weights files with their card: saved states round-trip, and mismatched states are refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from gesso.errors import GessoError
from gesso.weights.store import load_into, read_weights, save_weights, shipped

CARD = {"recipe": "toy", "preset": "small", "figures": {"dB": 21.5}, "licence": "CC0-1.0", "title": "선화"}


def net(inside: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(inside, 4), nn.BatchNorm1d(4))


def test_states_and_card_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    network = net()
    sha = save_weights(path, {"net": network.state_dict(), "other": {"w": torch.arange(3)}}, CARD)
    read = read_weights(path, recipe="toy")
    assert read.card == CARD
    assert read.sha256 == sha == hashlib.sha256(path.read_bytes()).hexdigest()
    assert set(read.states) == {"net", "other"}
    assert read.states["net"]["0.weight"].dtype == torch.float16
    assert read.states["net"]["1.num_batches_tracked"].dtype == torch.int64
    again = net()
    load_into(again, read.states["net"], where=path)
    assert again[0].weight.dtype == torch.float32
    assert torch.equal(again[0].weight, network[0].weight.half().float())
    assert list(tmp_path.iterdir()) == [path]


def test_full_precision_is_exact_and_deterministic(tmp_path: Path) -> None:
    network = net()
    shas = [save_weights(tmp_path / name, {"net": network.state_dict()}, CARD, half=False) for name in ("a", "b")]
    assert shas[0] == shas[1]
    assert all(torch.equal(v, network.state_dict()[n]) for n, v in read_weights(tmp_path / "a").states["net"].items())


def test_values_beyond_half_precision_stay_single(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"net": {"big": torch.tensor([1e6]), "small": torch.tensor([1.0])}}, CARD)
    state = read_weights(tmp_path / "w").states["net"]
    assert state["big"].dtype == torch.float32 and state["big"].item() == 1e6
    assert state["small"].dtype == torch.float16


def test_tied_and_strided_and_boolean_tensors_are_saved(tmp_path: Path) -> None:
    w = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    state = {"a": w, "b": w, "t": torch.randn(2, 3).t(), "m": torch.tensor([True, False]), "d": torch.ones(2, dtype=torch.float64)}
    save_weights(tmp_path / "w", {"net": state}, CARD, half=False)
    read = read_weights(tmp_path / "w").states["net"]
    assert torch.equal(read["a"], w) and torch.equal(read["b"], w) and torch.equal(read["t"], state["t"])
    assert read["m"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("states", "card", "reason"),
    [
        ({"net": {"w": torch.tensor([float("nan")])}}, CARD, "NaN"),
        ({"net": {"../w": torch.ones(1)}}, CARD, "path"),
        ({}, CARD, "no weights"),
        ({"net": {"w": torch.ones(1)}}, {"path": Path("x")}, "not plain JSON"),
        ({"net": {"w": torch.ones(1)}}, {"dB": float("nan")}, "not plain JSON"),
        ({"net": {"w": torch.ones(1)}}, {"text": "x" * 2**21}, "larger"),
    ],
)
def test_weights_that_could_not_be_read_are_not_written(states: dict, card: dict, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(path, {"net": {"w": torch.ones(1)}}, CARD)
    before = path.read_bytes()
    with pytest.raises(GessoError, match=reason):
        save_weights(path, states, card)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_weights_of_another_recipe_are_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"net": {"w": torch.ones(1)}}, CARD)
    with pytest.raises(GessoError, match=r"weights of 'toy', not of 'colorize'"):
        read_weights(tmp_path / "w", recipe="colorize")


def test_a_mismatched_state_is_listed_and_changes_nothing() -> None:
    network = net()
    before = {n: v.clone() for n, v in network.state_dict().items()}
    state = net(5).state_dict() | {"more": torch.ones(1)}
    del state["1.bias"]
    with pytest.raises(GessoError) as refused:
        load_into(network, state, where="w.safetensors: net")
    text = str(refused.value)
    assert "missing: 1.bias" in text and "unexpected: more" in text and "0.weight [4, 5] for [4, 3]" in text
    assert all(torch.equal(v, before[n]) for n, v in network.state_dict().items())


def test_shipped_accepts_only_recipe_names() -> None:
    assert shipped("no_such_recipe") is None
    for name in ("../store", "a/b", "", "A", "a.b", "/etc/passwd"):
        assert shipped(name) is None
    for preset in ("../store", "a/b", "A", "."):
        assert shipped("upscale", preset) is None
    assert shipped("upscale", "no_such_preset") == shipped("upscale") is not None
