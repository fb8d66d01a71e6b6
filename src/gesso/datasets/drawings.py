"""Line drawings with flat colours of a fixed palette, and synthetic drawings for running without data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gesso.rules.regions import drawn_regions

WHITE, BLACK = 0, 1  # the palette's first colours: paper and solid ink
# White, then k-means in CIE Lab over the pieces of the training tables of OpenMoji and the flat drawings; mean distance 7 delta E.
COLOURS = (
    "ffffff 000000 342928 29363f 623e29 414546 452d5e 832e25 319a30 547a36 f62108 7e584a 2e659b 626669 a0603e d52d46 a47432 db4433 "
    "5b7785 70aa46 522ceb f74135 3b64d0 6bda32 30b49a ee6a2a d7307f 3a89cf f38a1c 52d97a 35afcb c08b64 9569c1 b2d13e ee6372 ba3fce "
    "f9ab2b 9b9a9b fcc01b 46abe9 89a7b3 f0aa53 e96e98 f28677 3dc2f2 f8cf2b fde921 fdc744 e0a985 e7c179 acde9f bca0db 63dff7 fee068 "
    "f18cd6 f4abbb caccce efceaa a0d2f5 b4e5ed fad3c1 f9e9b1 e7e9ea"
).split()
PALETTE = np.array([[int(c[i : i + 2], 16) for i in (0, 2, 4)] for c in COLOURS], np.uint8)

# Weight of drawings without colour. Simulated users hint two in three coloured drawings and never an uncoloured one, so at equal
# weight the network would learn that no hints means no colour.
UNCOLOURED = 0.35


@dataclass(frozen=True)
class Drawing:
    """`line` uint8 [h w]; `pieces` int16 [h w], the number of each pixel's flat piece, also under the line; `classes` uint8 [n], the
    pieces' palette entries; `regions` uint8 [h w], the regions that the lines separate (`rules.regions`)."""

    line: np.ndarray
    pieces: np.ndarray
    classes: np.ndarray
    regions: np.ndarray


def drawing(line: np.ndarray, classes: np.ndarray) -> Drawing:
    """Make a Drawing from line values and a map of palette entries."""
    from skimage.measure import label

    pieces = label(classes.astype(np.int16) + 1, connectivity=1, background=-1) - 1
    first = np.zeros(pieces.max() + 1, np.uint8)
    first[pieces.ravel()] = classes.ravel()
    return Drawing(line, pieces.astype(np.int16), first, drawn_regions(line).astype(np.uint8))


@dataclass
class Drawings:
    """Clean examples for colouring: `line`, `pieces`, `classes`, `colours` and `regions`.

    `by_size` maps a size (the long side in pixels) to drawings, each a list of variants; `shares` is the share of batches of each
    size. Sizes may hold different drawings: indices count the drawings of the first size, and wrap around in the others.
    """

    name: str
    licence: str
    by_size: Mapping[int, Sequence[Sequence[Drawing]]]
    weights: np.ndarray | None = None
    augment: bool = True
    shares: Mapping[int, float] = field(default_factory=dict)
    size: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)  # files that could not be read: {name: why}
    content: str = ""  # a hash of the source, if known

    def __len__(self) -> int:
        return len(self._of(None))

    def _of(self, size: int | None) -> Sequence[Sequence[Drawing]]:
        return self.by_size[next(iter(self.by_size)) if size is None else size]

    def for_batch(self, rng: np.random.Generator) -> Drawings:
        """The same data at one size, drawn at random by `shares`, for a whole batch."""
        sizes = list(self.by_size)
        shares = np.array([self.shares.get(size, 0.0) for size in sizes])
        shares = shares if shares.sum() else np.ones(len(sizes))
        return replace(self, size=sizes[rng.choice(len(sizes), p=shares / shares.sum())])

    def batch_size(self, full: int) -> int:
        """The number of examples of this size that cost as much as `full` examples of 72 x 72."""
        return max(4, round(full * 72**2 / self._of(self.size)[0][0].line.size))

    def item(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        drawings = self._of(self.size)
        variants = drawings[index % len(drawings)]
        d = variants[int(rng.integers(len(variants))) if self.augment else 0]
        turn = (slice(None), slice(None, None, -1 if self.augment and rng.random() < 0.5 else 1))
        clean = {"line": d.line[turn], "pieces": d.pieces[turn], "regions": d.regions[turn]}
        return {**clean, "classes": d.classes, "colours": PALETTE[d.classes]}

    def frame(self, items: Sequence[Mapping[str, Any]]) -> Any:
        from gesso.ports import Frame

        h, w = items[0]["line"].shape
        return Frame(size=(h, w), page=(h, w))

    def stack(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        import torch

        most = max(len(i["classes"]) for i in items)
        classes = np.full((len(items), most), -1, np.int64)
        for row, item in zip(classes, items, strict=True):
            row[: len(item["classes"])] = item["classes"]
        return {
            "line": torch.from_numpy(np.stack([i["line"] for i in items])),
            "pieces": torch.from_numpy(np.stack([i["pieces"] for i in items]).astype(np.int64)),
            "classes": torch.from_numpy(classes),
            "colours": torch.from_numpy(PALETTE[classes]),  # -1 pads, never looked up
        }


def merged(parts: Sequence[Drawings]) -> Drawings:
    """Concatenate several sets of drawings, size by size."""
    by_size: dict[int, list[Sequence[Drawing]]] = {}
    for part in parts:
        for size, drawings in part.by_size.items():
            by_size.setdefault(size, []).extend(drawings)
    first = min(by_size)
    weights = [np.ones(len(p.by_size[first])) if p.weights is None else p.weights for p in parts if first in p.by_size]
    names, licences = (list(dict.fromkeys(v)) for v in ([p.name for p in parts], [p.licence for p in parts]))
    inside, content = dict(sorted(by_size.items())), " ".join(part.content for part in parts)
    return Drawings(
        " + ".join(names), "; ".join(licences), inside, np.concatenate(weights), parts[0].augment, parts[0].shares, content=content
    )


def synthetic_set(split: str = "train", num: int = 48, size: int = 72) -> Drawings:
    """Synthetic drawings of discs and boxes, each shape in one colour, for running without data."""
    rng = np.random.default_rng([11, {"train": 0, "val": 1, "dev": 2}.get(split, 3)])
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    yellow, others = (
        nearest(np.array([[[252, 234, 43]]]))[0, 0],
        nearest(np.array([[[255, 255, 255], [234, 90, 71], [97, 178, 228], [177, 204, 51]]])),
    )
    out = []
    for _ in range(num):
        line, classes = np.full((size, size), 255, np.uint8), np.zeros((size, size), np.uint8)
        for _ in range(rng.integers(1, 5)):
            cy, cx = rng.uniform(0.2, 0.8, 2) * size
            ry, rx = rng.uniform(0.1, 0.3, 2) * size
            round_ = rng.random() < 0.5
            away = np.hypot((ys - cy) / ry, (xs - cx) / rx) if round_ else np.maximum(abs(ys - cy) / ry, abs(xs - cx) / rx)
            inside, edge = away <= 1, (abs(away - 1) * min(ry, rx) <= 1.2)
            line[inside], classes[inside] = 255, yellow if round_ else rng.choice(others[0])
            line[edge] = 0
        out.append([drawing(line, classes)])
    return Drawings("made up", "Apache-2.0", {size: out}, augment=split == "train")


def nearest(picture: np.ndarray) -> np.ndarray:
    """The palette entries uint8 [h w] nearest to a picture's colours in CIE Lab."""
    from gesso.rules.palette import lab_of

    packed = picture.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    codes, back = np.unique(packed.ravel(), return_inverse=True)
    colours = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1)
    away = np.linalg.norm(lab_of(colours)[:, None] - lab_of(PALETTE)[None], axis=-1)
    entries = away.argmin(1)
    entries[(entries == WHITE) & (colours.min(1) < PAPER)] = len(PALETTE) - 1  # pale colours are not paper, although white is nearest
    entries[colours.min(1) >= PAPER] = WHITE
    return entries.astype(np.uint8)[back.reshape(picture.shape[:2])]


PAPER = 243  # a colour with all channels at least this is paper
