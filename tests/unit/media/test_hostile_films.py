"""Films that are no films, or claim what they do not hold: each a sentence with where and what to do, and nothing is half written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
from gesso.errors import GessoError
from gesso.media.video import Video, VideoBudget, decode
from gesso.verbs.film import film
from unit.media.clip import clip, times
from unit.media.hostile_films import hostile
from unit.verbs import toy

SAID = {
    "empty": "the file is empty",
    "a letter": "this is text",
    "only the first box": r"index \(moov\) is missing",
    "no index": r"index \(moov\) is missing",
    "half an index": "cut off: its part 'moov' should go on",
    "zeros after the header": "the file is damaged: at byte",
    "65535 x 65535": "size of its frames is missing or impossible",
    "a thousand million frames": "holds 1000000000 frames; the limit",
    "a thousand million samples": "not one frame can be decoded",
    "a playlist": "list of films",
    "a list of files": "list of films",
    "sound only": "no moving picture",
    "a picture": "PNG picture, not a film",
    "one pixel": "1 x 1 pixels",
    "two sizes": "48 x 32, and others are 64 x 48",
    "a folder": "this is a folder",
    "nothing": "there is no such file",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return hostile(tmp_path_factory.mktemp("hostile"))


def test_every_file_has_its_sentence(files: dict[str, Path]):
    assert set(files) == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_a_film_that_is_none(files: dict[str, Path], name: str, tmp_path: Path):
    """By the verb, which writes beside the file it makes."""
    with pytest.raises(GessoError) as caught:
        film(toy.recipe, {}, video=files[name], out=tmp_path / "out.mp4", threads=1)
    error = caught.value
    assert re.search(SAID[name], error.what), error
    assert error.fix and str(error.where).startswith(str(files[name])) and "Errno" not in str(error)
    assert list(tmp_path.iterdir()) == [], "nothing is half written"


@pytest.mark.parametrize("name", [one for one in SAID if one not in ("a folder", "nothing")])
def test_the_same_from_bytes(files: dict[str, Path], name: str):
    with pytest.raises(GessoError, match=SAID[name]), decode(files[name].read_bytes()) as video:
        list(video.frames())


def test_a_budget_is_kept_while_it_is_decoded(tmp_path: Path):
    given = clip(tmp_path / "a.mp4", 20)
    for limits, said in (
        ({"max_frames": 8}, "20 frames; the limit is 8"),
        ({"max_pixels": 1000}, "limit is 0.0 million"),
        ({"max_seconds": 0.5}, "limit is 0"),
        ({"max_bytes": 100}, "larger than"),
    ):
        with pytest.raises(GessoError, match=said):
            list(Video(given, VideoBudget(**limits)).frames())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda folder: folder / "a.mp4", "would overwrite"),
        (lambda folder: folder / "sub", r"\.mp4, \.mov or \.mkv"),
        (lambda folder: folder / "sub.mp4", "this is a folder"),
        (lambda folder: folder / "a.mp4" / "b.mp4", "a file, not a folder|cannot"),
    ],
)
def test_a_place_that_cannot_be_written(tmp_path: Path, given: Callable[[Path], Path], said: str):
    source = clip(tmp_path / "a.mp4", 3)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub.mp4").mkdir()
    before = source.read_bytes()
    with pytest.raises(GessoError, match=said):
        film(toy.recipe, {}, video=source, out=given(tmp_path), threads=1)
    assert sorted(one.name for one in tmp_path.rglob("*")) == ["a.mp4", "sub", "sub.mp4"] and source.read_bytes() == before


def test_an_output_that_is_a_link_to_the_input_is_refused(tmp_path: Path):
    source = clip(tmp_path / "a.mp4", 3)
    (tmp_path / "b.mp4").symlink_to(source)
    with pytest.raises(GessoError, match="would overwrite"):
        film(toy.recipe, {}, video=source, out=tmp_path / "b.mp4", threads=1)
    assert times(source)


def test_transparency_that_is_left_out_is_told(tmp_path: Path):
    given = clip(tmp_path / "a.mkv", 3, pixels="yuva420p", codec="ffv1")
    made = film(toy.recipe, {}, video=given, out=tmp_path / "b.mp4", threads=1)
    assert any("transparency" in note for note in made.notes)


@pytest.mark.parametrize("pixels", ["yuv411p", "bgr0", "yuv440p", "gray", "yuv420p16le", "gray10le"])
def test_rare_kinds_of_pixels_are_made(tmp_path: Path, pixels: str):
    given = clip(tmp_path / "a.mkv", 3, size=(64, 64), pixels=pixels, codec="ffv1")
    assert film(toy.recipe, {}, video=given, out=tmp_path / "b.mp4", threads=1).frames == 3


@pytest.mark.parametrize(("pixels", "codec"), [("yuvj420p", "libx264"), ("bgr0", "ffv1"), ("yuv420p", "libx264")])
def test_a_phones_rotation_survives_every_conversion(tmp_path: Path, pixels: str, codec: str):
    """Phones write full range (yuvj420p) and say in the container that the film is to be turned."""
    ending = "mp4" if codec == "libx264" else "mkv"
    given = clip(tmp_path / f"a.{ending}", 3, pixels=pixels, codec=codec, rotation=-90)
    made = film(toy.recipe, {}, video=given, out=tmp_path / f"b.{ending}", threads=1)
    with Video(given) as source, Video(made.out) as video:
        first, again = next(source.frames()), next(video.frames())
    assert first.rotation == again.rotation == -90 and first.turns == 3
    assert again.planes.luma.shape == (32, 48) and again.upright().shape[:2] == (48, 32), "stored lying, shown upright"
