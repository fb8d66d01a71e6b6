"""Reading of line art: which pixels are lines, in which colour, and what the paper's colour is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import scipy

from gesso.errors import GessoError
from gesso.rules.fill import over_line
from gesso.rules.hint_pieces import pieces_under
from gesso.rules.inks import local_maximum, unmix_inks
from gesso.rules.line import INK, line_values, local_paper_level
from gesso.rules.pieces import Pieces

Lines = Literal["auto", "dark", "light", "alpha", "colour"]
RGB = tuple[int, int, int]
Marks = Iterable[tuple[Sequence[tuple[float, float]], RGB, float]]  # points, colour, radius

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
WIDEST = 0.02  # half of a stroke's greatest width, as a share of the page's long side; wider ink is an area
NEAR = 24  # levels: values this near to the ground's most frequent value are ground
FAINT = 24  # levels: smaller differences from the paper are not lines
RIM = 6  # the same beside a line, where its antialiased rim fades into the paper
CONTRAST = 40  # levels: lighter than the ground by this is a light line
TINTED = 24  # levels between the largest and the smallest channel from which ink counts as coloured
TINTED_SCAN = 40  # the same for scans, after the paper's colour is removed
CLEAR = 32  # alpha below this counts as transparent
PALE = 170  # ink with all channels above this is invisible on white paper
FEW = 12  # fewer pixels than this are specks

NO_INK, ALL_INK = 1e-4, 0.9  # shares of a page
PLAIN = 0.5  # a page with a smaller share of ground is not a drawing, but for example a photograph


@dataclass(frozen=True)
class Reading:
    """The result of reading a drawing.

    `line` uint8 [h w]: 255 is paper, 0 full ink. `kind` is how it was read: "dark" lines (the usual case), "light" lines on a dark
    ground, "alpha": the opaque pixels, "colour": coloured lines. `ink` uint8 [h w 3] is the lines' colour, None if all are black. `paper`
    is the colour of pixels that are left uncoloured, and `plain` the share of the page that has its most frequent colour.
    """

    line: np.ndarray
    kind: str = "dark"
    ink: np.ndarray | None = None
    paper: RGB = WHITE
    plain: float = 1.0

    def notes(self, num_closed: int) -> tuple[str, ...]:
        """Names of notes for the user: the kind of lines unless it is the usual one, then the `warnings`."""
        return (() if self.kind == "dark" else (self.kind,)) + warnings(self.line, num_closed, self.plain)

    def layers(self, flats: np.ndarray) -> dict[str, Any]:
        """The lines over flats uint8 [h w 3] as an output of the medium "layers"."""
        inks = {} if self.ink is None else {"ink": self.ink}
        return {"line": self.line, "flats": flats, **inks, **({} if self.paper == WHITE else {"paper": list(self.paper)})}


def read_lines(picture: np.ndarray, lines: Lines = "auto") -> Reading:
    """Read a picture, uint8 (or bool) [h w] or [h w 1|2|3|4], as line art; two and four channels end with alpha.

    `lines` is the kind of lines; "auto" detects it. Dark lines without colour give exactly `line_values`. GessoError if `lines` is
    "alpha" and no pixel is transparent.
    """
    planes, alpha = _channels(picture)
    if planes is None:
        return Reading(line_values(picture))
    if lines == "alpha" and (alpha is None or not (alpha < CLEAR).any()):
        raise GessoError("no part of this drawing is transparent", where="lines", fix="auto, dark, light or colour")
    if alpha is not None and (lines == "alpha" or (lines == "auto" and _is_ink(planes, alpha))):
        return _transparent(picture, planes, alpha)
    page = planes if alpha is None else _on_white(planes, alpha)
    return replace(_opaque(picture, page, lines), plain=_plain_share(page))


def _opaque(picture: np.ndarray, page: np.ndarray, lines: Lines) -> Reading:
    """Read an opaque drawing; `page` is the `picture` composited on white."""
    if lines == "light" or (lines == "auto" and _is_light(page)):
        return _light(page)
    if page.ndim == 3 and (lines == "colour" or (lines == "auto" and _plain_share(page) >= PLAIN)):
        return _coloured(picture, page, everything=lines == "colour")
    return Reading(line_values(picture))


def _plain_share(page: np.ndarray) -> float:
    """The share of a page that has nearly its most frequent colour."""
    grey = _grey(page)
    middle = _middle(page, np.abs(grey - _ground(grey)) <= 8)
    planes = [page] if page.ndim == 2 else [page[..., channel] for channel in range(3)]
    near = [np.abs(plane - np.int16(level)) <= CONTRAST for plane, level in zip(planes, middle, strict=False)]
    return float(np.logical_and.reduce(near).mean())


def _middle(page: np.ndarray, where: np.ndarray) -> RGB:
    """The median colour of the pixels `where` of a page, from a sample of at least 200,000 if there are more."""
    places = np.flatnonzero(where)
    if not len(places):
        return BLACK
    some = page.reshape(-1, *page.shape[2:])[places[:: max(1, len(places) // 200_000)]]
    red, green, blue = np.broadcast_to(np.median(some, axis=0), 3).astype(int).tolist()
    return red, green, blue


def warnings(line: np.ndarray, num_closed: int, plain: float = 1.0) -> tuple[str, ...]:
    """Names of problems of line values uint8 [h w] with `num_closed` pieces; their output may be useless.

    "no_line": an empty page; "all_ink": nearly all of it is ink; "scarce_paper": hardly any paper, as in a photograph; "no_piece": no
    line encloses an area.
    """
    ink = float((line <= INK).mean())
    scarce = ("scarce_paper",) if plain < PLAIN else ()
    if ink < NO_INK:
        return scarce or ("no_line",)
    if ink > ALL_INK:
        return ("all_ink",)
    return scarce + (("no_piece",) if num_closed < 2 else ())


def restore_paper_and_ink(
    images: list[np.ndarray], flats: list[np.ndarray], pieces: Pieces, read: Reading, marks: Marks
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pictures uint8 [h w 3] and their flats with the drawing's own paper and ink instead of white paper and black lines.

    White flats are paper, unless one of `marks` is white there.
    """
    if read.paper != WHITE:
        white = [piece for points, rgb, radius in marks if tuple(rgb) == WHITE for piece, _ in pieces_under(pieces, points, radius)]
        table = np.zeros(pieces.num, bool)
        table[white] = True
        meant = table[pieces.labels]
        flats = [_painted_over(one, read.paper, (one == 255).all(-1) & ~meant) for one in flats]
    elif read.ink is None:
        return images, flats
    return [over_line(one, read.line, read.ink) for one in flats], flats


def _painted_over(flat: np.ndarray, colour: RGB, where: np.ndarray) -> np.ndarray:
    out = flat.copy()
    out[where] = colour
    return out


def _channels(picture: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Grey uint8 [h w] or colour uint8 [h w 3], and alpha uint8 [h w] or None if all is opaque; (None, None) if this is not a picture."""
    whole = isinstance(picture, np.ndarray) and picture.size > 0 and picture.dtype in (np.uint8, bool)
    if not whole or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 2, 3, 4)):
        return None, None
    if picture.dtype == bool:
        picture = picture.astype(np.uint8) * np.uint8(255)
    if picture.ndim == 2:
        return picture, None
    several = picture.shape[2] in (2, 4)
    alpha = picture[..., -1] if several and (picture[..., -1] < 255).any() else None
    rgb = picture[..., : picture.shape[2] - several]
    seen = rgb if alpha is None else rgb[alpha > 0]
    grey = rgb.shape[2] == 1 or bool((seen[..., :-1] == seen[..., 1:]).all())
    return (rgb[..., 0] if grey else rgb), alpha


def _on_white(planes: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    weight = alpha.astype(np.uint16) if planes.ndim == 2 else alpha[..., None].astype(np.uint16)
    return ((planes * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _as_colour(planes: np.ndarray) -> np.ndarray:
    return planes if planes.ndim == 3 else np.repeat(planes[..., None], 3, -1)


def _grey(planes: np.ndarray) -> np.ndarray:
    """Luminance int16 [h w]."""
    if planes.ndim == 2:
        return planes.astype(np.int16)
    red, green, blue = (planes[..., channel].astype(np.uint16) for channel in range(3))
    return ((red * np.uint16(77) + green * np.uint16(150) + blue * np.uint16(29) + np.uint16(128)) >> 8).astype(np.int16)


def _wider_than_strokes(where: np.ndarray, more: int = 0) -> np.ndarray:
    """The parts of a mask bool [h w] that are wider than a stroke, dilated by `more` pixels."""
    half = max(2, round(WIDEST * max(where.shape)))
    step = max(1, half // 10)  # large pages are processed coarsely
    height, width = where.shape
    rows, columns = -(-height // step), -(-width // step)
    padded = np.pad(where, ((0, rows * step - height), (0, columns * step - width)), mode="edge")
    coarse = padded.reshape(rows, step, columns, step).all((1, 3))
    inner = scipy.ndimage.minimum_filter(coarse, 2 * (half // step) + 1, mode="nearest")
    grown = scipy.ndimage.maximum_filter(inner, 2 * (-(-(half + more) // step) + (step > 1)) + 1, mode="nearest")
    return np.asarray(grown.repeat(step, 0).repeat(step, 1)[:height, :width])


def _is_thin(where: np.ndarray) -> bool:
    """Whether most of these pixels are strokes."""
    return bool((where & _wider_than_strokes(where)).sum() < 0.4 * where.sum())


# Transparent drawings


def _is_ink(planes: np.ndarray, alpha: np.ndarray) -> bool:
    """Whether the opaque pixels are the lines themselves, not a cut-out sheet with lines on it."""
    drawn = alpha >= 96
    if (alpha < CLEAR).mean() < 0.2 or drawn.sum() < FEW:
        return False
    return _is_thin(drawn) or bool((_grey(planes)[drawn] <= INK).mean() < 0.002)


def _transparent(picture: np.ndarray, planes: np.ndarray, alpha: np.ndarray) -> Reading:
    drawn = alpha >= 96 if (alpha >= 96).any() else alpha > 0
    if not drawn.any():
        return Reading(line_values(255 - alpha), "alpha")
    inks = planes[drawn]
    if planes.ndim == 2 or bool((np.ptp(inks, axis=-1) < TINTED).mean() > 0.98):
        dark = inks if inks.ndim == 1 else inks.max(-1)
        if np.quantile(dark, 0.98) < 128:
            return Reading(line_values(picture))
    pale = ((inks if inks.ndim == 1 else inks.min(-1)) > PALE).mean() > 0.5
    return Reading(line_values(255 - alpha), "alpha", _as_colour(planes), BLACK if pale else WHITE)


# Light lines on a dark ground


def _is_light(page: np.ndarray) -> bool:
    """Whether most of the page is a ground darker than white paper, with lighter strokes on it and hardly any darker ones."""
    grey = _grey(page)
    ground = _ground(grey)
    if ground > 255 - CONTRAST - NEAR or _plain_share(page) < 0.6:
        return False
    near = np.abs(grey - ground) <= NEAR
    if near.mean() < 0.5 or _rim(grey <= ground + CONTRAST).mean() < 0.7:
        return False
    brightest = grey if page.ndim == 2 else page.max(-1).astype(np.int16)
    lighter = brightest > int(np.median(brightest[near])) + CONTRAST
    if lighter.sum() < FEW or not _is_thin(lighter):
        return False
    darker = np.clip(ground - NEAR - grey, 0, None)
    return bool((brightest[lighter] - ground).sum() > 3 * darker.sum(dtype=np.int64))


def _ground(grey: np.ndarray) -> int:
    """The page's most frequent value, from a sample of a large page."""
    counts = np.bincount(grey.ravel()[:: grey.size // 1_000_000 | 1], minlength=256)
    return int(np.convolve(counts, np.ones(7), mode="same").argmax())


def _rim(where: np.ndarray) -> np.ndarray:
    """The pixels along the page's edge."""
    side = max(1, max(where.shape) // 100)
    return np.concatenate([part.ravel() for part in (where[:side], where[-side:], where[:, :side], where[:, -side:])])


def _light(page: np.ndarray) -> Reading:
    grey = _grey(page)
    level = _ground(np.where(grey <= 255 - CONTRAST - NEAR, grey, 0)) if (grey <= 255 - CONTRAST - NEAR).any() else 0
    near = np.abs(grey - level) <= NEAR
    paper = _middle(page, near)
    strength = _strength(page, paper)
    if (strength == 0).mean() < 0.6:  # a scan: the ground is not one colour
        strength = 255 - _without_paper(255 - strength)
    line = line_values(255 - strength)
    core = strength >= max(64, int(np.quantile(strength[strength > FAINT], 0.8))) if (strength > FAINT).any() else strength > 255
    if not core.any():
        return Reading(line, "light", np.full((*grey.shape, 3), 255, np.uint8), paper)
    inks = _as_colour(page)[core]
    if (np.ptp(inks, axis=-1) >= TINTED_SCAN).mean() < 0.05:
        ink = np.quantile(inks, 0.9, axis=0).astype(np.uint8)
        return Reading(line, "light", np.broadcast_to(ink, (*grey.shape, 3)), paper)
    line = np.full_like(line, 255)
    near = local_maximum(strength > FAINT, 2)
    return Reading(line, "light", _drawn_in(line, _as_colour(page), paper, near & (strength > RIM)), paper)


def _strength(page: np.ndarray, paper: RGB) -> np.ndarray:
    """The distance of each pixel from the paper's colour, uint8 [h w]: 0 is paper, 255 the end of a channel's range.

    On a dark ground, darker pixels count as paper, because they are shadows.
    """
    out = np.zeros(page.shape[:2], np.uint8)
    for channel, level in enumerate(paper[:1] if page.ndim == 2 else paper):
        off = np.arange(256) - level
        darker = -off * 255 / max(64, level) if max(paper) >= 128 else 0
        share = np.rint(np.where(off > 0, off * 255 / max(64, 255 - level), darker)).clip(0, 255).astype(np.uint8)
        np.maximum(out, share[page if page.ndim == 2 else page[..., channel]], out=out)
    return out


# Lines in colours on paper


def _coloured(picture: np.ndarray, page: np.ndarray, *, everything: bool) -> Reading:
    """Read coloured strokes as full ink in their colour, and the rest as dark lines; `page` is the `picture` composited on white.

    With `everything`, all pixels that are not paper are ink in their own colour, including areas.
    """
    lowest, highest = _ends(page)
    scanned = (lowest == 255).mean() < 0.2
    if scanned:
        page = _balanced(page)
        lowest, highest = _ends(page)
    strength, tint = 255 - lowest, highest - lowest
    noise = 4 * _median(strength)
    if everything:
        line = np.full(strength.shape, 255, np.uint8)
        return Reading(line, "colour", _drawn_in(line, page, WHITE, strength > max(FAINT, noise)))
    least = max(TINTED_SCAN, 4 * _median(tint)) if scanned else TINTED
    tinted = (strength > max(FAINT, noise)) & (tint >= least)
    tinted &= (tint >= 0.35 * strength) if scanned else True
    if tinted.sum() < FEW:
        return Reading(line_values(picture))
    luminance = _grey(page).astype(np.uint8)
    inside = _among_lines(tinted, strength)
    areas = _wider_than_strokes(tinted & (luminance > INK), 3) | (
        inside & (luminance > INK)
    )  # pale fills, including their rim beside a line
    strokes = tinted & ~areas & ~inside
    if strokes.sum() < max(FEW, 0.005 * (luminance <= INK).sum()):
        return Reading(_above(luminance, areas) if areas.any() and not scanned else line_values(picture))
    near = local_maximum(strokes, 2) & ~areas
    line = _above(np.where(near, np.uint8(255), luminance), areas)
    return Reading(line, "colour", _drawn_in(line, page, WHITE, near & (strength > max(RIM, noise))))


def _ends(page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The minimum and the maximum over the channels of each pixel."""
    red, green, blue = (page[..., channel] for channel in range(3))
    return np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)


def _median(plane: np.ndarray) -> int:
    """The median, from a sample of a large plane."""
    return int(np.median(plane.ravel()[:: plane.size // 1_000_000 | 1]))


def _among_lines(tinted: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """The `tinted` pixels beside grey ink instead of paper: fills, and the coloured rims of black lines in scans."""
    labels, num = scipy.ndimage.label(tinted, np.ones((3, 3)))
    rim = tinted & local_maximum(~tinted, 1)
    grey = local_maximum(np.where(tinted, np.uint8(0), strength), 2)
    around = np.bincount(labels[rim], minlength=num + 1)
    beside = np.bincount(labels[rim & (grey >= 0.6 * strength)], minlength=num + 1)
    return np.asarray((2 * beside > around)[labels])


def _above(luminance: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Line values of a page, except that `areas`, which are not lines, keep their luminance."""
    return np.where(areas, luminance, line_values(np.where(areas, np.uint8(255), luminance)))


def _balanced(page: np.ndarray) -> np.ndarray:
    """A scan whose paper is made white in every channel."""
    return np.dstack([_without_paper(page[..., channel]) for channel in range(3)])


def _without_paper(plane: np.ndarray) -> np.ndarray:
    """Values uint8 [h w] whose paper and its noise are 255, with uneven lighting removed."""
    counts = np.bincount(plane.ravel(), minlength=256)
    level = local_paper_level(plane, 64 + int(np.convolve(counts, np.ones(7), mode="same")[64:].argmax()))
    level = np.maximum(level - 3 * float(np.median(np.abs(plane - level))), 1.0)
    return np.minimum(np.rint(plane * (255.0 / level)), 255).astype(np.uint8)


def _drawn_in(line: np.ndarray, page: np.ndarray, paper: RGB, drawn: np.ndarray) -> np.ndarray:
    """Write the ink of the `drawn` pixels into `line`; returns the inks' colours, uint8 [h w 3], black elsewhere."""
    amount, colours = unmix_inks(page, paper, drawn)
    line[drawn] = 255 - np.rint(255 * amount).astype(np.uint8)
    ink = np.zeros_like(page)
    ink[drawn] = colours
    return ink
