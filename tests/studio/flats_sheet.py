"""An open session of the recipe in flats_recipe.py: the points of its drawing, and strokes on it."""

from __future__ import annotations

import io
import os
from typing import Any

from PIL import Image, ImageDraw

W, H = 400, 300
PATIENCE = float(os.environ.get("GESSO_PATIENCE", "60"))  # seconds until a test that waits for a state fails
JOB_PATIENCE = 8 * PATIENCE  # for jobs, whose processes run at the lowest priority
RED, BLUE, WHITE = (0xCC, 0x22, 0x22), (0x22, 0x44, 0xCC), (255, 255, 255)
RIM = "b - r > 60 && r < 110"


def tinted(rgb: tuple[int, ...]) -> tuple[int, ...]:
    """A colour, tinted as the piece under the pointer is."""
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
    """An open session of flats, or of another recipe with a slot `sheet`; coordinates are in page pixels."""

    def __init__(self, visit: Any, app: Any, pixels: bytes | None = None, recipe: str = "flats") -> None:
        self.visit, self.page = visit, visit.page
        services = app.state.services
        upload = services.files.put("me", "upload", pixels or drawing(), size=(W, H))
        edit = services.sanitizer.sanitize_edit(
            "me", services.catalogue.card(recipe), {"op": "set", "slot": "sheet", "value": {"pixels": {"upload": upload.id}}}
        )
        self.id, self.store = services.sessions.create("me", recipe, "Sheet", [edit]).id, services.sessions
        self.page.evaluate(f"location.hash = '{self.id}'")
        visit.painted()

    def at(self, x: float, y: float) -> tuple[float, float]:
        box = self.page.locator("#canvas").bounding_box()
        zoom = min((box["width"] - 48) / W, (box["height"] - 48) / H)
        return box["x"] + box["width"] / 2 + (x - W / 2) * zoom, box["y"] + box["height"] / 2 + (y - H / 2) * zoom

    def some(self, x: float, y: float, condition: str) -> None:
        """Wait until `condition` is true for a pixel [r, g, b] of the 20 × 20 screen pixels at a point of the page."""
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
        """Wait until the canvas shows this colour at a point of the page."""
        box = self.page.locator("#canvas").bounding_box()
        left, top = self.at(x, y)
        share = (left - box["x"]) / box["width"], (top - box["y"]) / box["height"]
        self.visit.until(*share, lambda pixel: max(abs(a - b) for a, b in zip(pixel[:3], rgb, strict=True)) <= 6)

    def true(self, script: str) -> None:
        """Wait until a script returns true (Playwright's own wait_for_function cannot: the page's content security policy blocks it)."""
        self.visit.wait_until(lambda: self.page.evaluate(script), script)

    def given(self, slot: str, wanted: Any = lambda value: value is not None) -> Any:
        """Wait until `wanted(value)` for a condition at the session's head, and return it."""
        value: list[Any] = [None]

        def is_wanted() -> bool:
            value[0] = self.store.state("me", self.id, self.store.session("me", self.id).head).values.get(slot)
            return bool(wanted(value[0]))

        self.visit.wait_until(is_wanted, lambda: f"{slot} stayed {value[0]}")
        return value[0]
