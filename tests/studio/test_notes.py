"""The piano roll, its player, and the melody to draw, alone on a page: by hand, by keys, by ear (the synthesiser's own output)."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "src" / "gesso" / "studio" / "page"
HARNESS = Path(__file__).with_name("notes_harness.html")


class Files(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path: str) -> str:
        return str(HARNESS) if path == "/" else super().translate_path(path)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(PAGE)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    made = browser.new_page(viewport={"width": 900, "height": 760})
    errors: list[str] = []
    made.on("pageerror", lambda error: errors.append(str(error)))
    made.goto(address)
    made.wait_for_function("window.editor !== undefined")
    made.wait_for_function("editor.element.querySelector('canvas').width > 0")
    yield made
    assert not errors, errors
    made.close()


def place(page: Any, step: float, pitch: float) -> tuple[float, float]:
    """Where a step and pitch are on the editor's canvas, whose rows are 55 to 84 and columns 64 steps."""
    box = page.locator("#editor canvas").bounding_box()
    return box["x"] + step / 64 * box["width"], box["y"] + (84 + 0.5 - pitch) / 30 * box["height"]


def notes(page: Any) -> list[list[int]]:
    return page.evaluate("editor.get().notes")


def test_notes_are_drawn_moved_stretched_and_deleted_by_hand(page: Any) -> None:
    page.mouse.click(*place(page, 1, 72))
    assert notes(page) == [[0, 4, 72]]
    page.mouse.move(*place(page, 9, 74))
    page.mouse.down()
    page.mouse.move(*place(page, 15, 74), steps=4)
    page.mouse.up()
    assert notes(page) == [[0, 4, 72], [8, 8, 74]]
    page.mouse.move(*place(page, 10, 74))
    page.mouse.down()
    page.mouse.move(*place(page, 14, 77), steps=4)
    page.mouse.up()
    assert notes(page) == [[0, 4, 72], [12, 8, 77]]
    page.mouse.move(*place(page, 3.9, 72))
    page.mouse.down()
    page.mouse.move(*place(page, 7.5, 72), steps=4)
    page.mouse.up()
    assert notes(page) == [[0, 8, 72], [12, 8, 77]]
    page.mouse.click(*place(page, 2, 72), button="right")
    assert notes(page) == [[12, 8, 77]]
    assert page.evaluate("changes.length") == 5 and page.evaluate("changes.at(-1)") == {"steps": 64, "notes": [[12, 8, 77]]}
    assert page.get_by_label("As text").input_value() == "R:12 F5:8 R:44"


def test_notes_are_written_by_keys_and_said(page: Any) -> None:
    page.locator("#editor canvas").focus()
    for key in ("Enter", "ArrowUp", "ArrowUp", "Enter", "ArrowLeft", "Enter", "ArrowUp", "Shift+ArrowRight", "Escape"):
        page.keyboard.press(key)
    assert notes(page) == [[0, 4, 72], [4, 8, 75]]
    assert "E♭5" in page.locator("#editor [role=status]").inner_text()
    page.keyboard.press("Delete")
    assert notes(page) == [[0, 4, 72]]


def test_a_melody_is_typed_and_a_wrong_text_is_marked(page: Any) -> None:
    text = page.get_by_label("As text")
    text.fill("C5:4 C5:4 R:2 f#4:6")
    text.press("Tab")
    assert page.evaluate("changes.at(-1)") == {"steps": 16, "notes": [[0, 4, 72], [4, 4, 72], [10, 6, 66]]}
    text.fill("H9")
    text.press("Tab")
    assert text.get_attribute("aria-invalid") == "true" and len(notes(page)) == 3
    page.get_by_label("Bars").fill("2")
    page.get_by_label("Bars").press("Tab")
    assert page.evaluate("editor.get().steps") == 32


def test_one_note_sounds_at_a_time(page: Any) -> None:
    assert page.evaluate("put([[0, 8, 60], [8, 8, 62]], [4, 6, 70])") == [[0, 4, 60], [4, 6, 70], [10, 6, 62]]
    assert page.evaluate("put([[0, 4, 60]], [0, 16, 61])") == [[0, 16, 61]]
    assert page.evaluate("written(parse('C5:4 R:2 Bb3:2'))") == "C5:4 R:2 Bb3:2".replace("Bb", "Bb")
    assert page.evaluate("parse('C5:0')") is None


def test_the_player_plays_to_the_end_seeks_and_mutes(page: Any) -> None:
    play = page.locator("#viewer button").first
    assert play.get_attribute("aria-label") == "Play"
    play.click()
    page.wait_for_function("viewer.synth.playing && viewer.synth.now() > 4")
    assert play.get_attribute("aria-label") == "Pause"
    play.click()
    stopped = page.evaluate("viewer.synth.now()")
    assert 4 < stopped < 32 and page.evaluate("viewer.synth.sounding.size") == 0
    page.get_by_label("Place in the music").fill("20")
    assert page.evaluate("viewer.synth.now()") == 20
    alto = page.get_by_role("button", name="Alto")
    alto.click()
    page.wait_for_function("viewer.synth.silent.has(1)")
    page.wait_for_function("document.querySelectorAll('#viewer [role=group] button')[1].getAttribute('aria-pressed') === 'false'")
    play.click()
    page.wait_for_function("viewer.synth.now() >= 24 || !viewer.synth.playing")
    page.wait_for_function("!viewer.synth.playing && viewer.synth.now() === 0", timeout=15000)


def test_something_is_heard(page: Any) -> None:
    """What the synthesiser sends to the loudspeaker is no silence, and is silence once all voices are muted."""
    loudness = """async (muted) => {
        const { synth } = viewer;
        for (const voice of [0, 1, 2, 3]) synth.mute(voice, muted);
        synth.seek(0);
        synth.play();
        const meter = synth.context.createAnalyser();
        synth.out.connect(meter);
        const samples = new Float32Array(meter.fftSize);
        let most = 0;
        for (let n = 0; n < 25; n++) {
            await new Promise((done) => setTimeout(done, 20));
            meter.getFloatTimeDomainData(samples);
            most = Math.max(most, ...samples.map(Math.abs));
        }
        synth.pause();
        return most;
    }"""
    page.mouse.click(5, 5)
    assert 0.01 < page.evaluate(loudness, False) <= 1.2
    assert page.evaluate(loudness, True) < 1e-3


def test_it_looks_like_a_roll(page: Any) -> None:
    """Notes are drawn in their voices' colours, and the canvas says how many there are."""
    count = """(canvas) => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const seen = new Map();
        for (let i = 0; i < data.length; i += 4) {
            const key = [data[i], data[i + 1], data[i + 2]].join();
            seen.set(key, (seen.get(key) ?? 0) + 1);
        }
        return ["214,73,51", "46,134,171", "84,140,47", "122,82,158"].map((key) => seen.get(key) ?? 0);
    }"""
    assert min(page.locator("#viewer canvas").evaluate(count)) > 500
    assert page.locator("#viewer canvas").get_attribute("aria-label") == (
        "Piano roll, time to the right: Soprano 3, Alto 2, Tenor 1, Bass 3"
    )


def test_chords_are_read_written_and_put_among_others(page: Any) -> None:
    assert page.evaluate("chords.parseChords('G:8 Em | -:4 D7')") == [[0, 8, "G"], [8, 4, "Em"], [16, 4, "D7"]]
    assert page.evaluate("chords.writeChords([[0, 8, 'G'], [8, 4, 'Em'], [16, 4, 'D7']])") == "G:8 Em -:4 D7"
    assert page.evaluate("chords.parseChords('G:0')") is None and page.evaluate("chords.parseChords('')") == []
    assert page.evaluate("chords.putChord([[0, 16, 'G']], [4, 4, 'C'])") == [[0, 4, "G"], [4, 4, "C"], [8, 8, "G"]]
    assert page.evaluate("chords.putChord([[0, 8, 'G'], [8, 8, 'C']], [4, 8, 'D'])") == [[0, 4, "G"], [4, 8, "D"], [12, 4, "C"]]
    assert page.evaluate("chords.putChord([[0, 8, 'G']], [0, 8, ''])") == []


def test_parts_that_stay_are_cut_to_where_they_are_known(page: Any) -> None:
    two = "[[[0, 8, 72], [8, 8, 74]], [[0, 16, 60]]]"
    mask = "[...Array(2)].map((_, voice) => [...Array(16)].map((_, step) => voice === 1 ? step >= 4 && step < 12 : false))"
    kept = page.evaluate(f"parts.partsOf({two}, {mask})")
    assert kept == {"steps": 16, "voices": [[], [[4, 8, 60]]], "spans": [[], [[4, 12]]]}
    assert page.evaluate("parts.partsOf([[[0, 4, 60]]], [[false, false, false, false]])") is None
    assert page.evaluate("parts.maskOf(null, 2, 3)") == [[False] * 3] * 2
    grown = page.evaluate(
        "parts.written({steps: 16, voices: [[[0, 4, 60]], []], spans: [[[0, 8]], []]}, 0, 2, {steps: 32, notes: [[20, 4, 65]]})"
    )
    assert grown == {"steps": 32, "voices": [[[20, 4, 65]], []], "spans": [[[4, 8], [20, 24]], []]}, (
        "a known rest stays, an erased note does not"
    )
    assert page.evaluate("parts.barsText([0, 1, 2, 6])") == "1–3, 7"
