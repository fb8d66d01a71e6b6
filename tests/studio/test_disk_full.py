"""A stroke that the server cannot save, because its disk is full: the page reports it, restores the picture, and drawing continues."""

from __future__ import annotations

from typing import Any

import pytest

from gesso.media.file import DiskFull


def test_a_stroke_that_could_not_be_saved_is_removed_from_the_picture(visit: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = visit.page
    visit.begin()
    page.click("[data-act=marks]")
    page.fill(".code", "#2266cc")
    page.press(".code", "Enter")
    before = visit.pixel(0.5, 0.52)

    def full(*given: Any, **more: Any) -> Any:
        raise DiskFull("sessions cannot be kept: the disk is full", where="sessions.sqlite", fix="free some space")

    with monkeypatch.context() as broken:
        broken.setattr(app.state.services.sessions, "append", full)
        visit.stroke((0.5, 0.5), (0.5, 0.55))
        notice = page.locator(".notice.wrong", has_text="the disk is full")
        notice.wait_for()
        assert "free some space" in notice.inner_text()
        assert visit.num_nodes() == 1
        visit.until(0.5, 0.52, lambda pixel: pixel == before)
    visit.stroke((0.5, 0.5), (0.5, 0.55))
    visit.wait_nodes(2)
    visit.until(0.5, 0.52, lambda pixel: pixel[2] > 150 and pixel[0] < 80)
    assert visit.complaints == []
