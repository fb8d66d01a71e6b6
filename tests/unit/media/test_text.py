"""Text as a medium: what is written is what is read, and what is no text is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gesso.errors import GessoError
from gesso.media.budget import Budget
from gesso.media.medium import Carried, medium, sidecar_of
from gesso.media.text import MEDIUM


@pytest.mark.parametrize("text", ["a red apple", "빨간 사과", "", "two\nlines", "👩🏽‍🚀"])
def test_a_text_is_written_and_read(tmp_path: Path, text: str):
    path = tmp_path / "one.txt"
    writer = medium("text").writer(path, Carried(record="{}"))
    writer.append(text)
    writer.close()
    assert MEDIUM.decode(path.read_bytes(), where="one.txt") == text and sidecar_of(path).read_text() == "{}"


@pytest.mark.parametrize("value", [None, 5, b"a", ["a"], "a\ud800"])
def test_what_is_no_text_is_refused(value: object):
    with pytest.raises(GessoError, match="not a text"):
        MEDIUM.check(value, where="caption", recipe="toy")


def test_files_that_are_no_text_are_refused():
    with pytest.raises(GessoError, match="UTF-8"):
        MEDIUM.decode(b"\xff\xfe", where="x.txt")
    with pytest.raises(GessoError, match="longer than"):
        MEDIUM.decode(b"a" * 100, where="x.txt", budget=Budget(max_text_bytes=10))
    with pytest.raises(GessoError):
        MEDIUM.encode("a", ".png", Carried())
