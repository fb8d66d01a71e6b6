"""Pens, fingers, keys and files: what reaches the drawing, and what leaves it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from flats_sheet import RED, H, Sheet, W
from PIL import Image

from gesso.media.palette_file import read_palette


def test_pen_pressure_sets_the_radius_and_a_palm_is_ignored(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    line = sheet.page.context.new_cdp_session(sheet.page)

    def pen(kind: str, x: float, y: float, force: float) -> None:
        left, top = sheet.at(x, y)
        how = {"button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen", "force": force}
        line.send("Input.dispatchMouseEvent", {"type": kind, "x": left, "y": top, **how})

    def palm(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": sheet.at(*one)[0], "y": sheet.at(*one)[1], "id": n} for n, one in enumerate(places)]
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    pen("mousePressed", 80, 80, 0.2)
    palm("touchStart", (200, 250))
    pen("mouseMoved", 100, 100, 1.0)
    palm("touchMove", (205, 240))
    pen("mouseMoved", 120, 100, 0.4)
    palm("touchEnd")
    pen("mouseReleased", 120, 100, 0.4)
    (mark,) = sheet.given("dots").marks
    assert len(mark.points) >= 3 and mark.radius == pytest.approx(8 * 1.6), "the strongest pressure sets the radius"
    assert sheet.page.locator(".zoom").inner_text() and not sheet.given("guard", lambda value: True)
    palm("touchStart", (200, 250))
    palm("touchMove", (240, 250))
    palm("touchEnd")
    assert len(sheet.given("dots").marks) == 1, "once a pen was used, a finger does not draw"


def test_one_finger_draws_and_two_zoom_and_turn(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    line = sheet.page.context.new_cdp_session(sheet.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]})

    a, b = sheet.at(100, 100), sheet.at(120, 120)
    touch("touchStart", a)
    touch("touchMove", b)
    touch("touchEnd")
    assert len(sheet.given("dots").marks[0].points) > 1
    sheet.seen(60, 140, RED)
    before = sheet.page.locator(".zoom").inner_text()
    c = sheet.at(200, 250)
    touch("touchStart", (c[0] - 50, c[1]))
    touch("touchStart", (c[0] - 50, c[1]), (c[0] + 50, c[1]))
    touch("touchMove", (c[0] - 90, c[1]), (c[0] + 80, c[1] + 60))
    touch("touchEnd")
    after = sheet.page.locator(".zoom").inner_text()
    assert after != before and "°" in after
    assert len(sheet.given("dots").marks) == 1, "the stroke of the first of two fingers is cancelled"


def test_drawing_by_keyboard_is_announced(sheet: Sheet) -> None:
    page, said = sheet.page, sheet.page.locator("#said")
    page.locator("#canvas").focus()
    page.keyboard.press("1")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowUp")
    sheet.true("/^200, \\d+, #/.test(document.getElementById('said').textContent)")
    page.keyboard.press("Enter")
    assert "mark at 200" in said.inner_text()
    assert len(sheet.given("dots").marks) == 1
    page.keyboard.press("Space")
    assert "begun" in said.inner_text()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    assert "ended" in said.inner_text()
    assert len(sheet.given("dots", lambda value: len(value.marks) == 2).marks[1].points) > 1
    page.keyboard.press("l")
    page.keyboard.press("Enter")
    page.get_by_text("Pieces: 1").wait_for()
    page.keyboard.press("Escape")
    page.locator("#chosen").wait_for(state="hidden")
    page.keyboard.press("?")
    assert "lasso" in page.locator("dialog .keys").inner_text()
    page.keyboard.press("Escape")


def test_palettes_are_stored_exported_and_imported(sheet: Sheet, tmp_path: Any) -> None:
    page = sheet.page
    page.click(".palette .more > summary")
    page.click("[data-act=palette-new]")
    page.fill(".palette-name >> nth=0", "Mina")
    page.keyboard.press("Tab")
    sheet.take("dots", "#123456")
    page.click(".swatch.add")
    for format in ("gpl", "ase", "aco"):
        page.evaluate("document.querySelector('.palette .more').open = true")
        with page.expect_download() as coming:
            page.click(f"[data-palette={format}]")
        assert coming.value.suggested_filename == f"Mina.{format}"
        data = coming.value.path().read_bytes()
        assert (0x12, 0x34, 0x56) in [swatch.rgb for swatch in read_palette(data).swatches]
    (tmp_path / "Sora.ase").write_bytes(data)  # the name is from the file, the format from its contents
    with page.expect_file_chooser() as asked:
        page.click("[data-act=palette-open]")
    asked.value.set_files(tmp_path / "Sora.ase")
    page.wait_for_selector(".palette select option:nth-child(2)", state="attached")
    page.reload()
    sheet.true("[...document.querySelectorAll('.palette select option')].map((o) => o.textContent).join() === 'Mina,Sora'")
    page.wait_for_selector(".swatch[data-colour='#123456']")


def test_layers_and_pictures_are_saved_under_the_drawings_name(sheet: Sheet) -> None:
    page = sheet.page
    for act, name, magic in (("png", "Sheet.png", b"\x89PNG"), ("ora", "Sheet.ora", b"PK"), ("psd", "Sheet.psd", b"8BPS")):
        page.click(".save-menu > summary")
        with page.expect_download() as coming:
            page.click(f".save-menu [data-act={act}]")
        assert coming.value.suggested_filename == name and coming.value.path().read_bytes().startswith(magic)


def test_a_pasted_picture_asks_for_its_slot(sheet: Sheet) -> None:
    page = sheet.page
    paste = """(bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
      dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }"""
    held = io.BytesIO()
    Image.new("L", (W, H), 200).save(held, "PNG")
    page.evaluate(paste, list(held.getvalue()))
    page.click("[data-place=sheet]")
    sheet.given("sheet", lambda value: np.asarray(value.pixels).flat[0] == 200)
    page.evaluate(paste, list(held.getvalue()))
    page.click("[data-place='']")
    sheet.true(f"location.hash && location.hash !== '#{sheet.id}'")


def test_a_picture_is_dropped_on_its_slot(sheet: Sheet) -> None:
    drop = """(bytes) => {
      const data = new DataTransfer();
      data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
      const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
      document.querySelector("[data-drop=sheet]").dispatchEvent(event);
    }"""
    held = io.BytesIO()
    Image.new("L", (W, H), 200).save(held, "PNG")
    sheet.page.evaluate(drop, list(held.getvalue()))
    sheet.given("sheet", lambda value: np.asarray(value.pixels).flat[0] == 200)


def test_escape_leads_from_the_panel_to_the_page(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.focus(".code")
    sheet.page.keyboard.press("Escape")
    sheet.page.keyboard.press("ArrowLeft")
    sheet.page.keyboard.press("Enter")
    assert len(sheet.given("dots").marks) == 1
