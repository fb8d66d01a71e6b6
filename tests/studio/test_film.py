"""A film in the page: dropped, its first frame compared at once, made by a job, played beside the original, downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="PyAV is not installed: films are not tried")
from flats_sheet import JOB_PATIENCE
from visits import Visit, serving

from gesso.media.video import Video, read_record
from unit.media.clip import clip, times

SIDES = "() => [...document.querySelectorAll('.film video')].map((one) => [one.videoWidth, one.videoHeight, one.currentTime, one.paused])"
DROP = """([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "video/mp4" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(tmp_path_factory.mktemp("home"), ["upscale"]) as made:
        yield made


@pytest.fixture
def visit(app: Any, browser: Any) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    made = Visit(context.new_page())
    made.page.goto(app.state.services.access.link("me"))
    made.page.locator("[data-act=choose-film]").wait_for()
    yield made
    context.close()


def give(page: Any, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("[data-act=choose-film]")
    chooser.value.set_files(path)


def test_a_film_is_made_and_played_beside_the_original(visit: Visit, app: Any, tmp_path: Path) -> None:
    page = visit.page
    given = clip(tmp_path / "holiday.mp4", 30, sound="aac", keys=6)
    give(page, given)
    page.locator(".film-grip:visible").wait_for(timeout=1000 * JOB_PATIENCE)
    assert page.locator(".film-below p").first.inner_text() == "48 × 32, 0:01, 25 frames a second, with sound. It becomes 96 × 64."
    assert page.locator(".film-side img").count() == 2, "the first frame before and after, before anything is begun"
    assert page.locator(".film-strip img").count() == 1
    page.locator(".film-form select").first.select_option("3")
    page.locator(".film-below p", has_text="144 × 96").wait_for(timeout=1000 * JOB_PATIENCE)
    page.click("[data-act=film-start]")
    page.locator(".film-far .job-state.done").wait_for(timeout=1000 * JOB_PATIENCE)
    page.locator(".film-grip:visible").wait_for()
    visit.wait_until(lambda: [one[:2] for one in page.evaluate(SIDES)] == [[144, 96], [48, 32]], "both films are there")

    page.locator(".film-bar input").fill("0.8")
    visit.wait_until(lambda: [round(one[2], 2) for one in page.evaluate(SIDES)] == [0.8, 0.8], "both are moved")
    page.click("[data-act=film-play]")
    visit.wait_until(lambda: all(one[2] > 0.85 for one in page.evaluate(SIDES)), "both play")
    page.locator(".film-grip").focus()
    page.keyboard.press("Home")
    assert page.locator(".film-grip").get_attribute("aria-valuenow") == "0"

    with page.expect_download() as download:
        page.click("[data-act=film-download]")
    assert download.value.suggested_filename == "holiday-upscale.mp4"
    out = tmp_path / "out.mp4"
    download.value.save_as(out)
    assert times(out) == times(given) and '"name":"holiday.mp4"' in str(read_record(out))
    with Video(out) as video:
        assert (video.facts.width, video.facts.height) == (144, 96)
    kept = app.state.services.database.read("select count(*) from kept where kind in ('film', 'upload')")[0][0]
    assert kept == 0, "the job has a reference of its own; the uploads are deleted"
    assert visit.complaints == [] and visit.hosts == {"127.0.0.1"}


def test_what_is_no_film_is_told(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    page.evaluate(DROP, [list(whole[: whole.index(b"moov") - 4]), "cut.mp4"])
    alert = page.locator(".film-sheet [role=alert]")
    alert.wait_for(timeout=1000 * JOB_PATIENCE)
    assert "its index (moov) is missing" in alert.inner_text() and "copy or download it again" in alert.inner_text()


def test_a_reload_deletes_the_upload(visit: Visit, app: Any, tmp_path: Path) -> None:
    page = visit.page
    give(page, clip(tmp_path / "left.mp4", 6))
    page.locator(".film-form select").first.wait_for(timeout=1000 * JOB_PATIENCE)
    rows = app.state.services.database
    assert rows.read("select count(*) from kept where kind = 'film'")[0][0] == 1
    page.reload()
    visit.wait_until(lambda: rows.read("select count(*) from kept where kind in ('film', 'upload')")[0][0] == 0, "the upload is there")


def test_a_film_cancelled_before_it_began_does_not_say_that_it_plays(visit: Visit, tmp_path: Path) -> None:
    page = visit.page

    def cancelled(route: Any) -> None:
        job = route.fetch().json()
        route.fulfill(json=job | {"state": "cancelled", "done": 0, "total": 0})

    page.route(re.compile(r"/api/jobs/[^/]+$"), cancelled)
    page.route(re.compile(r"/api/jobs/[^/]+/outputs$"), lambda route: route.fulfill(json={"outputs": []}))
    give(page, clip(tmp_path / "late.mp4", 5))
    page.click("[data-act=film-start]", timeout=1000 * JOB_PATIENCE)
    page.locator(".film-far .job-state.cancelled").wait_for(timeout=1000 * JOB_PATIENCE)
    assert "frames are made" not in page.locator(".film-far").inner_text()
