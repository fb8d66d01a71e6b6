"""Music in the studio, by a musician who draws a soprano: harmonised, redrawn bar by bar, undone, branched, saved and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from visits import Visit, serving

from gesso.media.midi import quantised, read_midi
from gesso.media.score import NoteScore
from midi_bytes import END, midi, named, track, tune

BAR = 16
BARS = "document.querySelectorAll('.bar-strip button').length"


class Musician:
    """A visitor with hands on the roll."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.page = visit, visit.page

    @property
    def nodes(self) -> int:
        return self.visit.num_nodes()

    def music(self) -> NoteScore:
        """What the stage shows, once nothing is on its way."""
        script = """async () => {
          const [id] = location.hash.slice(1).split("/");
          const {session} = await (await fetch(`/api/sessions/${id}`)).json();
          const node = document.querySelector(".node[aria-current]").dataset.node;
          return (await (await fetch(`/api/sessions/${id}/nodes/${node}/music?format=json`)).json()).value;
        }"""
        return NoteScore.from_json(self.page.evaluate(script))

    def after(self, act: Any) -> NoteScore:
        """The music after an act that makes one more node."""
        num = self.nodes
        act()
        self.visit.wait_nodes(num + 1)
        self.page.wait_for_function("() => !document.querySelector('#progress:not([hidden])')")
        return self.music()

    def draw(self, canvas: Any, notes: list[tuple[int, int, int]], low: int, high: int, steps: int = 64) -> None:
        box = canvas.bounding_box()
        mouse = self.page.mouse

        def place(step: float, pitch: int) -> tuple[float, float]:
            return box["x"] + step / steps * box["width"], box["y"] + (high + 0.5 - pitch) / (high - low + 1) * box["height"]

        for start, length, pitch in notes:
            mouse.move(*place(start + 0.3, pitch))
            mouse.down()
            mouse.move(*place(start + length - 0.4, pitch), steps=3)
            mouse.up()

    def choose(self, *bars: int) -> None:
        for bar in bars:
            self.page.locator(f".bar-strip button[data-bar='{bar}']").click()


@pytest.fixture
def musician(browser: Any, tmp_path: Path) -> Iterator[Musician]:
    context = browser.new_context(viewport={"width": 1360, "height": 860}, locale="en-GB")
    context.add_init_script("localStorage.setItem('gesso.guided', '1')")
    with serving(tmp_path, ["chorale"]) as app:
        visit = Visit(context.new_page())
        visit.page.goto(app.state.services.access.link("me"))
        visit.page.locator("#start .recipe").first.wait_for()
        yield Musician(visit)
        assert visit.complaints == []
        context.close()


SOPRANO = [(0, 4, 67), (4, 4, 71), (8, 8, 74), (16, 4, 72), (20, 4, 71), (24, 8, 69), (32, 4, 71), (36, 4, 72), (40, 8, 74), (48, 16, 67)]


def grid(score: NoteScore) -> Any:
    return score.grid()[0]


def test_a_drawn_soprano_is_harmonised_redrawn_undone_branched_saved_and_opened(musician: Musician, tmp_path: Path) -> None:
    page = musician.page
    page.locator("[data-act=begin]").click()
    page.locator(".bar-strip button").first.wait_for()
    page.locator("[data-field=write]").select_option(label="Write: Melody")
    canvas = page.locator(".writing canvas")
    canvas.wait_for()
    num = musician.nodes
    # Rows while music that was made before lies below: as the editor shows them.
    page.locator(".writing [aria-label]").first.wait_for()
    text = page.locator(".writing input[type=text]")
    text.fill(
        " ".join(f"{name}:{length}" for name, length in zip("G4 B4 D5 C5 B4 A4 B4 C5 D5 G4".split(), (n[1] for n in SOPRANO), strict=True))
    )
    text.press("Tab")
    musician.visit.wait_nodes(num + 1)
    page.locator("[data-field=write]").select_option("")
    first = musician.music()
    assert [list(one) for one in first.voices[0]] == [list(one) for one in SOPRANO] and len(first.voices) == 4
    page.wait_for_function(f"() => {BARS} === 4")

    musician.choose(1, 2)
    assert "2–3" in page.locator("[data-act=redraw]").inner_text()
    second = musician.after(page.locator("[data-act=redraw]").click)
    was, now = grid(first), grid(second)
    assert (was[:, :BAR] == now[:, :BAR]).all() and (was[:, 3 * BAR :] == now[:, 3 * BAR :]).all() and (was[0] == now[0]).all()
    assert (was != now).any()

    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('[data-act=redo]:not([disabled])')")
    assert musician.music() == first
    third = musician.after(page.locator("[data-act=redraw]").click)
    assert third not in (first, second), "a branch beside the other"

    locked = grid(third)[3]
    page.locator("[data-keep='3']").click()
    page.wait_for_function("() => document.querySelector('[data-keep=\"3\"]').getAttribute('aria-pressed') === 'true'")
    page.locator(".bar-strip button[data-bar='0']").focus()
    page.keyboard.press("Enter")
    fourth = musician.after(page.locator("[data-act=redraw]").click)
    assert (grid(fourth)[3] == locked).all() and (grid(fourth) != grid(third)).any()

    page.locator(".save-menu summary").click()
    with page.expect_download() as started:
        page.locator("[data-act=mid]").click()
    saved = tmp_path / "mine.mid"
    saved.write_bytes(Path(started.value.path()).read_bytes())
    assert quantised(read_midi(saved.read_bytes())).score == musician.music()
    page.locator("[data-act=free-all]").click()
    with page.expect_file_chooser() as chooser:
        page.locator("[data-act=open-known]").click()
    again = musician.after(lambda: chooser.value.set_files(saved))
    assert (grid(again) == grid(fourth)).all(), "all of it is known"


def test_chords_are_written_above_bars_and_any_voice_by_hand(musician: Musician) -> None:
    page = musician.page
    page.locator("[data-act=begin]").click()
    page.locator(".bar-strip button").first.wait_for()
    box = page.locator("input[data-slot=bars]")
    box.fill("2")
    musician.after(lambda: box.press("Tab"))
    page.locator(".chord-strip .none").first.click()
    page.keyboard.type("Em")
    musician.after(lambda: page.keyboard.press("Enter"))
    assert page.locator(".chord-strip .chord:not(.none)").all_inner_texts() == ["Em"]
    assert {pitch % 12 for pitch in grid(musician.music())[:, 0].tolist()} == {4, 7, 11}
    assert page.locator("input[data-slot=chords]").input_value() == "Em:8"

    page.locator("[data-field=write]").select_option(label="Write: Bass")
    canvas = page.locator(".writing canvas")
    canvas.wait_for()
    box = canvas.bounding_box()
    num = musician.nodes
    page.mouse.move(box["x"] + box["width"] * 16.3 / 32, box["y"] + box["height"] * 0.9)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 23.6 / 32, box["y"] + box["height"] * 0.9, steps=4)
    page.mouse.up()
    musician.visit.wait_nodes(num + 1)
    text = page.locator(".writing input[type=text]").input_value()
    assert text.startswith("R:16 ") and ":8 " in text
    bass = grid(musician.music())[3]
    assert len(set(bass[16:24].tolist())) == 1


def test_a_dropped_midi_file_is_the_melody_and_what_was_read_is_said(musician: Musician) -> None:
    page = musician.page
    data = midi(
        track(named(b"Organ left"), tune((48, 8), (43, 8)), END), track(named(b"Organ right"), tune((72, 4), (74, 5), (76, 7)), END)
    )
    drop = """async (bytes) => {
      const given = new DataTransfer();
      given.items.add(new File([new Uint8Array(bytes)], "hymn.mid", {type: "audio/midi"}));
      window.dispatchEvent(new DragEvent("drop", {dataTransfer: given, bubbles: true, cancelable: true}));
    }"""
    page.evaluate(drop, list(data))
    page.locator(".bar-strip button").first.wait_for()
    assert "Organ right" in page.locator("#notices").inner_text() and "highest of 2" in page.locator("#notices").inner_text()
    assert musician.music().voices[0] == ((0, 4, 72), (4, 5, 74), (9, 7, 76))
    page.evaluate(drop, list(data[:40]))
    page.locator("[data-place=melody]").click()
    page.locator(".notice.wrong").wait_for()
    assert "music" in page.locator(".notice.wrong").inner_text() and musician.music().voices[0][0] == (0, 4, 72)
    musician.visit.complaints[:] = [one for one in musician.visit.complaints if "400" not in one]


def test_all_of_it_is_in_korean_too(musician: Musician) -> None:
    page = musician.page
    page.locator("[data-act=begin]").click()
    page.locator(".bar-strip button").first.wait_for()
    page.locator("#bar .language").click()
    assert page.locator("[data-act=keep]").inner_text().strip() == "남기기"
    assert "만들기" in page.locator("[data-act=redraw]").inner_text()
    assert page.locator(".bar-strip button").first.get_attribute("aria-label") == "마디 1"
