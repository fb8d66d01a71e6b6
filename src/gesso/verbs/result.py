"""The result of a request: outputs by name, the record that replays them, and the files they are written to."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.errors import GessoError
from gesso.marking.signing_request import ORA, PNG, PSD, Branch, Format, signing_request_of
from gesso.media.density import Dpi
from gesso.media.file import write_atomic
from gesso.media.layers import RGB, Layered, layered
from gesso.media.ora import encode_ora
from gesso.media.picture import data_url, encode_png
from gesso.media.psd import encode_psd
from gesso.record import KEYWORD, encoded, plain

if TYPE_CHECKING:
    from PIL.Image import Image

    from gesso.card import Card
    from gesso.marking.marker import Marked, Marker
    from gesso.record import Record
    from gesso.request import Request


LAYERED = (".ora", ".psd")
FORMATS: dict[str, Format] = {".png": PNG, ".ora": ORA, ".psd": PSD}


class Result:
    """Outputs by the card's names, as attributes: pictures as PIL images, everything else as the recipe gave it.

    `outputs` holds pictures as uint8 [h w], [h w 3] or [h w 4], read-only because the record has their hash.
    `notes` are the names of notes for the user (how an input was read, why an output may be useless); `said` has their words.
    A notebook shows its pictures.
    """

    def __init__(
        self, card: Card, outputs: Mapping[str, Any], request: Request, describe: Callable[[], Record], notes: Iterable[str] = ()
    ) -> None:
        self.card, self.outputs, self.request, self._describe = card, dict(outputs), request, describe
        self.notes = tuple(notes)

    @cached_property
    def record(self) -> Record:
        """The record, made when it is first read: a measure of thousands of pictures needs none."""
        return self._describe()

    def __getattr__(self, name: str) -> Any:
        outputs = self.__dict__.get("outputs", {})
        if name not in outputs:
            raise AttributeError(f"this result has no {name!r}; it has {', '.join(outputs) or 'nothing'}")
        if self._medium(name) == "pictures":
            return [_image(pixels) for pixels in outputs[name]]
        return _image(outputs[name]) if self._medium(name) == "picture" else outputs[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.outputs})

    def __repr__(self) -> str:
        parts = [f"{name}={_short(value)}" for name, value in self.outputs.items()]
        return f"Result({self.card.name}, seed={self.request.seed}, {', '.join(parts)})"

    @property
    def said(self) -> list[dict[str, Any]]:
        """The notes with their words: [{"note": name, "words": {"en", "ko"}}]."""
        return [{"note": name, "words": dict(self.card.note(name))} for name in self.notes]

    @property
    def shown(self) -> str | None:
        """The name of the first output that is a picture."""
        return next((out.name for out in self.card.outputs if out.medium == "picture" and out.name in self.outputs), None)

    def png(self, name: str | None = None) -> bytes:
        """A picture as PNG, in sRGB, with the record inside and the DPI of an input picture of the same size."""
        chosen = name or self.shown
        if chosen is None or chosen not in self.outputs or self._medium(chosen) != "picture":
            pictures = ", ".join(out.name for out in self.card.outputs if out.medium == "picture")
            what = f"{self.card.name} makes no picture {name!r}" if name else f"{self.card.name} makes no picture"
            raise GessoError(what, where="--take" if name else "--out", fix=f"one of {pictures}" if pictures else "save it as .json")
        pixels = self.outputs[chosen]
        return encode_png(pixels, self._texts(), dpi=self._dpi(pixels.shape[:2]), srgb=True)

    def layered(self, name: str | None = None) -> Layered:
        """The layers of the output `name`, or of the first whose medium is "layers": the line over its flats.

        Such an output is {"line": uint8 [h w], "flats": uint8 [h w 3]} and may have {"names": {"#rrggbb": a layer's name}}, the line's
        "ink" (uint8 [h w 3]; black without it) and the "paper"'s colour (white without it).
        """
        chosen = next((out.name for out in self.card.outputs if out.medium == "layers" and name in (None, out.name)), None)
        if chosen is None or chosen not in self.outputs:
            what = f"{self.card.name} makes no layers {name!r}" if name else f"{self.card.name} makes no layers"
            raise GessoError(what, where="--take" if name else "--out", fix="save it as .png")
        parts = self.outputs[chosen]
        names = {_rgb(colour): words for colour, words in parts.get("names", {}).items()}
        paper = tuple(parts.get("paper", (255, 255, 255)))
        return layered(parts["line"], parts["flats"], names, ink=parts.get("ink"), paper=paper, dpi=self._dpi(parts["line"].shape))

    def ora(self, name: str | None = None) -> bytes:
        """Layers as OpenRaster, with the record inside."""
        return encode_ora(self.layered(name), {"parameters": self.record.parameters()}, self.record.text())

    def psd(self, name: str | None = None) -> bytes:
        """Layers as a Photoshop document, with the record inside."""
        return encode_psd(self.layered(name), {"parameters": self.record.parameters()}, self.record.text())

    def values(self) -> dict[str, Any]:
        """Outputs that are neither pictures nor layers, as plain JSON values."""
        return {name: plain(value) for name, value in self.outputs.items() if not self._is_shown(name)}

    def json(self) -> bytes:
        """All outputs, pictures and layers as data URLs, and the record."""
        pictures = {name: _urls(value) for name, value in self.outputs.items() if self._is_shown(name)}
        held = {"outputs": self.values() | pictures, "notes": self.said, "record": self.record.to_json()}
        return encoded(json.dumps(held, ensure_ascii=False, indent=1) + "\n")

    def save(self, path: str | Path, name: str | None = None, *, mark: Marker | None = None) -> Path:
        """Write a picture (`name`, or the first) and the record into a .png, or all outputs and the record into a .json.

        A result with layers may also be written into an .ora or a .psd. The write is atomic, and folders are created. `mark` signs the
        file (a .psd by a .c2pa beside it). GessoError where it cannot be signed; nothing is written then.
        """
        target = Path(path)
        check_out(target, self.card)
        self.write(target, name, mark=mark)
        return target

    def write(self, target: Path, name: str | None = None, *, mark: Marker | None = None) -> None:
        """As `save`, for a path that `check_out` has checked."""
        kind, beside = target.suffix.lower(), None
        if mark is None:
            data = self.file(kind, name)
        else:
            data, beside, why = self.marked(kind, mark, name)
            if why is not None:
                raise GessoError(f"it could not be signed: {why}", where=target, fix="save it unsigned: without --mark")
        make_folder(target.parent)
        if beside is not None:
            write_atomic(target.with_suffix(".c2pa"), beside)
        write_atomic(target, data)

    def marked(self, kind: str, marker: Marker, name: str | None = None, *, branch: Branch | None = None) -> Marked:
        """The bytes of `file`, signed as content credentials (`gesso.marking`). GessoError for formats that carry none."""
        if kind not in FORMATS:
            raise GessoError(f"{kind} carries no content credentials", where="--mark", fix="one of " + ", ".join(FORMATS))
        first = next((out.name for out in self.card.outputs if out.medium == "layers"), None) if kind in LAYERED else self.shown
        data = self.file(kind, name)  # GessoError where there is no such output
        return marker.mark(signing_request_of(self.card, self.request, self.record, name or first or "", FORMATS[kind], branch), data)

    def file(self, kind: str, name: str | None = None) -> bytes:
        """The bytes that `save` writes for this suffix: .png, .json, .ora or .psd."""
        return self.json() if kind == ".json" else {".png": self.png, ".ora": self.ora, ".psd": self.psd}[kind](name)

    def _medium(self, name: str) -> str:
        return next((out.medium for out in self.card.outputs if out.name == name), "")

    def _is_shown(self, name: str) -> bool:
        return self._medium(name) in ("picture", "pictures", "layers")

    def _texts(self) -> dict[str, str]:
        return {KEYWORD: self.record.text(), "parameters": self.record.parameters()}

    def _dpi(self, size: tuple[int, ...]) -> Dpi | None:
        """The DPI of the first input picture of that (height, width)."""
        given = (value for value in self.request.conditions.values() if value.page == tuple(size))
        return next((dpi for value in given if (dpi := getattr(value, "dpi", None)) is not None), None)

    def _repr_png_(self) -> bytes | None:
        return None if self.shown is None else self.png()

    def _repr_html_(self) -> str:
        cells = []
        for name, value in self.outputs.items():
            caption = html.escape(name)
            if self._medium(name).startswith("picture"):
                urls = [_urls(one) for one in (value if isinstance(value, tuple) else (value,))]
                body = "".join(f'<img alt="{caption}" style="max-width:384px" src="{url}">' for url in urls)
            else:
                body = f"<code>{html.escape(_short(value))}</code>"
            cells.append(f"<figure style='display:inline-block'>{body}<figcaption>{caption}</figcaption></figure>")
        return f"<div>{''.join(cells)}<p>{html.escape(self.card.name)}, seed {self.request.seed}</p></div>"


def check_out(path: Path, card: Card | None = None) -> None:
    """GessoError for a path that no result (of the card's recipe) can be written to."""
    kind, has_layers = path.suffix.lower(), card is None or any(out.medium == "layers" for out in card.outputs)
    if kind not in (".png", ".json", *LAYERED):
        kinds = ".png, .ora, .psd or .json" if has_layers else ".png or .json"
        raise GessoError(f"results are written as {kinds}", where=path, fix=f"{path.stem or 'result'}.png")
    if kind in LAYERED and not has_layers:
        raise GessoError(f"{card.name if card else 'it'} makes no layers", where=path, fix=f"{path.stem or 'result'}.png")
    if path.is_dir():
        raise GessoError("cannot write: a folder of that name is in the way", where=path, fix="give the name of a file")


def output_paths(out: Path | None, card: Card, seeds: Sequence[int | None]) -> list[Path | None]:
    """A path for each seed, checked: `out` with {seed} replaced, or with the seed before its suffix where there are several.

    Without `out`, a free name in the current folder; None where the recipe makes no picture.
    """
    if out is None:
        if not any(one.medium == "picture" for one in card.outputs):
            return [None] * len(seeds)
        out = next(path for number in itertools.count(1) if not (path := Path(f"{card.name}-{number}.png")).exists())
    paths: list[Path | None] = []
    for seed in seeds:
        if "{seed}" in out.name:
            path = out.with_name(out.name.replace("{seed}", str(seed or 0)))
        else:
            path = out if len(seeds) == 1 else out.with_name(f"{out.stem}-{seed}{out.suffix}")
        check_out(path, card)
        paths.append(path)
    return paths


def signer(paths: Iterable[Path | None]) -> Marker:
    """This machine's signer. GessoError, before any work is done, where it cannot sign, or where a path has no place for credentials."""
    from gesso.marking.home import SIGNING, default_home
    from gesso.marking.marker import Marker

    for path in paths:
        if path is None or path.suffix.lower() not in FORMATS:
            raise GessoError("only pictures carry content credentials", where="--mark", fix="--out picture.png, .ora or .psd")
    made = Marker(default_home() / SIGNING)
    why = made.told()["why"]
    if why is not None:
        raise GessoError(f"outputs cannot be signed here: {why}", where="--mark", fix="leave --mark out")
    return made


def named_files(given: Mapping[str, Any]) -> Iterator[str | Path]:
    """Texts and paths among the values, and the parts of a text between commas: all that may name an input file."""
    for value in given.values():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, str):
                yield from (one, *one.split(","))
            elif isinstance(one, Path):
                yield one


def refuse_overwriting(outs: Iterable[Path | None], inputs: Iterable[str | Path | None]) -> None:
    """GessoError where an output would overwrite an input."""
    existing = [Path(one) for one in inputs if one is not None and is_file(one)]
    for out in outs:
        if out is not None and out.exists() and any(out.samefile(one) for one in existing):
            raise GessoError("the output would overwrite an input", where=out, fix="choose another name for --out")


def is_file(value: Any) -> bool:
    try:
        return isinstance(value, (str, Path)) and Path(value).is_file()
    except (OSError, ValueError):  # the text is too long to be a path, or holds a zero byte
        return False


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GessoError(
            f"the folder could not be made: {(error.strerror or 'refused').lower()}", where=path, fix="choose another place"
        ) from error


def _image(pixels: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(pixels)


def _rgb(colour: str) -> RGB:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _urls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: data_url(one) if isinstance(one, np.ndarray) else plain(one) for name, one in value.items()}
    return [data_url(one) for one in value] if isinstance(value, tuple) else data_url(value)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return f"{len(value)} x {_short(value[0])}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
