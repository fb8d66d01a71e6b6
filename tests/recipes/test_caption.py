"""caption: it learns to say made-up shapes in two languages, goes on from given words, and writes text files that replay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gesso
from gesso.cli import main
from gesso.datasets.captioned_shapes import CaptionedShapes


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("caption") / "run"
    gesso.train("caption", preset="tiny", steps=250, out=out, threads=1, quiet=True)
    return out


def test_it_speaks_the_language_that_is_asked_for_and_goes_on_from_words(run: Path):
    model = gesso.load("caption", weights=run)
    picture = CaptionedShapes(1, 32, first=7000).item(0, np.random.default_rng(0))["picture"]
    english, korean = (model.generate(picture=picture, language=language).outputs["caption"] for language in ("en", "ko"))
    assert english.isascii() and english and any("\uac00" <= letter <= "\ud7a3" for letter in korean)
    begun = model.generate(picture=picture, language="en", words="purple").outputs
    assert begun["caption"].startswith("purple") and all(0 < share <= 1 for _, share in begun["probability"])
    assert model.generate(picture=picture, language="en").outputs["caption"] == english


def test_a_caption_is_a_text_file_that_replays(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from PIL import Image

    picture = tmp_path / "shape.png"
    Image.fromarray(CaptionedShapes(1, 32, first=7001).item(0, np.random.default_rng(0))["picture"]).save(picture)
    words = ["generate", "caption", "--weights", str(run), "--picture", str(picture), "--language", "ko", "--temperature", "1"]
    assert main([*words, "--seed", "3", "--out", str(tmp_path / "one.txt")]) == 0
    text = (tmp_path / "one.txt").read_text(encoding="utf-8")
    assert text.strip() and main(["replay", str(tmp_path / "one.txt"), "--weights", str(run), "--out", str(tmp_path / "two.txt")]) == 0
    assert (tmp_path / "two.txt").read_text(encoding="utf-8") == text, capsys.readouterr().out
