"""Each tool by real events of mouse, pen, touch and keys: what it leaves in the session, and what it does to the picture."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gesso.media.palette_file import read_palette

W, H = 400, 300
RED, BLUE, WHITE = (0xCC, 0x22, 0x22), (0x22, 0x44, 0xCC), (255, 255, 255)
RIM = "b - r > 60 && r < 110"


def tinted(rgb: tuple[int, ...]) -> tuple[int, ...]:
    """A colour under the veil of what lies beneath the pointer."""
    return tuple(round(one + (veil - one) * 28 / 255) for one, veil in zip(rgb, (42, 58, 165), strict=True))


def drawing() -> bytes:
    """Two rooms side by side with a wall between them, a third whose right wall has a gap from y 90 to 110, and a speck in the open."""
    page = Image.new("L", (W, H), 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((50, 50, 150, 150), outline=0, width=3)
    pen.rectangle((148, 50, 250, 150), outline=0, width=3)
    pen.rectangle((290, 50, 360, 150), outline=0, width=3)
    pen.rectangle((356, 90, 362, 110), fill=255)
    pen.rectangle((100, 220, 104, 224), outline=0)
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


class Sheet:
    """An open session of flats, in the page's own pixels."""

    def __init__(self, visit: Any, app: Any) -> None:
        self.visit, self.page = visit, visit.page
        room = app.state.room
        upload = room.keep.put("me", "upload", drawing(), size=(W, H))
        edit = room.given.edit(
            "me", room.catalogue.card("flats"), {"op": "set", "slot": "sheet", "value": {"pixels": {"upload": upload.id}}}
        )
        self.id, self.store = room.sessions.create("me", "flats", "Sheet", [edit]).id, room.sessions
        self.page.evaluate(f"location.hash = '{self.id}'")
        visit.painted()

    def at(self, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator("#canvas").bounding_box()
        zoom = min((box["width"] - 48) / W, (box["height"] - 48) / H)
        return box["x"] + box["width"] / 2 + (x - W / 2) * zoom, box["y"] + box["height"] / 2 + (y - H / 2) * zoom

    def some(self, x: float, y: float, condition: str) -> None:
        """Wait until some pixel of 20 × 20 from a place of the page on, as [r, g, b], is such."""
        box = self.page.locator("#canvas").bounding_box()
        left, top = self.at(x, y)
        self.true(f"""(() => {{
          const pen = document.getElementById("canvas").getContext("2d");
          const {{ data }} = pen.getImageData({round(left - box["x"])}, {round(top - box["y"])}, 20, 20);
          return Array.from({{ length: 400 }}, (_, i) => data.slice(4 * i, 4 * i + 3)).some(([r, g, b]) => {condition});
        }})()""")

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def stroke(self, *points: tuple[float, float]) -> None:
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    def take(self, tool: str, colour: str | None = None) -> None:
        self.page.click(f"[data-tool={tool}]")
        if colour:
            self.page.fill(".code", colour)
            self.page.press(".code", "Enter")

    def seen(self, x: float, y: float, rgb: tuple[int, ...]) -> None:
        """Wait until the canvas shows this colour at a place of the page."""
        box = self.page.locator("#canvas").bounding_box()
        left, top = self.at(x, y)
        share = (left - box["x"]) / box["width"], (top - box["y"]) / box["height"]
        self.visit.until(*share, lambda pixel: max(abs(a - b) for a, b in zip(pixel[:3], rgb, strict=True)) <= 6)

    def true(self, script: str) -> None:
        """Wait until a script says so (the page's policy lets no browser's own waiting evaluate text)."""
        end = time.monotonic() + 20
        while not self.page.evaluate(script):
            assert time.monotonic() < end, script
            self.page.wait_for_timeout(30)

    def given(self, slot: str, wanted: Any = lambda value: value is not None) -> Any:
        """The condition at the session's head, once it is as wanted."""
        end = time.monotonic() + 20
        while not wanted(value := self.store.state("me", self.id, self.store.session("me", self.id).head).values.get(slot)):
            assert time.monotonic() < end, f"{slot} stayed {value}"
            self.page.wait_for_timeout(30)
        return value


@pytest.fixture
def sheet(visit: Any, app: Any) -> Iterator[Sheet]:
    made = Sheet(visit, app)
    yield made
    assert visit.complaints == []
    made.store.delete("me", made.id)  # the server is shared by all tests
    with app.state.room.database.writing() as rows:
        rows.execute("delete from palettes")


def test_a_lasso_colours_all_it_holds_in_one_step(sheet: Sheet) -> None:
    sheet.take("lasso", "#cc2222")
    sheet.stroke((40, 40), (260, 40), (260, 160), (40, 160), (40, 60))
    sheet.page.click("[data-chosen=dots]")
    marks = sheet.given("dots").marks
    assert [mark.color for mark in marks] == ["#cc2222"] * 2 and sheet.visit.num_nodes() == 2
    sheet.seen(60, 140, RED)
    sheet.seen(240, 140, RED)
    sheet.seen(270, 100, WHITE)


def test_a_lasso_adds_by_click_and_makes_paper_of_what_was_coloured(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.seen(60, 140, RED)
    sheet.page.keyboard.press("l")
    sheet.click(80, 80)
    sheet.click(200, 100)
    sheet.page.get_by_text("Pieces: 2").wait_for()
    sheet.page.click("[data-chosen=blank]")
    assert len(sheet.given("blank").strokes) == 2
    assert sheet.given("dots", lambda value: value is None) is None, "the colour gave way, in the same step"
    sheet.seen(60, 140, WHITE)
    sheet.page.keyboard.press("Control+z")
    sheet.seen(60, 140, RED)


def test_a_gap_is_closed_by_a_click(sheet: Sheet) -> None:
    sheet.take("walls-bridge")
    sheet.click(359, 100)
    (x1, y1), (x2, y2) = sheet.given("walls").strokes[0].path
    assert {y1 < 91, y2 < 91} == {True, False} and max(y1, y2) > 109 and 355 <= x1 <= 362 and 355 <= x2 <= 362
    sheet.take("dots", "#cc2222")
    sheet.click(320, 100)
    sheet.seen(320, 70, RED)
    sheet.seen(380, 100, WHITE)


def test_a_gap_is_closed_by_a_bit_of_line_whose_ends_go_to_the_ink(sheet: Sheet) -> None:
    sheet.take("walls-bridge")
    sheet.stroke((358, 95), (359, 105))
    path = sheet.given("walls").strokes[0].path
    assert min(y for _, y in path) < 91 and max(y for _, y in path) > 109
    sheet.take("dots", "#cc2222")
    sheet.click(320, 100)
    sheet.seen(320, 70, RED)
    sheet.seen(380, 100, WHITE)


def test_a_line_through_a_piece_parts_it(sheet: Sheet) -> None:
    sheet.take("walls-split")
    sheet.stroke((100, 75), (100, 125))
    path = sheet.given("walls").strokes[0].path
    assert path[0][1] <= 53 and path[-1][1] >= 147, "it went on to the ink"
    sheet.take("dots", "#2244cc")
    sheet.click(70, 100)
    sheet.seen(70, 60, BLUE)
    sheet.seen(130, 60, WHITE)


def test_pieces_are_merged_by_two_clicks_and_by_a_drag(sheet: Sheet) -> None:
    sheet.take("unions")
    sheet.click(100, 100)
    sheet.true("[...document.querySelectorAll('.notice')].some((one) => one.textContent === 'Now the other piece.')")
    sheet.click(200, 100)
    assert len(sheet.given("unions").strokes) == 1
    sheet.take("dots", "#cc2222")
    sheet.click(70, 140)
    sheet.seen(240, 60, RED)
    sheet.page.keyboard.press("Control+z")
    sheet.page.keyboard.press("Control+z")
    sheet.given("unions", lambda value: value is None)
    sheet.take("unions")
    sheet.stroke((100, 100), (200, 100))
    assert len(sheet.given("unions").strokes[0].path) > 2
    sheet.take("dots")
    sheet.click(70, 140)
    sheet.seen(240, 60, RED)


def test_a_piece_is_protected_by_a_click_and_freed_by_another(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.seen(60, 140, RED)
    sheet.take("guard")
    sheet.click(100, 100)
    kept = sheet.given("guard")
    assert kept.mask[100, 100] and not kept.mask[100, 200] and tuple(kept.pixels[140, 60]) == RED
    sheet.take("dots", "#2244cc")
    sheet.click(80, 80)
    sheet.click(200, 100)
    sheet.seen(240, 140, BLUE)
    sheet.seen(60, 140, RED)
    sheet.take("guard")
    sheet.click(100, 100)
    sheet.given("guard", lambda value: value is None)
    sheet.take("dots")
    sheet.seen(60, 140, BLUE)


def test_paper_wins_over_the_colour_that_was_there(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.click(200, 100)
    sheet.seen(240, 140, RED)
    sheet.take("blank")
    sheet.click(80, 80)
    sheet.seen(60, 140, WHITE)
    assert [mark.x > 150 for mark in sheet.given("dots").marks] == [True]
    sheet.stroke((170, 80), (230, 120))
    sheet.seen(240, 140, WHITE)


def test_a_mark_fills_the_background_when_it_is_told_to(sheet: Sheet) -> None:
    sheet.take("dots", "#2244cc")
    sheet.click(30, 200)
    assert not sheet.given("dots").marks[0].fill
    sheet.page.keyboard.press("f")
    sheet.click(30, 250)
    assert sheet.given("dots", lambda value: len(value.marks) == 2).marks[1].fill
    sheet.seen(380, 280, BLUE)


def test_a_mark_is_alone_when_guesses_are_to_stay(sheet: Sheet) -> None:
    sheet.take("dots", "#2244cc")
    sheet.page.click("[data-alone=true]")
    sheet.click(30, 200)
    assert sheet.given("dots").marks[0].alone
    sheet.page.keyboard.press("g")
    sheet.click(30, 250)
    assert not sheet.given("dots", lambda value: len(value.marks) == 2).marks[1].alone


def test_a_pen_presses_and_a_palm_is_nothing(sheet: Sheet) -> None:
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
    assert len(mark.points) >= 3 and mark.radius == pytest.approx(8 * 1.6), "the hardest press says how thick"
    assert sheet.page.locator(".zoom").inner_text() and not sheet.given("guard", lambda value: True)
    palm("touchStart", (200, 250))
    palm("touchMove", (240, 250))
    palm("touchEnd")
    assert len(sheet.given("dots").marks) == 1, "where there is a pen, a finger draws nothing"


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
    assert len(sheet.given("dots").marks) == 1, "what the first of two fingers began is gone"


def test_keys_alone_draw_and_are_told(sheet: Sheet) -> None:
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


def test_palettes_stay_with_their_owner_and_go_in_and_out(sheet: Sheet, tmp_path: Any) -> None:
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
    (tmp_path / "Sora.ase").write_bytes(data)  # named by its file, told by what it holds
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


def test_a_pasted_picture_asks_where_to(sheet: Sheet) -> None:
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


def test_a_lasso_means_a_speck_and_not_what_is_around_it(sheet: Sheet) -> None:
    sheet.take("lasso", "#cc2222")
    sheet.stroke((92, 212), (112, 212), (112, 232), (92, 232), (92, 214))
    sheet.page.click("[data-chosen=dots]")
    (mark,) = sheet.given("dots").marks
    assert max(abs(mark.x - 102), abs(mark.y - 222)) <= 1 and mark.radius < 3
    sheet.page.keyboard.press("m")
    sheet.some(100, 220, "r > 180 && g < 60")
    sheet.seen(112, 222, WHITE)


def test_what_is_chosen_is_hatched_under_the_pointer_and_let_go_with_its_step(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.mouse.move(*sheet.at(220, 80))
    sheet.some(145, 95, RIM)
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.take("lasso")
    sheet.click(220, 80)
    sheet.page.get_by_text("Pieces: 1").wait_for()
    sheet.some(200, 110, "b - r > 60 && r > 60")
    sheet.page.keyboard.press("Control+z")
    sheet.page.locator("#chosen").wait_for(state="hidden")
    # The pieces of this step were known before: they are shown again, not those of the step that was left.
    sheet.page.mouse.move(*sheet.at(80, 80))
    sheet.seen(120, 120, tinted(WHITE))


def test_a_colour_is_seen_as_it_is_while_the_hand_rests_on_it(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.some(45, 80, RIM)
    sheet.seen(120, 120, RED)


def test_a_gap_that_was_closed_is_not_told_of(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.mouse.move(*sheet.at(100, 80))
    sheet.some(45, 80, RIM)  # the pieces before the gap was closed are here
    sheet.take("walls-bridge")
    sheet.stroke((360, 86), (360, 114))
    sheet.visit.wait_nodes(2)
    sheet.page.keyboard.press("1")
    sheet.click(320, 75)
    sheet.seen(300, 140, RED)
    assert sheet.page.locator("#notices").inner_text() == ""


def test_escape_leads_from_the_panel_to_the_page(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.page.focus(".code")
    sheet.page.keyboard.press("Escape")
    sheet.page.keyboard.press("ArrowLeft")
    sheet.page.keyboard.press("Enter")
    assert len(sheet.given("dots").marks) == 1


def test_what_gives_way_to_a_new_colour_needs_no_saying(sheet: Sheet) -> None:
    sheet.take("dots", "#cc2222")
    sheet.click(100, 100)
    sheet.visit.wait_nodes(2)
    sheet.take("lasso", "#2244cc")
    sheet.click(80, 80)
    sheet.page.click("[data-chosen=dots]")
    sheet.seen(60, 140, BLUE)
    sheet.page.click("#history-tab")
    assert sheet.page.locator(".node[aria-current=true] .said > span").text_content() == "Dots"


def test_the_bar_of_what_is_chosen_hides_none_of_it(sheet: Sheet) -> None:
    sheet.take("lasso")
    sheet.click(100, 100)
    sheet.page.get_by_text("Pieces: 1").wait_for()
    middle = sheet.at(W / 2, H / 2)[1]
    bar = sheet.page.locator("#chosen")
    assert (bar.bounding_box() or {})["y"] > middle
    sheet.click(200, 270)  # the open ground, down to the foot
    sheet.page.get_by_text("Pieces: 2").wait_for()
    assert (bar.bounding_box() or {})["y"] < middle
