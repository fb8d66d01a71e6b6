"""The protocol for line-art colouring: how good a colouring is, and whether it follows the hints.

Per count of hints, over drawings with a coloured piece; means are over drawings (clusters of nearly the same drawing):

capped    mean of min(40, PSNR) in dB, and `interval`, its 95 % bootstrap interval over drawings
pooled    PSNR of the mean squared error over all pixels
paper     share of truly white pixels connected to the page's border whose output is farther than dE 10 from white
inside    the same for truly white pixels that the drawing encloses
recall    of unhinted pieces whose true colour is within dE 5 of a hint, the share whose output is within dE 10 of it
right     of unhinted pieces whose output is within dE 10 of a hint, the share whose true colour is too
wrong     mean number of unhinted pieces per drawing whose output is within dE 10 of a hint and whose true colour is not
chroma    sum of the pieces' output chroma over the sum of the true chroma: 1 is right, more is garish
hinted    capped on the pixels of hinted pieces only; `permuted` is the same with the hints' channels permuted (R G B -> G B R)
unchanged for drawings without colour: the share of pixels within 8 of 255 of the line drawing, without hints
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy

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
SAME_COLOUR, SIMILAR_COLOUR = 5.0, 10.0  # dE 1976: limits for true colours and for outputs
UNCHANGED_LIMIT = 8  # of 255
SMALLEST, LARGEST = 24, 2048  # sides that drawings are measured at
MAX_ROWS = 10**9
OPTIONS = ("size", "counts", "limit", "group", "rules", "progress")

Report = dict[str, Any]
Colouring = Callable[[np.ndarray, Sequence[Dot]], np.ndarray]  # (line uint8 [h w], dots) -> uint8 [h w 3]


def psnr(one: np.ndarray, two: np.ndarray) -> float:
    """Peak signal to noise of two uint8 pictures, in dB, at most 40."""
    return _decibels(_squares(one, two), one.size, CAP)


def _squares(one: np.ndarray, two: np.ndarray) -> int:
    difference = one.astype(np.int32) - two
    return int(np.einsum("i,i->", difference.ravel(), difference.ravel(), dtype=np.int64))


def _decibels(squares: float, num: int, cap: float) -> float:
    return float(min(cap, -10 * np.log10(max(squares / num / 255**2, 1e-12))))


def num_coloured(picture: np.ndarray, where: np.ndarray) -> int:
    """The number of pixels at flat indices `where` that are farther than dE 10 from white."""
    pixels = picture.reshape(-1, 3)[where]
    pixels = pixels[pixels.min(-1) < 255].astype(np.int32)
    codes, counts = np.unique(pixels @ np.array([65536, 256, 1]), return_counts=True)  # flats have few colours, and Lab is slow
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1)
    return int(counts[np.linalg.norm(lab_of(colours) - lab_of(np.full(3, 255)), axis=-1) > SIMILAR_COLOUR].sum()) if len(codes) else 0


@dataclass
class Tally:
    """Sums over drawings at one count of hints; `pairs` are (part, whole)."""

    capped: list[float] = field(default_factory=list)
    hinted: list[float] = field(default_factory=list)
    permuted: list[float] = field(default_factory=list)
    squares: int = 0
    num: int = 0
    pairs: dict[str, np.ndarray] = field(
        default_factory=lambda: {n: np.zeros(2) for n in ("paper", "inside", "recall", "right", "wrong", "chroma")}
    )

    def add(self, truth: Truth, out: np.ndarray, hinted: Sequence[int], *, given: bool) -> None:
        """Add one drawing, its output (uint8 [h w 3]) and the numbers of its hinted pieces."""
        squares = _squares(out, truth.colour)
        self.capped.append(_decibels(squares, out.size, CAP))
        self.squares += squares
        self.num += out.size
        for name, where in (("paper", truth.paper), ("inside", truth.inside)):
            self.pairs[name] += num_coloured(out, where), len(where)
        flat = out.reshape(-1, 3)
        output_lab = lab_of(np.array([np.median(flat[piece.where], 0) for piece in truth.pieces]))
        self.pairs["chroma"] += [np.hypot(lab[:, 1], lab[:, 2]).sum() for lab in (output_lab, truth.lab)]
        if given:
            self._count_spread(truth.lab, output_lab, list(hinted))

    def _count_spread(self, true: np.ndarray, output_lab: np.ndarray, hinted: list[int]) -> None:
        """Count the unhinted pieces that took a hint's colour, rightly or wrongly."""
        others = np.setdiff1d(np.arange(len(true)), hinted)
        truly = np.linalg.norm(true[others, None] - true[None, hinted], axis=-1)
        taken = np.linalg.norm(output_lab[others, None] - true[None, hinted], axis=-1) <= SIMILAR_COLOUR
        shares, takes = (truly <= SAME_COLOUR).any(1), taken.any(1)
        self.pairs["recall"] += (taken & (truly <= SAME_COLOUR)).any(1).sum(), shares.sum()
        right = (taken & (truly <= SIMILAR_COLOUR)).any(1).sum()
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
    """The 95 % interval of the mean of values [n], by 1000 bootstrap samples with seed 0."""
    drawn = np.random.default_rng(0).integers(0, len(values), (1000, len(values)))
    return [round(float(v), 2) for v in np.percentile(values[drawn].mean(1), [2.5, 97.5])]


class Score:
    """The measurement of one colouring method: `add` each Truth in order, then `report`."""

    def __init__(self, colour: Colouring, counts: Sequence[str] = COUNTS) -> None:
        self.colour = colour
        self.tallies = {count: Tally() for count in counts}
        self.clusters: list[str] = []
        self.unchanged: list[float] = []
        self.num_seen = 0
        self.size = 0

    def add(self, truth: Truth) -> None:
        number, self.num_seen, self.size = self.num_seen, self.num_seen + 1, truth.line.shape[0]
        if not truth.pieces:
            difference = np.abs(truth.colour.astype(int) - truth.line[..., None])
            if difference.max() <= UNCHANGED_LIMIT:
                out = self._coloured(truth, [])
                self.unchanged.append(float((np.abs(out.astype(int) - truth.line[..., None]).max(-1) <= UNCHANGED_LIMIT).mean()))
            return
        self.clusters.append(truth.cluster)
        made: dict[tuple[Any, ...], np.ndarray] = {}  # a drawing of four pieces has the same hints at counts 5 and 10

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
                permuted_output = once([dot.permuted() for dot in dots])
                tally.hinted.append(psnr(out.reshape(-1, 3)[where], true))
                tally.permuted.append(psnr(permuted_output.reshape(-1, 3)[where], true[:, [1, 2, 0]]))

    def _coloured(self, truth: Truth, dots: Sequence[Dot]) -> np.ndarray:
        out = self.colour(truth.line, dots)
        if out.shape != truth.colour.shape or out.dtype != np.uint8:
            what = f"the output is {out.dtype} {list(out.shape)}, the sketch {list(truth.line.shape)}"
            raise GessoError(what, where=truth.cluster or None, fix="colour to uint8 [h w 3] of the sketch's size")
        return out

    def by_drawing(self, values: Sequence[float]) -> np.ndarray:
        """The mean of a figure over the colourings of each drawing, in the order of their names."""
        _, drawing = np.unique(self.clusters, return_inverse=True)
        return np.bincount(drawing, values) / np.bincount(drawing)

    def report(self) -> Report:
        """All figures as JSON; dB with two digits, shares with three."""
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
    colour: Colouring,
    counts: Sequence[str | int] | str | int = COUNTS,
    size: int | None = None,
) -> Report:
    """Measure one colouring method on drawings: Truths, or (line uint8 [h w], true colours uint8 [h w 3], cluster).

    `colour(line, dots)` returns uint8 [h w 3]; `by_hints` makes it from a model, `plain_rule` from a rule. To measure several times
    on the same drawings, keep a list of `truth_of(…)`. With `size`, drawings of another height are refused.
    """
    score = Score(colour, counts_of(counts))
    for row in rows:
        truth = row if isinstance(row, Truth) else truth_of(*row)
        if size is not None and truth.line.shape[0] != size:
            raise GessoError(f"a drawing {truth.line.shape[0]} pixels high among those of {size}", where=truth.cluster or None)
        score.add(truth)
    return score.report()


def by_hints(make: Callable[..., Any]) -> Colouring:
    """The colouring method of a model: `make(sketch=line, hints=[Hint, …], seed=0).image`, without `hints` if there are none."""
    from gesso.conditions.hints import Hint

    def colour(line: np.ndarray, dots: Sequence[Dot]) -> np.ndarray:
        hints = [Hint(dot.x, dot.y, "#{:02x}{:02x}{:02x}".format(*dot.rgb), radius=dot.radius) for dot in dots]
        return on_white(make(sketch=line, seed=0, **({"hints": hints} if hints else {})).image)

    return colour


def plain_rule(name: str) -> Colouring:
    """A colouring method without a network: "nothing", "flood" (bucket fill), "spare" (bucket fill that spares the paper) or "exact".

    "exact" fills the true area of the hinted pieces and the ink within 2 of 72 pixels of them; it uses the truth.
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
        flat[box][~outside | ((scipy.ndimage.distance_transform_edt(outside) <= reach) & (line[box] <= INK))] = dot.rgb
    return over_line(flat, line)


RULES: Mapping[str, Colouring] = {"nothing": _nothing, "flood": _flood, "spare": _spare, "exact": _exact}


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
    """Run the protocol on a parquet table, the val.parquet in a folder, or the held-out tenth of a folder of coloured pictures.

    Returns a row of figures per count of hints, under "hints".

    `make(sketch=line, hints=[Hint, …], seed=0)` returns an object with `.image`; None measures only rules. At `size` 72 the
    table's pictures are used, at other sizes its SVGs, rendered. `limit` takes only the first rows, `group` only the rows of one
    group (or, with "-" before it, the others). `rules` names plain rules ("nothing", "flood", "spare", "exact") to measure too,
    each with the gain of the network over it (capped with its interval, pooled). `progress` None shows a bar if stderr is a
    terminal. `options` holds the same parameters by name, as a recipe's measure gets them.
    """
    if options:
        if unknown := [name for name in options if name not in OPTIONS]:
            raise GessoError(f"colouring is measured without {unknown[0]!r}", where=f"--{unknown[0]}", fix="one of " + ", ".join(OPTIONS))
        given = {"size": size, "counts": counts, "limit": limit, "group": group, "rules": rules, "progress": progress, **options}
        for name in ("counts", "rules"):  # the command line may parse a single count as a number
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
    for truth in _with_progress(truths_of(table, size), len(table), progress):
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
    return size, None if limit is None else whole(limit, where="--limit", low=1, high=MAX_ROWS)


def added(own: Score, rule: Score) -> dict[str, dict[str, Any]]:
    """The gain of one colouring method over another on the same drawings, in dB, per count of hints."""
    rows = {}
    for count, tally in own.tallies.items():
        other = rule.tallies[count]
        more = own.by_drawing(tally.capped) - rule.by_drawing(other.capped)
        pooled = _decibels(tally.squares, tally.num, POOLED_CAP) - _decibels(other.squares, other.num, POOLED_CAP)
        rows[count] = {"capped": round(float(more.mean()), 2), "interval": interval(more), "pooled": round(pooled, 2)}
    return rows


def counts_of(given: Sequence[str | int] | str | int) -> tuple[str, ...]:
    """Parse counts of hints, whole numbers or "half", from a list or a text with commas; duplicates are removed."""
    parts = given.split(",") if isinstance(given, str) else [given] if isinstance(given, int) else list(given)
    counts = dict.fromkeys(str(part).strip() for part in parts)
    wrong = [count for count in counts if count != "half" and not (count.isascii() and count.isdigit() and len(count) < 6)]
    if wrong or not counts:
        what = f"{wrong[0]!r} is not a count of hints" if wrong else "no count of hints"
        raise GessoError(what, where="--counts", fix="whole numbers or half, as in " + ",".join(COUNTS))
    return tuple(count if count == "half" else str(int(count)) for count in counts)


def _with_progress(truths: Iterable[Truth], total: int, progress: bool | None) -> Iterable[Truth]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = not (console.is_terminal if progress is None else progress)
    return track(truths, description="measuring", total=total, console=console, transient=True, disable=hidden)
