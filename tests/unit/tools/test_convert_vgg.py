"""VGG-19 from a file shaped like torchvision's, with random numbers in it, into `style`."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from gesso.errors import GessoError

PLACES = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
WIDTHS = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512, 512, 512, 512)


@pytest.fixture(scope="module")
def script(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("convert_vgg", root / "tools" / "convert_vgg.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    made = {"classifier.0.weight": torch.zeros(2, 2)}
    for place, num_in, num_out in zip(PLACES, WIDTHS, WIDTHS[1:], strict=False):
        made[f"features.{place}.weight"] = torch.randn(num_out, num_in, 3, 3) * (2 / (9 * num_in)) ** 0.5
        made[f"features.{place}.bias"] = torch.rand(num_out) * 0.1
    return made


@pytest.fixture(scope="module")
def converted(script, state, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("vgg")
    torch.save(state, folder / "vgg19.pth")
    script.convert(folder / "vgg19.pth", folder / "vgg19.safetensors")
    (folder / "vgg19.pth").unlink()
    return folder / "vgg19.safetensors"


def test_each_layer_is_where_the_paper_has_it(converted, state):
    from gesso.verbs.assemble import assemble

    network = assemble("cifar_classifier", weights=converted).networks["classifier"]
    assert torch.equal(network.layers["conv1_1"].weight, state["features.0.weight"])
    assert torch.equal(network.layers["conv4_2"].weight, state["features.21.weight"])
    assert torch.equal(network.layers["conv5_1"].bias, state["features.28.bias"])
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    mean, deviation = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    wanted = torch.conv2d(((x + 1) / 2 - mean) / deviation, state["features.0.weight"], state["features.0.bias"], padding=1).relu()
    with torch.no_grad():
        assert torch.allclose(network.features(x, ["conv1_1"])["conv1_1"], wanted, atol=1e-4)


def test_style_paints_through_it(converted):
    import gesso

    rng = np.random.default_rng(0)
    content, style = (rng.integers(0, 256, (24, 32, 3), np.uint8) for _ in range(2))
    told = []
    model = gesso.load("style", preset="vgg19", weights=converted)
    result = model.generate(content=content, style=style, size=32, num_steps=2, on_output=lambda o: told.append(o.taps["objective"]["all"]))
    assert result.image.size == (32, 24) and told[-1] < told[0]
    assert list(result.request.weights) == ["cifar_classifier"]


def test_the_papers_layers_need_the_papers_network():
    import gesso

    picture = np.zeros((24, 32, 3), np.uint8)
    model = gesso.load("style", preset="vgg19")
    with pytest.raises(GessoError, match="conv5_1"):
        model.generate(content=picture, style=picture, size=32, num_steps=1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: {k: v for k, v in s.items() if not k.startswith("features.34")}, "15 convolutions"),
        (lambda s: {k: v for k, v in s.items() if k != "features.5.bias"}, r"features\.5\.bias"),
        (lambda s: s | {"features.0.weight": torch.zeros(64, 1, 3, 3)}, "another shape"),
        (lambda s: {"epoch": 3}, "no state dict"),
        (lambda s: [1, 2], "no state dict"),
    ],
)
def test_another_networks_file_is_refused(script, state, tmp_path, spoil, words):
    torch.save(spoil(state), tmp_path / "other.pth")
    with pytest.raises(GessoError, match=words):
        script.convert(tmp_path / "other.pth", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


class Canary:
    def __reduce__(self):
        return (Path.touch, (Path("canary_was_run"),))


def test_code_in_the_file_is_not_run(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Canary()}, tmp_path / "evil.pth")
    with pytest.raises(GessoError, match="cannot be read"):
        script.convert(tmp_path / "evil.pth", tmp_path / "out.safetensors")
    assert not (tmp_path / "canary_was_run").exists()


def test_as_a_command_it_ends_with_2_and_a_reason(root, tmp_path):
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "convert_vgg.py"), str(tmp_path / "absent.pth"), str(tmp_path / "out.safetensors")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "no such file" in done.stderr
