"""How well line art is coloured, and whether hints are obeyed: the fixed protocol of line-art colouring, in this project's own code.

Per count of hints, over drawings that have a coloured piece; means are over drawings (clusters of nearly the same one):

capped    mean of min(40, PSNR) in dB, and `interval`, its 95 % bootstrap over drawings
pooled    PSNR of one mean squared error over all pixels
paper     share of truly white pixels joined to the page's border that come out farther than dE 10 from white
inside    the same for truly white pixels that the drawing encloses
recall    of unhinted pieces truly within dE 5 of a hint's colour, the share that comes out within dE 10 of it
right     of unhinted pieces that come out within dE 10 of a hint's colour, the share that truly is
wrong     unhinted pieces of a drawing, on average, that come out within dE 10 of a hint's colour and truly are of another
chroma    the pieces' chroma as it comes out, summed, over the truth's: 1 is right, more is garish
hinted    capped on hinted pieces' pixels only; `permuted` is the same where the hints' palette is turned (R G B -> G B R)
unchanged over drawings without colour: the share of pixels within 8 of 255 of the line drawing, without hints
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from gesso.errors import GessoError
from gesso.metrics.drawing_pieces import SIDE, Dot, Truth, on_white, table_of, truth_of, truths_of
from gesso.metrics.own_pictures import OwnPictures
from gesso.number import whole
from gesso.rules.fill import bucket_fill, over_line
from gesso.rules.line import INK
from gesso.rules.palette import lab_of

COUNTS = ("0", "1", "3", "5", "10", "half")
PERMUTED_AT = ("3", "half")
CAP, POOLED_CAP = 40.0, 80.0  # dB
SAME, ALIKE = 5.0, 10.0  # dE 1976: truly a hint's colour; comes out as it
UNTOUCHED = 8  # of 255
SMALLEST, LARGEST = 24, 2048  # sides that drawings are measured at
MOST_ROWS = 10**9
OPTIONS = ("size", "counts", "limit", "group", "rules", "progress")

Report = dict[str, Any]
Colour = Callable[[np.ndarray, Sequence[Dot]], np.ndarray]  # (line uint8 [h w], dots) -> uint8 [h w 3]


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Peak signal to noise of two uint8 pictures, in dB, at most 40."""
    return _decibels(_squares(one, two), one.size, CAP)


def _squares(one: np.ndarray, two: np.ndarray) -> int:
    away = one.astype(np.int32) - two
    return int(np.einsum("i,i->", away.ravel(), away.ravel(), dtype=np.int64))


def _decibels(squares: float, num: int, cap: float) -> float:
    return float(min(cap, -10 * np.log10(max(squares / num / 255**2, 1e-12))))


def num_coloured(picture: np.ndarray, where: np.ndarray) -> int:
    """How many of the pixels at flat indices `where` are farther than dE 10 from white."""
    pixels = picture.reshape(-1, 3)[where]
    pixels = pixels[pixels.min(-1) < 255].astype(np.int32)
    codes, counts = np.unique(pixels @ np.array([65536, 256, 1]), return_counts=True)  # flats have few colours, and Lab is slow
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1)
    return int(counts[np.linalg.norm(lab_of(colours) - lab_of(np.full(3, 255)), axis=-1) > ALIKE].sum()) if len(codes) else 0


@dataclass
class Tally:
    """What is summed over drawings at one count of hints; pairs are (part, whole)."""

    capped: list[float] = field(default_factory=list)
    hinted: list[float] = field(default_factory=list)
    permuted: list[float] = field(default_factory=list)
    squares: int = 0
    num: int = 0
    pairs: dict[str, np.ndarray] = field(
        default_factory=lambda: {n: np.zeros(2) for n in ("paper", "inside", "recall", "right", "wrong", "chroma")}
    )

    def add(self, truth: Truth, out: np.ndarray, hinted: Sequence[int], *, given: bool) -> None:
        """One drawing, how it came out (uint8 [h w 3]), and which of its pieces had a hint."""
        squares = _squares(out, truth.colour)
        self.capped.append(_decibels(squares, out.size, CAP))
        self.squares += squares
        self.num += out.size
        for name, where in (("paper", truth.paper), ("inside", truth.inside)):
            self.pairs[name] += num_coloured(out, where), len(where)
        flat = out.reshape(-1, 3)
        came = lab_of(np.array([np.median(flat[piece.where], 0) for piece in truth.pieces]))
        self.pairs["chroma"] += [np.hypot(lab[:, 1], lab[:, 2]).sum() for lab in (came, truth.lab)]
        if given:
            self._spread(truth.lab, came, list(hinted))

    def _spread(self, true: np.ndarray, came: np.ndarray, hinted: list[int]) -> None:
        """Did unhinted pieces take the colour of the hints that they share it with, and of no others?"""
        others = np.setdiff1d(np.arange(len(true)), hinted)
        truly = np.linalg.norm(true[others, None] - true[None, hinted], axis=-1)
        taken = np.linalg.norm(came[others, None] - true[None, hinted], axis=-1) <= ALIKE
        shares, takes = (truly <= SAME).any(1), taken.any(1)
        self.pairs["recall"] += (taken & (truly <= SAME)).any(1).sum(), shares.sum()
        right = (taken & (truly <= ALIKE)).any(1).sum()
        self.pairs["right"] += right, takes.sum()
        self.pairs["wrong"] += takes.sum() - right, 1

    def share(self, name: str) -> float | None:
        part, whole = self.pairs[name]
        return round(float(part / whole), 3) if whole else None

    def figures(self, by_drawing: Callable[[Sequence[float]], np.ndarray]) -> dict[str, Any]:
        capped = by_drawing(self.capped)
        row: dict[str, Any] = {"capped": round(float(capped.mean()), 2), "interval": interval(capped)}
        row["pooled"] = round(_decibels(self.squares, self.num, POOLED_CAP), 2)
        row |= {name: self.share(name) for name in ("paper", "inside")}
        for name in ("recall", "right"):
            row |= {name: self.share(name), f"{name}_n": int(self.pairs[name][1])}
        row |= {"wrong": self.share("wrong"), "chroma": self.share("chroma")}
        if self.hinted:
            row |= {name: round(float(by_drawing(getattr(self, name)).mean()), 2) for name in ("hinted", "permuted")}
        return row


def interval(values: np.ndarray) -> list[float]:
    """The 95 % interval of the mean of values [n], by 1000 bootstraps drawn from the seed 0."""
    drawn = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    return [round(float(v), 2) for v in np.percentile(values[drawn].mean(1), [2.5, 97.5])]


class Score:
    """One way of colouring, measured drawing by drawing: `add` each Truth in order, then `report`."""

    def __init__(self, colour: Colour, counts: Sequence[str] = COUNTS) -> None:
        self.colour = colour
        self.tallies = {count: Tally() for count in counts}
        self.clusters: list[str] = []
        self.unchanged: list[float] = []
        self.num_seen = 0
        self.size = 0

    def add(self, truth: Truth) -> None:
        number, self.num_seen, self.size = self.num_seen, self.num_seen + 1, truth.line.shape[0]
        if not truth.pieces:
            away = np.abs(truth.colour.astype(int) - truth.line[..., None])
            if away.max() <= UNTOUCHED:
                out = self._coloured(truth, [])
                self.unchanged.append(float((np.abs(out.astype(int) - truth.line[..., None]).max(-1) <= UNTOUCHED).mean()))
            return
        self.clusters.append(truth.cluster)
        made: dict[tuple[Any, ...], np.ndarray] = {}  # a drawing of four pieces has the same hints at 5 and at 10

        def once(dots: Sequence[Dot]) -> np.ndarray:
            key = tuple((dot.x, dot.y, *dot.colour) for dot in dots)
            if key not in made:
                made[key] = self._coloured(truth, dots)
            return made[key]

        for count, tally in self.tallies.items():
            hinted, dots = truth.dots(count, number)
            out = once(dots)
            tally.add(truth, out, hinted, given=bool(dots))
            if count in PERMUTED_AT:
                where = np.concatenate([truth.pieces[i].where for i in hinted])
                true = truth.colour.reshape(-1, 3)[where]
                turned = once([dot.turned() for dot in dots])
                tally.hinted.append(psnr(out.reshape(-1, 3)[where], true))
                tally.permuted.append(psnr(turned.reshape(-1, 3)[where], true[:, [1, 2, 0]]))

    def _coloured(self, truth: Truth, dots: Sequence[Dot]) -> np.ndarray:
        out = self.colour(truth.line, dots)
        if out.shape != truth.colour.shape or out.dtype != np.uint8:
            what = f"the output is {out.dtype} {list(out.shape)}, the sketch {list(truth.line.shape)}"
            raise GessoError(what, where=truth.cluster or None, fix="colour to uint8 [h w 3] of the sketch's size")
        return out

    def by_drawing(self, values: Sequence[float]) -> np.ndarray:
        """The mean of a figure over each drawing's colourings, in their names' order."""
        _, drawing = np.unique(self.clusters, return_inverse=True)
        return np.bincount(drawing, values) / np.bincount(drawing)

    def report(self) -> Report:
        """All figures, ready for JSON; dB to two digits, shares to three."""
        if not self.clusters:
            raise GessoError("no drawing here has a coloured piece", where="data", fix="measure on coloured drawings, or raise --limit")
        return {
            "pictures": len(self.clusters),
            "drawings": len(set(self.clusters)),
            "size": self.size,
            "unchanged": round(float(np.mean(self.unchanged)), 3) if self.unchanged else None,
            "unchanged_n": len(self.unchanged),
            "hints": {count: tally.figures(self.by_drawing) for count, tally in self.tallies.items()},
        }


def measure_rows(
    rows: Iterable[Truth | tuple[np.ndarray, np.ndarray, Any]],
    colour: Colour,
    counts: Sequence[str | int] | str | int = COUNTS,
    size: int | None = None,
) -> Report:
    """The figures of one way of colouring on drawings: Truths, or (line uint8 [h w], true colours uint8 [h w 3], cluster).

    `colour(line, dots)` gives uint8 [h w 3]; `by_hints` makes one of a model, `plain_rule` one of a rule. Keep a list of
    `truth_of(…)` to measure often on the same drawings. With `size`, drawings of another height are refused.
    """
    score = Score(colour, counts_of(counts))
    for row in rows:
        truth = row if isinstance(row, Truth) else truth_of(*row)
        if size is not None and truth.line.shape[0] != size:
            raise GessoError(f"a drawing {truth.line.shape[0]} pixels high among those of {size}", where=truth.cluster or None)
        score.add(truth)
    return score.report()


def by_hints(make: Callable[..., Any]) -> Colour:
    """Colouring by a model: `make(sketch=line, hints=[Hint, …], seed=0).image`, without `hints` where there are none."""
    from gesso.conditions.hints import Hint

    def colour(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        hints = [Hint(dot.x, dot.y, "#{:02x}{:02x}{:02x}".format(*dot.rgb), radius=dot.radius) for dot in dots]
        return on_white(make(sketch=line, seed=0, **({"hints": hints} if hints else {})).image)

    return colour


def plain_rule(name: str) -> Colour:
    """Colouring without a network: "nothing", "flood" (bucket fill), "spare" (the same, sparing the paper), or "exact".

    "exact" colours just the hinted pieces as they truly are, and the ink within 2 of 72 of them: it knows the truth.
    """
    if name not in RULES:
        raise GessoError(f"there is no plain rule {name!r}", where="--rules", fix="one or more of " + ",".join(RULES))
    return RULES[name]


def _nothing(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
    return np.repeat(line[..., None], 3, -1)


def _flood(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
    return bucket_fill(line, [(dot.x, dot.y, dot.rgb, dot.radius) for dot in dots], spare_paper=False)


def _spare(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
    return bucket_fill(line, [(dot.x, dot.y, dot.rgb, dot.radius) for dot in dots], spare_paper=True)


def _exact(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
    height, width = line.shape
    flat = np.full((height, width, 3), 255, np.uint8)
    reach = height / (SIDE / 2)
    for dot in dots:
        ys, xs = np.divmod(dot.piece.where, width)
        top, left = max(0, int(ys.min() - reach)), max(0, int(xs.min() - reach))
        box = np.s_[top : int(ys.max() + reach) + 1, left : int(xs.max() + reach) + 1]
        outside = np.ones(line[box].shape, bool)
        outside[ys - top, xs - left] = False
        flat[box][~outside | ((ndimage.distance_transform_edt(outside) <= reach) & (line[box] <= INK))] = dot.rgb
    return over_line(flat, line)


RULES: Mapping[str, Colour] = {"nothing": _nothing, "flood": _flood, "spare": _spare, "exact": _exact}


def protocol(
    make: Callable[..., Any] | None,
    data: Path | None,
    options: Mapping[str, Any] | None = None,
    *,
    size: int = SIDE,
    counts: Sequence[str | int] | str | int = COUNTS,
    limit: int | None = None,
    group: str | None = None,
    rules: Sequence[str] | str | None = None,
    progress: bool | None = None,
) -> Report:
    """The fixed protocol on a parquet table, the val.parquet in a folder, or the held-out tenth of a folder of coloured pictures.

    A row of figures per count of hints, under "hints".

    `make(sketch=line, hints=[Hint, …], seed=0)` gives an object with `.image`; None measures rules alone. At `size` 72 the
    table's pictures are measured, elsewhere its SVGs, rendered. `limit` takes the first rows only, `group` those of one
    group (or, with "-" before it, the others). `rules` names plain
    rules ("nothing", "flood", "spare", "exact") to be measured beside it, each with what the network adds (capped with
    its interval, pooled). `progress` None shows a bar where stderr is a terminal. `options` holds the same by name, as a
    recipe's measure is given them.
    """
    if options:
        if unknown := [name for name in options if name not in OPTIONS]:
            raise GessoError(f"colouring is measured without {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
        given = {"size": size, "counts": counts, "limit": limit, "group": group, "rules": rules, "progress": progress, **options}
        for name in ("counts", "rules"):  # a command line's 3 or 1.5 is no list, nor text
            value = given[name]
            if value is not None:
                given[name] = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        given["size"], given["limit"] = _whole_options(given["size"], given["limit"])
        return protocol(make, data, **given)
    size, limit = _whole_options(size, limit)
    names = [part for part in (rules.split(",") if isinstance(rules, str) else rules or ()) if part]
    ways = {"hints": by_hints(make)} if make is not None else {}
    ways |= {name: plain_rule(name) for name in names}
    if not ways:
        raise GessoError("nothing to measure", where="--rules", fix="a model, or one or more of " + ",".join(RULES))
    scores = {name: Score(way, counts_of(counts)) for name, way in ways.items()}
    table = table_of(data, size, limit, group)
    for truth in _shown(truths_of(table, size), len(table), progress):
        for score in scores.values():
            score.add(truth)
    report = next(iter(scores.values())).report()
    if isinstance(table, OwnPictures):
        report |= {"held_out": f"{len(table)} of {table.total} pictures", **({"left_out": table.left_out} if table.left_out else {})}
    own = scores.get("hints")
    if own is None:
        del report["hints"]
    for name in names:
        report[name] = scores[name].report()["hints"]
        if own is not None:
            report[f"over {name}"] = added(own, scores[name])
    return report


def _whole_options(size: Any, limit: Any) -> tuple[int, int | None]:
    size = whole(size, where="--size", low=SMALLEST, high=LARGEST)
    return size, None if limit is None else whole(limit, where="--limit", low=1, high=MOST_ROWS)


def added(own: Score, rule: Score) -> dict[str, dict[str, Any]]:
    """What one way of colouring has over another on the same drawings, in dB, per count of hints."""
    rows = {}
    for count, tally in own.tallies.items():
        other = rule.tallies[count]
        more = own.by_drawing(tally.capped) - rule.by_drawing(other.capped)
        pooled = _decibels(tally.squares, tally.num, POOLED_CAP) - _decibels(other.squares, other.num, POOLED_CAP)
        rows[count] = {"capped": round(float(more.mean()), 2), "interval": interval(more), "pooled": round(pooled, 2)}
    return rows


def counts_of(given: Sequence[str | int] | str | int) -> tuple[str, ...]:
    """Counts of hints in the order given, each once: whole numbers or "half", as a list or between commas."""
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else list(given)
    counts = dict.fromkeys(str(part).strip() for part in parts)
    wrong = [count for count in counts if count != "half" and not (count.isascii() and count.isdigit() and len(count) < 6)]
    if wrong or not counts:
        what = f"{wrong[0]!r} is no count of hints" if wrong else "no count of hints"
        raise GessoError(what, where="--counts", fix="whole numbers or half, as in " + ",".join(COUNTS))
    return tuple(count if count == "half" else str(int(count)) for count in counts)


def _shown(truths: Iterable[Truth], total: int, progress: bool | None) -> Iterable[Truth]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not (console.is_terminal if progress is None else progress)
    return track(truths, description="measuring", total=total, console=console, transient=True, disable=hidden)
