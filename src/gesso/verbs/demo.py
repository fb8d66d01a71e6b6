"""Demo: colour the sample drawings and write a page that shows them."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gesso
from gesso.errors import GessoError
from gesso.media.file import read_json, write_atomic
from gesso.media.picture import encode_png, read_picture, to_white
from gesso.number import whole
from gesso.record import record
from gesso.verbs.load import Model, load
from gesso.verbs.result import Result, make_folder

RECIPE = "colorize"
PROPOSALS = 4
CAPTIONS = {
    "sketch": {"en": "drawing", "ko": "선화"},
    "hints": {"en": "hints", "ko": "색 힌트"},
    "result": {"en": "coloured with the hints", "ko": "힌트로 채색"},
    "proposal": {"en": "without hints, proposal", "ko": "힌트 없는 제안"},
}
STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;background:#f4f2ee;color:#222}
section{background:#fff;border-radius:12px;padding:1rem 1.5rem;margin:1.5rem 0}
.row{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:1rem}
figure{margin:0}img{width:100%;height:auto;display:block;border:1px solid #ddd;border-radius:6px}
figcaption{font-size:.85rem;color:#555}code{background:#eee;padding:.1em .4em;border-radius:4px;overflow-wrap:anywhere}
"""


@dataclass(frozen=True)
class Sample:
    """A drawing that comes with the package, its title by language, and hints as JSON."""

    path: Path
    title: Mapping[str, str]
    hints: Sequence[Mapping[str, Any]]


def demo(
    out: Path | str,
    *,
    weights: Path | str | None = None,
    size: int | None = None,
    on_drawing: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Colour every sample drawing with its hints, and without them in four proposals, into `out`; returns the gallery's path.

    `weights` replaces the shipped ones; `size` shrinks the drawings to that longest side first; `on_drawing(done, all, title)`
    is called before each.
    """
    folder = Path(out)
    size = None if size is None else whole(size, where="size", low=16)
    found = samples()
    if folder.exists() and found[0].path.parent.exists() and folder.resolve() == found[0].path.parent.resolve():
        raise GessoError("this folder holds the sample drawings", where=folder, fix="choose another folder")
    model = load(RECIPE, weights=weights)
    make_folder(folder)
    parts = []
    for number, sample in enumerate(found):
        if on_drawing is not None:
            on_drawing(number, len(found), sample.title["en"])
        parts.append(_section(sample, _coloured(model, sample, folder, size)))
    gallery = folder / "index.html"
    write_atomic(gallery, _page(parts, model).encode())
    return gallery


def samples() -> list[Sample]:
    """The drawings in the package, or in the checkout that it runs from."""
    inside = Path(gesso.__file__).parent / "samples"
    places = (inside, inside.parents[2] / "examples" / "drawings")
    for place in places:
        found = [_sample(path) for path in sorted(place.glob("*.json")) if path.with_suffix(".png").is_file()]
        if found:
            return found
    raise GessoError("the sample drawings are not in this copy", where=inside, fix="install gesso again, or run it from a checkout")


def _sample(path: Path) -> Sample:
    about = read_json(path)
    return Sample(path.with_suffix(".png"), about["title"], about["hints"])


def _coloured(model: Model, sample: Sample, folder: Path, size: int | None) -> list[tuple[str, str]]:
    """Write the pictures of one drawing; returns (caption's key, path from the page) of each."""
    own = folder / sample.path.stem
    make_folder(own)
    sketch, hints = read_picture(sample.path), [dict(hint) for hint in sample.hints]
    if size is not None:
        sketch, hints = _shrunk(sketch, hints, size)
    write_atomic(own / "sketch.png", encode_png(sketch))
    write_atomic(own / "hints.png", encode_png(with_hints(sketch, hints)))
    model.generate(sketch=sketch, hints=hints).save(own / "result.png")
    made = [(name, f"{own.name}/{name}.png") for name in ("sketch", "hints", "result")]
    for number, proposal in enumerate(_proposals(model, sketch), 1):
        proposal.save(own / f"proposal-{number}.png")
        made.append(("proposal", f"{own.name}/proposal-{number}.png"))
    return made


def _proposals(model: Model, sketch: Any) -> Iterator[Result]:
    """The proposals of one run without hints, each with a record that reproduces this proposal alone."""
    first = model.generate(sketch=sketch, num_proposals=PROPOSALS)
    for number, pixels in enumerate(first.outputs["proposals"]):
        outputs, asked = {"image": pixels}, model.request(sketch=sketch, choice=number)
        made = first.record.made
        yield Result(model.card, outputs, asked, partial(record, asked, outputs, threads=made.threads, dtype=made.dtype))


def with_hints(sketch: Any, hints: Sequence[Mapping[str, Any]]) -> Any:
    """The drawing, uint8 [h w 3], with its hints as dots and strokes with a dark rim."""
    import numpy as np
    from PIL import Image, ImageDraw

    picture = Image.fromarray(to_white(sketch))
    pen = ImageDraw.Draw(picture)
    for hint in hints:
        points = [(float(x), float(y)) for x, y in hint.get("path") or [(hint["x"], hint["y"])]]
        for grown, colour in ((2, "#333"), (0, hint["color"])):
            radius = float(hint.get("radius", 3)) + grown
            pen.line(points, fill=colour, width=max(1, round(2 * radius)), joint="curve")
            for x, y in points:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return np.asarray(picture)


def _shrunk(sketch: Any, hints: list[dict[str, Any]], size: int) -> tuple[Any, list[dict[str, Any]]]:
    import numpy as np
    from PIL import Image

    scale = min(1.0, size / max(sketch.shape[:2]))
    small = Image.fromarray(sketch).resize((round(sketch.shape[1] * scale), round(sketch.shape[0] * scale)), Image.Resampling.BOX)
    for hint in hints:
        for key in ("x", "y", "radius"):
            if key in hint:
                hint[key] = hint[key] * scale
        if "path" in hint:
            hint["path"] = [[x * scale, y * scale] for x, y in hint["path"]]
    return np.asarray(small), hints


def _section(sample: Sample, made: Sequence[tuple[str, str]]) -> str:
    figures = []
    for number, (name, source) in enumerate(made):
        words = CAPTIONS[name]
        counted = f" {number - 2}" if name == "proposal" else ""
        caption = html.escape(f"{words['en']}{counted} · {words['ko']}{counted}")
        figures.append(
            f'<figure><a href="{source}"><img loading="lazy" src="{source}" alt="{caption}"></a><figcaption>{caption}</figcaption></figure>'
        )
    title = html.escape(f"{sample.title['en']} · {sample.title.get('ko', '')}")
    return f'<section><h2>{title}</h2><div class="row">{"".join(figures)}</div></section>'


def _page(parts: Sequence[str], model: Model) -> str:
    weights = html.escape(json.dumps(model.assembled.hashes))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Gesso: coloured drawings</title><style>{STYLE}</style><h1>Coloured drawings · 채색한 그림</h1>"
        f"<p>Every coloured picture holds its record: <code>gesso replay cat_scarf/result.png</code> makes it again.<br>"
        f"채색된 그림에는 만든 과정의 기록이 들어 있어 <code>gesso replay</code>로 똑같이 다시 만들 수 있습니다.</p>"
        f"{''.join(parts)}<p>gesso {gesso.__version__}, weights <code>{weights}</code></p></html>\n"
    )
