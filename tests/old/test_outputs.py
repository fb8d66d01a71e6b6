"""Outputs and weights made by an earlier Gesso: the weights load, and each output replays. README.md says how they were made."""

from __future__ import annotations

import lzma
import math
from pathlib import Path

import pytest

from gesso.record import environment_here, read_record
from gesso.verbs.load import load
from gesso.verbs.replay import replay
from gesso.weights.store import read_weights

OUTPUTS = Path(__file__).parent / "outputs"
WEIGHTS = {  # sha256, as the records name them
    "colorize": "867eb43a4da23f5c3da5283e0f22c78f0b0852270a6be718844493819071e4f7",
    "digits": "ba3e7514740d52d993902358c8b26e1c07948277afc2811296e2409b14d13269",
    "digit_classifier": "96741fa9607812c184841d85a45119288f031b13f4effc5b522919d7d63704ed",
    "cifar_classifier": "16d9d2f2b71d58e17841c22d9166ebc5122c3f876cffebf2aa5594b00ed2b700",
}
MADE_WITH = {
    "colorize.png": "colorize",
    "colorize.ora": "colorize",
    "digits.png": "digits",
    "digit_classifier.json": "digit_classifier",
    "style.png": "cifar_classifier",
}
MOVES_BITS = ("cpu", "torch", "numpy", "platform")
LEAST_PSNR = 25.0  # dB, where another processor or torch moves last bits


def weights_file(name: str, folder: Path) -> Path:
    """The weights of a recipe, unpacked into `folder` where they are packed."""
    packed = OUTPUTS / f"{name}.safetensors.xz"
    if not packed.exists():
        return OUTPUTS / f"{name}.safetensors"
    path = folder / f"{name}.safetensors"
    path.write_bytes(lzma.decompress(packed.read_bytes()))
    return path


@pytest.mark.parametrize("name", WEIGHTS)
def test_old_weights_load(name: str, tmp_path: Path) -> None:
    path = weights_file(name, tmp_path)
    assert read_weights(path).sha256 == WEIGHTS[name]
    model = load(name, weights=path)
    assert model.preset == "tiny" and model.assembled.hashes == {name: WEIGHTS[name]} and list(model.networks) == list(model.recipe.keeps)


@pytest.mark.parametrize("name", MADE_WITH)
def test_old_outputs_replay(name: str, tmp_path: Path) -> None:
    """Equal to the bit where processor and libraries are those in the record; elsewhere close, and the reason is given."""
    made = read_record(OUTPUTS / name).made
    here = environment_here(made.threads, made.dtype)
    again = replay(OUTPUTS / name, weights=weights_file(MADE_WITH[name], tmp_path))
    if all(getattr(made, label) == getattr(here, label) for label in MOVES_BITS):
        assert again.equal and again.psnr == math.inf, again.differences
    else:
        assert again.equal or again.differences
        assert not again.changed and (again.psnr is None or again.psnr >= LEAST_PSNR)


@pytest.mark.parametrize("name", MADE_WITH)
def test_a_request_begins_from_an_old_output(name: str, tmp_path: Path) -> None:
    record = read_record(OUTPUTS / name)
    model = load(record.request.recipe, weights=weights_file(MADE_WITH[name], tmp_path), preset=record.request.preset)
    request = model.request(base=OUTPUTS / name)
    assert request.to_json() == record.request.model_dump(mode="json")
