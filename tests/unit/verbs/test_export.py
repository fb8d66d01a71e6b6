"""Networks as ONNX files: they run elsewhere on other batches and sizes with our outputs, and nothing is kept where they would not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gesso import load
from gesso.cli import main
from gesso.errors import GessoError
from gesso.ports import Ports
from gesso.verbs.export import export
from gesso.verbs.train import train

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra gesso[export] is not installed")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("runs")
    for name in ("gan", "pix2pix"):
        train(name, out=place / name, preset="tiny", steps=1, threads=1, quiet=True, sample_every=0)
    return {name: place / name for name in ("gan", "pix2pix")}


def run(file: Path, **tensors: Any) -> np.ndarray:
    made: np.ndarray = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, tensors)[0]
    return made


def test_a_generator_runs_elsewhere_for_any_batch(weights: dict[str, Path], tmp_path: Path):
    (one,) = export("gan", out=tmp_path / "gan", weights=weights["gan"])
    assert (one.role, one.inputs) == ("generator", {"latent": [1, 16]}) and one.difference < 1e-4
    assert sorted(file.name for file in (tmp_path / "gan").iterdir()) == ["generator.onnx", "gesso.json"]
    latent = torch.randn(5, 16)
    model = load("gan", weights=weights["gan"])
    with torch.no_grad():
        ours = model.networks["generator"](latent, Ports()).numpy()
    assert np.allclose(run(one.file, latent=latent.numpy()), ours, atol=1e-4)
    told = json.loads((tmp_path / "gan" / "gesso.json").read_text())
    assert told["networks"]["generator"]["inputs"] == {"latent": [1, 16]} and told["recipe"] == "gan"


def test_a_translator_runs_for_other_sizes(weights: dict[str, Path], tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 255, (32, 48, 3), np.uint8)
    (one,) = export("pix2pix", {"picture": picture}, out=tmp_path, weights=weights["pix2pix"])
    given = torch.rand(2, 4, 64, 40) * 2 - 1
    with torch.no_grad():
        ours = load("pix2pix", weights=weights["pix2pix"]).networks["generator"](given).numpy()
    assert np.allclose(run(one.file, given=given.numpy()), ours, atol=1e-3)


def test_an_output_that_differs_is_not_kept(weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gesso.verbs.export.TOLERANCE", -1.0)
    with pytest.raises(GessoError, match="differs by"):
        export("gan", out=tmp_path, weights=weights["gan"])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_told(weights: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(*given: Any, **more: Any) -> Any:
        raise RuntimeError("no such operator\nmore")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(GessoError, match="gan: generator: the network cannot be written as ONNX: no such operator"):
        export("gan", out=tmp_path, weights=weights["gan"])
    assert not list(tmp_path.iterdir())


def test_the_command_takes_the_recipes_flags(weights: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["export", "gan", "--weights", str(weights["gan"]), "--out", str(tmp_path / "o")]) == 0
    assert "generator.onnx" in capsys.readouterr().out
    (tmp_path / "file").write_text("x")
    assert main(["export", "gan", "--weights", str(weights["gan"]), "--out", str(tmp_path / "file")]) == 2
