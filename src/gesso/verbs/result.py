"""What came of a request: named outputs and the record that makes them again."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gesso.errors import GessoError
from gesso.media.file import write_atomic
from gesso.media.png import with_text
from gesso.record import KEYWORD, encoded, plain

if TYPE_CHECKING:
    from PIL.Image import Image

    from gesso.card import Card
    from gesso.record import Record
    from gesso.request import Request


class Result:
    """Outputs by the card's names, as attributes: pictures as PIL images, everything else as made.

    `outputs` holds pictures as uint8 [h w], [h w 3] or [h w 4], read-only because the record has their hash.
    Shows itself in a notebook.
    """

    def __init__(self, card: Card, outputs: Mapping[str, Any], request: Request, describe: Callable[[], Record]) -> None:
        self.card, self.outputs, self.request, self._describe = card, dict(outputs), request, describe

    @cached_property
    def record(self) -> Record:
        """Made when it is first asked for: a measure of thousands of pictures needs none."""
        return self._describe()

    def __getattr__(self, name: str) -> Any:
        outputs = self.__dict__.get("outputs", {})
        if name not in outputs:
            raise AttributeError(f"this result has no {name!r}; it has {', '.join(outputs) or 'nothing'}")
        return self.picture(name) if self._is_picture(name) else outputs[name]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.outputs})

    def __repr__(self) -> str:
        parts = [
            f"{name}={v.shape[1]}x{v.shape[0]}" if self._is_picture(name) else f"{name}={_short(v)}" for name, v in self.outputs.items()
        ]
        return f"Result({self.card.name}, seed={self.request.seed}, {', '.join(parts)})"

    def picture(self, name: str) -> Image:
        from PIL import Image

        return Image.fromarray(self.outputs[name])

    @property
    def shown(self) -> str | None:
        """The name of the first output that is a picture."""
        return next((out.name for out in self.card.outputs if out.name in self.outputs and self._is_picture(out.name)), None)

    def png(self, name: str | None = None) -> bytes:
        """A picture as PNG with the record inside."""
        from gesso.media.picture import encode_png

        chosen = name or self.shown
        if chosen is None or chosen not in self.outputs or not self._is_picture(chosen):
            raise GessoError(f"{self.card.name} makes no picture {chosen or ''}".rstrip(), where="--out", fix="save it as .json")
        return with_text(encode_png(self.outputs[chosen]), {KEYWORD: self.record.text(), "parameters": self.record.parameters()})

    def values(self) -> dict[str, Any]:
        """Outputs that are no pictures, as JSON holds them."""
        return {name: plain(value) for name, value in self.outputs.items() if not self._is_picture(name)}

    def json(self) -> bytes:
        """`values` and the record."""
        return encoded(json.dumps({"outputs": self.values(), "record": self.record.to_json()}, ensure_ascii=False, indent=1) + "\n")

    def save(self, path: str | Path, name: str | None = None) -> Path:
        """Write a picture (`name`, or the first) with the record into a .png, or outputs and record into a .json; whole or not at all."""
        target = Path(path)
        check_out(target)
        suffix = target.suffix.lower()
        data = self.json() if suffix == ".json" else self.png(name)
        make_folder(target.parent)
        write_atomic(target, data)
        return target

    def _is_picture(self, name: str) -> bool:
        value = self.outputs[name]
        medium = next((out.medium for out in self.card.outputs if out.name == name), "")
        return medium == "picture" and isinstance(value, np.ndarray) and value.dtype == np.uint8

    def _repr_png_(self) -> bytes | None:
        return None if self.shown is None else self.png()

    def _repr_html_(self) -> str:
        import base64

        cells = []
        for name, value in self.outputs.items():
            if self._is_picture(name):
                from gesso.media.picture import encode_png

                source = base64.b64encode(encode_png(value)).decode()
                body = f'<img alt="{html.escape(name)}" style="max-width:384px" src="data:image/png;base64,{source}">'
            else:
                body = f"<code>{html.escape(_short(value))}</code>"
            cells.append(f"<figure style='display:inline-block'>{body}<figcaption>{html.escape(name)}</figcaption></figure>")
        return f"<div>{''.join(cells)}<p>{html.escape(self.card.name)}, seed {self.request.seed}</p></div>"


def check_out(path: Path) -> None:
    """Refuse, before any work is done, a name that no result could be written to."""
    if path.suffix.lower() not in {".png", ".json"}:
        raise GessoError("results are written as .png or .json", where=path, fix=f"{path.stem or 'result'}.png")
    if path.is_dir():
        raise GessoError("cannot write: a folder of that name is in the way", where=path, fix="give the name of a file")


def refuse_overwriting(outs: Iterable[Path | None], inputs: Iterable[str | Path | None]) -> None:
    """GessoError where an output would take the place of a file that goes in."""
    existing = [Path(one) for one in inputs if one is not None and is_file(one)]
    for out in outs:
        if out is not None and out.exists() and any(out.samefile(one) for one in existing):
            raise GessoError("the output would overwrite an input", where=out, fix="choose another name for --out")


def is_file(value: Any) -> bool:
    try:
        return isinstance(value, (str, Path)) and Path(value).is_file()
    except (OSError, ValueError):  # a text too long, or with a zero, to be a path
        return False


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GessoError(
            f"the folder could not be made: {(error.strerror or 'refused').lower()}", where=path, fix="choose another place"
        ) from error


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
