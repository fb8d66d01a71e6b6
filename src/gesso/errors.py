"""What went wrong, where, and what would be right: the one error that people see."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

NO_WHOLE = ("int_type", "int_parsing", "int_from_float")
LONGEST_GIVEN = 60  # letters of what was given, as a message repeats it


class GessoError(ValueError):
    """A mistake that the person at the keyboard can mend.

    `what` is wrong, `where` (a file, a flag, a field) it is, and `fix` says what would be right. The message
    joins the three; the command line prints it and ends with exit code 2, the server answers 4xx with it.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, None if where is None else str(where), fix
        message = what if where is None else f"{where}: {what}"
        super().__init__(message if fix is None else f"{message} ({fix})")


class MissingExtra(GessoError):
    """A feature whose library is not installed; the message carries the line that installs it."""

    def __init__(self, package: str, extra: str, *, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}", fix=f"pip install 'gesso[{extra}]'")
        self.package, self.extra = package, extra


class Stopped(Exception):
    """Work was given up on the way because somebody asked for that: no mistake, and nothing came of it."""


def readable(error: ValidationError) -> GessoError:
    """The first misfit of a value that pydantic refused, as `misfit` says it."""
    return misfit(error.errors(include_url=False)[0])


def misfit(detail: Mapping[str, Any]) -> GessoError:
    """One of `ValidationError.errors()` as one sentence: `where` is the field, `what` is wrong with it and, once, what was given.

    What a validator of our own raised is said as it stands, with its own fix: it names already what it was given.
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
        told = detail["ctx"]
        return GessoError(
            f"there is no {told['discriminator']} {given_as(told['tag'])}", where=where, fix=f"one of {told['expected_tags']}"
        )
    if kind in ("too_short", "too_long"):  # it says itself how many there are
        return GessoError("should" + str(detail["msg"]).partition(" should")[2].replace(" after validation", ""), where=where)
    what = "should be a whole number" if kind in NO_WHOLE else _plain(str(detail.get("msg", "does not fit")))
    return GessoError(f"{what}, not {given_as(detail['input'])}" if "input" in detail else what, where=where)


def given_as(value: object) -> str:
    """What was given, as a message repeats it: cut where it is long, and never built whole where it is huge."""
    text = repr(value[: 2 * LONGEST_GIVEN]) if isinstance(value, (str, bytes)) else _SHORT.repr(value)
    return text if len(text) < LONGEST_GIVEN else text[: LONGEST_GIVEN - 3] + "…"


def _plain(message: str) -> str:
    """pydantic's message as the rest of a sentence that begins with the field."""
    for start in ("Value error, ", "Assertion failed, ", "Input "):
        message = message.removeprefix(start)
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 2 * LONGEST_GIVEN
