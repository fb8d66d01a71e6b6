"""GessoError, the one error that users see: what is wrong, where, and how to fix it."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

NOT_WHOLE = ("int_type", "int_parsing", "int_from_float")
MAX_SHOWN = 60  # characters of an input that a message repeats


class GessoError(ValueError):
    """An error that the user can fix.

    `what` says what is wrong, `where` names the file, flag or field, and `fix` says what would be valid. The message joins the
    three. The command line prints it and exits with code 2; the server answers 4xx with it.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, None if where is None else str(where), fix
        message = what if where is None else f"{where}: {what}"
        super().__init__(message if fix is None else f"{message} ({fix})")


class MissingExtra(GessoError):
    """A feature needs a library that is not installed; the message holds the command that installs it."""

    def __init__(self, package: str, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}", fix=f"pip install 'gesso[{extra}]'")
        self.package, self.extra = package, extra


class Stopped(Exception):
    """Work was cancelled on request. It is not an error, and there is no result."""


def as_gesso_error(error: ValidationError) -> GessoError:
    """The first error of a pydantic ValidationError as a GessoError; see `field_error`."""
    return field_error(error.errors(include_url=False)[0])


def field_error(detail: Mapping[str, Any]) -> GessoError:
    """Convert one entry of `ValidationError.errors()`: `where` is the field, `what` says what is wrong and repeats the input once.

    Errors from Gesso's own validators keep their text and fix, because they already repeat the input.
    """
    kind, cause = detail.get("type"), (detail.get("ctx") or {}).get("error")
    where = ".".join(str(part) for part in detail.get("loc", ())) or getattr(cause, "where", None) or "value"
    if isinstance(cause, GessoError):
        return GessoError(cause.what, where=where, fix=cause.fix)
    if kind in ("value_error", "assertion_error"):
        return GessoError(str(cause) if cause is not None else _plain(str(detail.get("msg", ""))), where=where)
    if kind == "missing":
        return GessoError("is missing", where=where)
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return GessoError("there is no such field", where=where)
    if kind == "union_tag_invalid":
        union = detail["ctx"]
        return GessoError(
            f"there is no {union['discriminator']} {short_repr(union['tag'])}", where=where, fix=f"one of {union['expected_tags']}"
        )
    if kind in ("too_short", "too_long"):  # pydantic's message already has the count
        return GessoError("should" + str(detail["msg"]).partition(" should")[2].replace(" after validation", ""), where=where)
    what = "should be a whole number" if kind in NOT_WHOLE else _plain(str(detail.get("msg", "does not fit")))
    return GessoError(f"{what}, not {short_repr(detail['input'])}" if "input" in detail else what, where=where)


def short_repr(value: object) -> str:
    """The repr of a value for a message, cut to 60 characters; huge values are cut before their repr is built."""
    text = repr(value[: 2 * MAX_SHOWN]) if isinstance(value, (str, bytes)) else _SHORT.repr(value)
    return text if len(text) < MAX_SHOWN else text[: MAX_SHOWN - 3] + "…"


def _plain(message: str) -> str:
    """pydantic's message without its prefix, so that it can follow the field's name."""
    for start in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(start)
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 2 * MAX_SHOWN
