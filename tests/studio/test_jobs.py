"""Batch jobs in the page: files are chosen, one is damaged, a worker processes the others, they are shown and downloaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flats_sheet import JOB_PATIENCE
from PIL import Image


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    made = []
    for number in range(5):
        path = tmp_path / f"page {number + 1}.png"
        pixels = np.full((120, 90, 3), 255, np.uint8)
        pixels[20:100, 15:75] = 0
        pixels[23:97, 18:72] = 255
        pixels[:, : 4 + number] = 200
        Image.fromarray(pixels).save(path)
        made.append(path)
    made[3].write_bytes(b"no picture at all")
    return made


def choose(page: Any, files: list[Path]) -> None:
    with page.expect_file_chooser() as chooser:
        page.click("[data-act=choose-files]")
    chooser.value.set_files(files)


def num_uploads(app: Any) -> int:
    return int(app.state.services.database.read("select count(*) from kept where kind = 'upload'")[0][0])


def test_a_folder_becomes_a_batch_job_and_a_zip(visit: Any, app: Any, files: list[Path]) -> None:
    page = visit.page
    before = num_uploads(app)
    choose(page, files)
    page.click("[data-act=start-batch]")
    page.locator("dialog.job .job-state.done").wait_for(timeout=1000 * JOB_PATIENCE)
    names = page.locator("dialog.job .job-picture small").all_inner_texts()
    assert names == ["page 1.png", "page 2.png", "page 3.png", "page 5.png"]
    assert page.locator(".notice.wrong").count() or page.locator(".job-failures").count(), "the damaged file is reported"
    assert num_uploads(app) == before, "the uploads are deleted; the job has its own reference"
    with page.expect_download() as download:
        page.click("[data-act=job-zip]")
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as held:
        assert sorted(held.namelist()) == ["contact-sheet.png", "page 1.png", "page 2.png", "page 3.png", "page 5.png"]
    with page.expect_download() as download:
        page.click("[data-act=job-sheet]")
    assert Image.open(download.value.path()).size[0] > 100
    page.keyboard.press("Escape")
    assert page.locator("[data-job]").count() == 1 and page.locator("[data-job] .job-state.done").count() == 1
    page.click(".language")
    assert page.locator("[data-job] .job-state").inner_text() == "완료"
    assert [one for one in visit.complaints if "400" not in one] == [] and visit.hosts == {"127.0.0.1"}


def test_trained_weights_can_be_chosen_for_a_session(visit: Any) -> None:
    page = visit.page
    page.click("[data-recipe=moon]")
    assert page.locator("[data-recipe=moon] .warn").count() == 1 and page.locator("[data-field=weights]").count() == 0
    ask = {"kind": "train", "recipe": "moon", "steps": 5, "title": "Autumn moon"}
    job = page.evaluate("(ask) => import('/server/api.js').then((api) => api.submitJob(ask))", ask)["id"]
    look = "(id) => import('/server/api.js').then((api) => api.readJob(id)).then((one) => one.state)"
    visit.wait_until(lambda: page.evaluate(look, job) not in ("queued", "running"), "the training did not end", JOB_PATIENCE)
    assert page.evaluate(look, job) == "done"
    page.reload()
    page.click("[data-recipe=moon]")
    assert page.locator("[data-recipe=moon] .warn").count() == 0
    assert page.locator("[data-field=weights] option").all_inner_texts() == ["Autumn moon"], "the recipe has no weights of its own"
    page.click("[data-act=begin]")
    page.locator("#bar .learned", has_text="Autumn moon").wait_for()
    page.evaluate(f"() => import('/server/api.js').then((api) => api.deleteJob('{job}'))")
    assert visit.complaints == []
