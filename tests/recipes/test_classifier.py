"""Classifiers of one's own pictures, from a folder to evidence: by Python, the command line and `measure`; and folders that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gesso
from gesso.cli import main
from gesso.datasets.cifar import draw_pattern
from gesso.errors import GessoError

NAMES = ("classifier", "vit")
CLASSES = ("disc", "checks", "rows")
every = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three classes, 40 pictures each, larger than the network sees them and not square."""
    place = tmp_path_factory.mktemp("own") / "shapes"
    for number, kind in enumerate(CLASSES):
        (place / kind).mkdir(parents=True)
        for index in range(40):
            pattern = Image.fromarray(draw_pattern(kind, np.random.default_rng([number, index])))
            pattern.resize((60, 48), Image.Resampling.NEAREST).save(place / kind / f"{kind}{index}.png")
    return place


@pytest.fixture(scope="module")
def trained(folder, tmp_path_factory) -> dict[str, Path]:
    runs = tmp_path_factory.mktemp("runs")
    for name in NAMES:
        gesso.train(name, data=folder, out=runs / name, preset="tiny", steps=60, quiet=True, sample_every=50)
    return {name: runs / name for name in NAMES}


@every
def test_it_learns_the_classes_of_a_folder(name, folder, trained, tmp_path):
    report = gesso.measure(name, data=folder, weights=trained[name], out=tmp_path / "score")
    figures = report["figures"]
    assert set(figures["classes"]) == set(CLASSES) and figures["accuracy"] > 0.6
    low, high = figures["90 %"]
    assert low < figures["accuracy"] < high or figures["accuracy"] == 1
    assert gesso.measure(name, data=folder, weights=trained[name], split="dev")["figures"]["split"] == "dev"


@every
def test_evidence_is_measured_and_shown(name, folder, trained, tmp_path):
    figures = gesso.measure(name, which="evidence", data=folder, weights=trained[name], num=8, out=tmp_path / "score")["figures"]
    assert {"evidence, mosaic", "evidence, plain"} <= set(figures["evidence"])
    assert (tmp_path / "score" / "mosaic.png").is_file() and (tmp_path / "score" / "plain.png").is_file()


@every
def test_the_command_line_writes_evidence_that_replays(name, folder, trained, tmp_path, capsys):
    picture, out = folder / "disc" / "disc0.png", tmp_path / "evidence.png"
    given = ["generate", name, "--weights", str(trained[name]), "--picture", str(picture), "--label", "rows", "--take", "evidence"]
    assert main([*given, "--out", str(out)]) == 0
    assert Image.open(out).size == (60, 48)
    assert gesso.replay(out, weights=trained[name]).equal
    model = gesso.load(name, weights=trained[name])
    named, unnamed = (model.generate(picture=picture, **one) for one in ({"label": "rows"}, {}))
    assert np.array_equal(named.outputs["evidence"], np.asarray(Image.open(out)))
    assert named.outputs["probability"] == unnamed.outputs["probability"] and named.outputs["label"] == unnamed.outputs["label"]
    assert main([*given[:-3], "cube", "--out", str(out)]) == 2
    told = capsys.readouterr().err
    assert "cube" in told and "disc" in told


@every
def test_other_classes_than_the_learned_are_refused(name, folder, trained, tmp_path):
    for kind in ("up", "down"):
        (tmp_path / kind).mkdir()
        for index in range(12):
            Image.new("RGB", (32, 32), (index, 0, 0)).save(tmp_path / kind / f"{kind}{index}.png")
    with pytest.raises(GessoError, match="learned"):
        gesso.measure(name, data=tmp_path, weights=trained[name])


@every
def test_wrong_folders_are_told(name, tmp_path):
    def train(place):
        gesso.train(name, data=place, out=tmp_path / "run", preset="tiny", steps=1, quiet=True)

    with pytest.raises(GessoError, match="no such"):
        train(tmp_path / "nowhere")
    flat = tmp_path / "flat"
    flat.mkdir()
    for index in range(20):
        Image.new("RGB", (40, 40), (index, 0, 0)).save(flat / f"{index}.png")
    with pytest.raises(GessoError, match="no classes"):
        train(flat)
    few = tmp_path / "few"
    for kind in ("a", "b"):
        (few / kind).mkdir(parents=True)
        Image.new("RGB", (40, 40)).save(few / kind / "one.png")
    with pytest.raises(GessoError, match="pictures"):
        train(few)
    assert not (tmp_path / "run").exists()
