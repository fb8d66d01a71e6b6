"""The result of a request: outputs by name, the record that replays them, and the files they are written to."""

from __future__ import annotations

import html
import itertools
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.errors import GessoError
from gesso.marking.signing_request import FORMATS, Branch, signing_request_of
from gesso.media.density import Dpi
from gesso.media.file import write_atomic
from gesso.media.layers import MEDIUM as LAYERS
from gesso.media.layers import Layered
from gesso.media.medium import VALUE, Carried, Medium, endings_of, media, medium, medium_of_file
from gesso.media.picture import data_url
from gesso.record import encoded, plain

if TYPE_CHECKING:
    from PIL.Image import Image

    from gesso.card import Card
    from gesso.marking.marker import Marker, SignedFile
    from gesso.record import Record
    from gesso.request import Request


class Result:
    """Outputs by the card's names, as attributes: pictures as PIL images, other outputs unchanged.

    `outputs` holds pictures as uint8 [h w], [h w 3] or [h w 4], read-only because the record has their hash.
    `notes` are the names of notes for the user (how an input was read, why an output may be useless); `note_texts` has their texts.
    A notebook shows its pictures.
    """

    def __init__(
        self, card: Card, outputs: Mapping[str, Any], request: Request, describe: Callable[[], Record], notes: Iterable[str] = ()
    ) -> None:
        self.card, self.outputs, self.request, self._describe = card, dict(outputs), request, describe
        self.notes = tuple(notes)

    @cached_property
    def record(self) -> Record:
        """The record, made when it is first read: measuring thousands of pictures does not need it."""
        return self._describe()

    def __getattr__(self, name: str) -> Any:
        outputs = self.__dict__.get("outputs", {})
        if name not in outputs:
            raise AttributeError(f"this result has no {name!r}; it has {', '.join(outputs) or 'nothing'}")
        medium = self.medium(name).name
        if medium == "pictures":
            return [_image(pixels) for pixels in outputs[name]]
        return _image(outputs[name]) if medium == "picture" else outputs[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.outputs})

    def __repr__(self) -> str:
        parts = [f"{name}={_short(value)}" for name, value in self.outputs.items()]
        return f"Result({self.card.name}, seed={self.request.seed}, {', '.join(parts)})"

    @property
    def note_texts(self) -> list[dict[str, Any]]:
        """The notes with their texts by language: [{"note": name, "words": {"en", "ko"}}]."""
        return [{"note": name, "words": dict(self.card.note(name))} for name in self.notes]

    @property
    def said(self) -> list[dict[str, Any]]:
        """Deprecated: the former name of `note_texts`."""
        warnings.warn("Result.said is deprecated; use Result.note_texts", DeprecationWarning, stacklevel=2)
        return self.note_texts

    @property
    def shown(self) -> str | None:
        """The name of the first output that is a picture."""
        return next((out.name for out in self.card.outputs if out.medium == "picture" and out.name in self.outputs), None)

    def png(self, name: str | None = None) -> bytes:
        """A picture as PNG, in sRGB, with the record inside and the DPI of an input picture of the same size."""
        return self.file(".png", name)

    def layered(self, name: str | None = None) -> Layered:
        """The layers of the output `name`, or of the first whose medium is "layers": the line over its flats."""
        value = self.outputs[self.output_for(".ora", name)]
        return LAYERS.stack(value, self.dpi(value["line"].shape))

    def ora(self, name: str | None = None) -> bytes:
        """Layers as OpenRaster, with the record inside."""
        return self.file(".ora", name)

    def psd(self, name: str | None = None) -> bytes:
        """Layers as a Photoshop document, with the record inside."""
        return self.file(".psd", name)

    def values(self) -> dict[str, Any]:
        """Outputs that are no pictures, as plain JSON values."""
        return {name: plain(value) for name, value in self.outputs.items() if self.medium(name).in_json(value) is NotImplemented}

    def json(self) -> bytes:
        """All outputs, each in its medium's JSON form (pictures as data URLs), and the record."""
        shown = {name: one for name, value in self.outputs.items() if (one := self.medium(name).in_json(value)) is not NotImplemented}
        held = {"outputs": self.values() | shown, "notes": self.note_texts, "record": self.record.to_json()}
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
        kind = target.suffix.lower()
        if mark is None:
            self._write_unsigned(target, kind, name)
        else:
            self._write_signed(target, kind, name, mark)

    def _write_signed(self, target: Path, kind: str, name: str | None, mark: Marker) -> None:
        data, beside, why = self.marked(kind, mark, name)
        if why is not None:
            raise GessoError(f"it could not be signed: {why}", where=target, fix="save it unsigned: without --mark")
        make_folder(target.parent)
        if beside is not None:
            write_atomic(target.with_suffix(".c2pa"), beside)
        write_atomic(target, data)

    def _write_unsigned(self, target: Path, kind: str, name: str | None) -> None:
        """Write by the medium's writer, which knows where the record goes."""
        if kind == ".json":
            data = self.json()
            make_folder(target.parent)
            write_atomic(target, data)
        else:
            chosen = self.output_for(kind, name)
            carried = self.carried(self.outputs[chosen], self.medium(chosen))
            make_folder(target.parent)
            writer = self.medium(chosen).writer(target, carried)
            try:
                writer.append(self.outputs[chosen])
                writer.close()
            except BaseException:
                writer.abandon()
                raise

    def sidecar(self, kind: str, name: str | None = None) -> bytes | None:
        """The record to write beside a file of this ending (`sidecar_of`); None where the file holds it."""
        if kind == ".json" or not self.medium(self.output_for(kind, name)).sidecar:
            return None
        return self.record.text().encode()

    def marked(self, kind: str, marker: Marker, name: str | None = None, *, branch: Branch | None = None) -> SignedFile:
        """The bytes of `file`, signed as content credentials (`gesso.marking`). GessoError for formats that carry none."""
        if kind not in FORMATS:
            raise GessoError(f"{kind} carries no content credentials", where="--mark", fix="one of " + ", ".join(FORMATS))
        chosen = self.output_for(kind, name)
        return marker.mark(signing_request_of(self.card, self.request, self.record, chosen, FORMATS[kind], branch), self.file(kind, chosen))

    def file(self, kind: str, name: str | None = None) -> bytes:
        """The bytes that `save` writes for this ending, such as ".png" or ".json"."""
        if kind == ".json":
            return self.json()
        chosen = self.output_for(kind, name)
        return self.medium(chosen).encode(self.outputs[chosen], kind, self.carried(self.outputs[chosen], self.medium(chosen)))

    def output_for(self, kind: str, name: str | None = None) -> str:
        """The name of the output that is written to files of this ending: `name`, or the first. GessoError where there is none."""
        able = [out.name for out in self.card.outputs if kind in medium(out.medium).endings and out.name in self.outputs]
        if name in able or (name is None and able):
            return name or able[0]
        known = medium_of_file(f"x{kind}")
        kinds = kind if known is None else known.name
        what = f"{self.card.name} makes no {kinds} {name!r}" if name else f"{self.card.name} makes no {kinds}"
        other = endings_of(out.medium for out in self.card.outputs) or [".json"]
        fix = f"one of {', '.join(able)}" if able else f"save it as {other[0]}"
        raise GessoError(what, where="--take" if name else "--out", fix=fix)

    def carried(self, value: Any, kind: Medium = VALUE) -> Carried:
        """What a file of a medium's value, or of its pixels, carries beside it."""
        return Carried(self.record.text(), self.record.parameters(), self.dpi(kind.page(value)))

    def medium(self, name: str) -> Medium:
        """The medium of an output."""
        return medium(next((out.medium for out in self.card.outputs if out.name == name), ""))

    def dpi(self, size: tuple[int, ...]) -> Dpi | None:
        """The DPI of the first input picture of that (height, width)."""
        given = (value for value in self.request.conditions.values() if value.page == tuple(size))
        return next((dpi for value in given if (dpi := getattr(value, "dpi", None)) is not None), None)

    def _repr_png_(self) -> bytes | None:
        return None if self.shown is None else self.png()

    def _repr_html_(self) -> str:
        cells = []
        for name, value in self.outputs.items():
            caption = html.escape(name)
            if self.medium(name).viewer == "picture" and not isinstance(value, Mapping):
                urls = [data_url(one) for one in (value if isinstance(value, tuple) else (value,))]
                body = "".join(f'<img alt="{caption}" style="max-width:384px" src="{url}">' for url in urls)
            else:
                body = f"<code>{html.escape(_short(value))}</code>"
            cells.append(f"<figure style='display:inline-block'>{body}<figcaption>{caption}</figcaption></figure>")
        return f"<div>{''.join(cells)}<p>{html.escape(self.card.name)}, seed {self.request.seed}</p></div>"


def check_out(path: Path, card: Card | None = None) -> None:
    """GessoError for a path that no result (of the card's recipe) can be written to."""
    kind = path.suffix.lower()
    known = endings_of(one.name for one in media()) if card is None else endings_of(out.medium for out in card.outputs)
    usual = f"{path.stem or 'result'}{(known or ['.json'])[0]}"
    if kind in LAYERS.endings and kind not in known:
        raise GessoError(f"{card.name if card else 'it'} makes no layers", where=path, fix=usual)
    if kind not in (*known, ".json"):
        raise GessoError(f"results are written as {', '.join(known)}{' or ' if known else ''}.json", where=path, fix=usual)
    if path.is_dir():
        raise GessoError("cannot write: a folder has this name", where=path, fix="give the name of a file")


def output_paths(out: Path | None, card: Card, seeds: Sequence[int | None]) -> list[Path | None]:
    """A path for each seed, checked: `out` with {seed} replaced, or with the seed before its suffix where there are several.

    Without `out`, a free name in the current folder; None if the outputs can only be saved as JSON.
    """
    if out is None:
        usual = endings_of(one.medium for one in card.outputs)
        if not usual:
            return [None] * len(seeds)
        out = next(path for number in itertools.count(1) if not (path := Path(f"{card.name}-{number}{usual[0]}")).exists())
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
    from gesso.marking.marker import Marker
    from gesso.storage.home import SIGNING, data_home

    for path in paths:
        if path is None or path.suffix.lower() not in FORMATS:
            raise GessoError("only pictures carry content credentials", where="--mark", fix="--out picture.png, .ora or .psd")
    made = Marker(data_home() / SIGNING)
    why = made.status()["why"]
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


def is_file_name(path: Path) -> bool:
    """Whether a name ends as the files of a medium do, so that a person who gives it means a file and not a folder."""
    ending = path.suffix.lower()
    return ending == ".json" or any(ending in one.endings or ending in one.inputs for one in media())


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


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return f"{len(value)} x {_short(value[0])}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
