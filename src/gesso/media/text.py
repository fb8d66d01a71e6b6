"""Text: a string, and UTF-8 files of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gesso.errors import GessoError
from gesso.media.budget import DEFAULT, Budget
from gesso.media.medium import Carried, Medium


class TextMedium(Medium):
    """A string. A .txt file is UTF-8 with a line feed at its end; its record lies beside."""

    name: ClassVar[str] = "text"
    endings: ClassVar[Mapping[str, str]] = {".txt": "text/plain; charset=utf-8"}
    inputs: ClassVar[frozenset[str]] = frozenset({".txt"})
    sidecar: ClassVar[bool] = True

    def check(self, value: Any, *, where: str, recipe: str) -> None:
        if not self.is_value(value):
            raise GessoError(f"{where!r} is not a text", where=recipe, fix="a string that UTF-8 can hold")

    def is_value(self, value: Any) -> bool:
        return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)

    def encode(self, value: Any, ending: str, carried: Carried) -> bytes:
        if ending not in self.endings:
            return super().encode(value, ending, carried)
        return f"{value}\n".encode()

    def decode(self, data: bytes, *, where: str, budget: Budget | None = None) -> str:
        limit = (budget or DEFAULT).max_text_bytes
        if len(data) > limit:
            raise GessoError(f"the text is longer than {limit} bytes", where=where, fix="give a shorter one")
        try:
            return data.decode("utf-8-sig").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise GessoError(f"this is not UTF-8 text (byte {error.start})", where=where, fix="save it as UTF-8") from None


MEDIUM = TextMedium()
