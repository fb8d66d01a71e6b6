"""A batch: names kept, done work kept, one bad file stops nothing, and a person's own files are never written over."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gesso
from gesso.errors import GessoError
from gesso.media.budget import DEFAULT
from gesso.media.file import read_bytes, write_atomic
from gesso.media.picture import read_picture
from gesso.record import read_record
from gesso.verbs.batch import JOURNAL, SHEET, batch, each_of, named, natural, read_journal


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    folder = tmp_path / "drawings"
    folder.mkdir()
    for number in (1, 2, 10):
        pixels = np.random.default_rng(number).integers(0, 256, (10, 14, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"page {number}.png")
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def stamps(out: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mtime_ns for one in out.glob("*.png") if not one.name.startswith(SHEET)}


def test_each_drawing_becomes_an_output_with_its_record(toy: Path, drawings: Path, out: Path):
    seen: list[tuple[int, int, str]] = []
    made = gesso.batch(toy, folder=drawings, out=out, tags="warm", seed=4, strength=0.5, on_item=lambda *one: seen.append(one))
    assert made.made == ["page 1.png", "page 2.png", "page 10.png"] and not made.failed and not made.stopped
    assert seen == [(0, 3, "page 1.png"), (1, 3, "page 2.png"), (2, 3, "page 10.png"), (3, 3, "")]
    told = read_record(out / "page 2.png").request
    assert told.seed == 4 and told.settings["strength"] == 0.5 and set(told.conditions) == {"photo", "tags"}
    alone = gesso.load(toy).generate(photo=drawings / "page 2.png", tags="warm", seed=4, strength=0.5)
    assert np.array_equal(read_picture(out / "page 2.png"), alone.outputs["image"])
    assert made.sheets == [out / "contact-sheet.png"] and read_picture(made.sheets[0]).shape[1] > 3 * 14


def test_a_second_run_keeps_what_is_done(toy: Path, drawings: Path, out: Path):
    batch(toy, folder=drawings, out=out)
    before = stamps(out)
    Image.new("RGB", (9, 9), "red").save(drawings / "page 3.png")
    again = batch(toy, folder=drawings, out=out)
    assert again.made == ["page 3.png"] and len(again.kept) == 3
    assert {name: at for name, at in stamps(out).items() if name in before} == before


@pytest.mark.parametrize("change", [{"seed": 1}, {"strength": 0.9}, {"tags": "warm"}])
def test_another_request_is_made_anew(toy: Path, drawings: Path, out: Path, change: dict[str, Any]):
    batch(toy, folder=drawings, out=out)
    assert len(batch(toy, folder=drawings, out=out, **change).made) == 3
    assert len(batch(toy, folder=drawings, out=out, **change).kept) == 3


def test_a_changed_drawing_is_made_anew(toy: Path, drawings: Path, out: Path):
    batch(toy, folder=drawings, out=out)
    Image.new("RGB", (9, 9), "blue").save(drawings / "page 2.png")
    assert batch(toy, folder=drawings, out=out).made == ["page 2.png"]


def test_one_bad_file_does_not_stop_the_rest(toy: Path, drawings: Path, out: Path):
    (drawings / "page 2.png").write_bytes(b"\x89PNG no more")
    made = batch(toy, folder=drawings, out=out)
    assert made.made == ["page 1.png", "page 10.png"] and list(made.failed) == ["page 2.png"]
    assert "photo" in made.failed["page 2.png"] or "page 2" in made.failed["page 2.png"]
    assert read_journal(out)["page 2.png"]["state"] == "failed" and not (out / "page 2.png").exists()
    assert made.sheets, "the sheet shows an empty cell for it"


def test_retry_does_only_what_failed(toy: Path, drawings: Path, out: Path):
    whole = (drawings / "page 2.png").read_bytes()
    (drawings / "page 2.png").write_bytes(b"")
    batch(toy, folder=drawings, out=out)
    (drawings / "page 2.png").write_bytes(whole)
    (drawings / "page 3.png").write_bytes(whole)
    again = batch(toy, folder=drawings, out=out, retry=True)
    assert again.made == ["page 2.png"] and not (out / "page 3.png").exists()


def test_a_bug_in_one_drawing_is_told_and_the_rest_is_made(toy: Path, drawings: Path, out: Path):
    made = batch(toy, folder=drawings, out=out, mood="nan")
    assert len(made.failed) == 3 and "NaN" in made.failed["page 1.png"] and not made.sheets


def test_stopped_it_goes_on(toy: Path, drawings: Path, out: Path):
    answers = iter([False] * 6 + [True] * 100)
    first = batch(toy, folder=drawings, out=out, num_steps=3, stop=lambda: next(answers))
    assert first.stopped and len(first.made) == 1 and not first.sheets
    again = batch(toy, folder=drawings, out=out, num_steps=3)
    assert again.kept == first.made and len(again.made) == 2 and again.sheets


def test_what_a_person_made_or_changed_is_not_written_over(toy: Path, drawings: Path, out: Path):
    out.mkdir()
    (out / "page 1.png").write_bytes(b"mine")
    made = batch(toy, folder=drawings, out=out)
    assert "no batch made it" in made.failed["page 1.png"] and (out / "page 1.png").read_bytes() == b"mine"
    Image.new("RGB", (3, 3)).save(out / "page 2.png")
    assert "page 2.png" in batch(toy, folder=drawings, out=out).kept, "the same request leaves it as somebody changed it"
    assert "changed since" in batch(toy, folder=drawings, out=out, seed=7).failed["page 2.png"]


def test_a_kill_between_writing_and_telling_is_known_as_our_own(toy: Path, drawings: Path, out: Path):
    batch(toy, folder=drawings, out=out)
    lines = (out / JOURNAL).read_text().splitlines()
    told = [json.loads(line) for line in lines]
    kept = [line for line, one in zip(lines, told, strict=True) if (one["file"], one["state"]) != ("page 10.png", "done")]
    (out / JOURNAL).write_text("\n".join(kept) + '\n{"target": "page 1')
    again = batch(toy, folder=drawings, out=out)
    assert again.made == ["page 10.png"] and not again.failed


def test_a_kill_before_a_new_request_wrote_leaves_our_own_old_one(toy: Path, drawings: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    batch(toy, folder=drawings, out=out)

    def killed(path: Path, data: bytes) -> None:
        if path.name.startswith("page"):
            raise KeyboardInterrupt  # the line is written, the file is not
        write_atomic(path, data)

    monkeypatch.setattr("gesso.verbs.batch.write_atomic", killed)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            batch(toy, folder=drawings, out=out, seed=7)
    monkeypatch.undo()
    again = batch(toy, folder=drawings, out=out, seed=7)
    assert len(again.made) == 3 and not again.failed


def test_an_output_larger_than_what_may_come_in_is_still_our_own(toy: Path, drawings: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    batch(toy, folder=drawings, out=out)
    most: dict[Path, int] = {}
    monkeypatch.setattr("gesso.verbs.batch.read_bytes", lambda path, max_bytes: (most.update({path: max_bytes}), read_bytes(path))[1])
    assert not batch(toy, folder=drawings, out=out, seed=7).failed
    assert most[drawings / "page 1.png"] == DEFAULT.max_bytes < most[out / "page 1.png"]


def test_names_never_meet(tmp_path: Path):
    files = [(name, tmp_path / name) for name in ("a.png", "A.jpg", "a.jpg", "contact-sheet.webp", "b.c.png", "배경.png")]
    targets = [item.target for item in named(files, "png")]
    assert targets == ["a.png", "A.jpg.png", "a.jpg-2.png", "contact-sheet.webp.png", "b.c.png", "배경.png"]
    sheets = [(name, tmp_path / name) for name in ("contact-sheet.png", "Contact-Sheet-2.png", "contact-sheet-two.png")]
    assert [item.target for item in named(sheets, "png")] == ["contact-sheet.png.png", "Contact-Sheet-2.png.png", "contact-sheet-two.png"]
    assert sorted(["p10", "p9", "P1"], key=natural) == ["P1", "p9", "p10"]


def test_which_condition_the_files_are(toy: Path):
    from gesso import recipes

    style, colorize, digits = (recipes.find(name).card for name in ("style", "colorize", "digits"))
    assert each_of(colorize, None, {}) == "sketch" and each_of(digits, None, {}) == "known"
    with pytest.raises(GessoError, match="content or style"):
        each_of(style, None, {})
    assert each_of(style, None, {"style": "x"}) == "content"
    with pytest.raises(GessoError, match="no picture: its kind is hints"):
        each_of(colorize, "hints", {})
    with pytest.raises(GessoError, match="content or style"):
        each_of(style, None, {"style": "x", "content": "x"})
    for each in ("sketch", None):
        with pytest.raises(GessoError, match="sketch: cannot be given: the files .*leave it out; or --each keep"):
            each_of(colorize, each, {"sketch": "x"})
    assert each_of(colorize, "keep", {"sketch": "x"}) == "keep"


def test_what_the_files_fill_or_all_need_is_said_before_any_file_is_touched(toy: Path, drawings: Path, out: Path):
    with pytest.raises(GessoError, match="photo: cannot be given: the files"):
        batch(toy, folder=drawings, out=out, photo=drawings / "page 1.png")
    with pytest.raises(GessoError, match="style: style needs style beside the files, which are its content"):
        batch("style", folder=drawings, out=out, each="content")
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"folder": "nowhere"}, "no such folder"),
        ({"kind": "gif"}, "written as"),
        ({"kind": "ora"}, "no layers"),
        ({"strength": 7}, "strength"),
        ({"tags": "none such"}, "no tag"),
        ({"size": 3}, "no condition or setting"),
    ],
)
def test_what_is_wrong_with_all_is_said_before_the_first(toy: Path, drawings: Path, out: Path, more: dict[str, Any], said: str):
    with pytest.raises(GessoError, match=said):
        batch(toy, **{"folder": drawings, "out": out, **more})


def test_the_drawings_folder_is_not_written_into(toy: Path, drawings: Path, tmp_path: Path):
    with pytest.raises(GessoError, match="folder of the drawings"):
        batch(toy, folder=drawings, out=drawings)
    (tmp_path / "none").mkdir()
    with pytest.raises(GessoError, match="no picture in this folder"):
        batch(toy, folder=tmp_path / "none", out=tmp_path / "out")


def test_two_batches_do_not_write_into_one_folder(toy: Path, drawings: Path, out: Path):
    from gesso.storage.lock import locked

    out.mkdir()
    with locked(out), pytest.raises(GessoError, match="another batch is writing"):
        batch(toy, folder=drawings, out=out)


def test_on_the_command_line(toy: Path, drawings: Path, out: Path, gesso: Callable[..., Any]):
    (drawings / "bad.png").write_bytes(b"no picture")
    said = gesso("batch", toy, "--folder", drawings, "--out", out, "--tags", "warm", "--num-steps", "2")
    assert said.code == 3 and "made 3, kept 0, failed 1" in said.out and "bad.png" in said.out, said.err
    assert read_record(out / "page 1.png").request.settings["num_steps"] == 2
    (drawings / "bad.png").unlink()
    said = gesso("batch", toy, "--folder", drawings, "--out", out, "--tags", "warm", "--num-steps", "2")
    assert said.code == 0 and "made 0, kept 3, failed 0" in said.out
    assert "--tags" in (shown := gesso("batch", toy, "--help").out) and "--photo" not in shown
