"""Saying no over HTTP: what, where, and what would be right, and never where anything lies on this machine."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

from starlette.responses import JSONResponse

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full, shown

log = logging.getLogger("gesso.serving")
LONGEST = 600
# A path from the root, of two parts or more, or a drive's; what is left of it is its last part.
PATH = re.compile(r"(?:(?<![\w:/.<>])~?/(?!api/|v1/)(?:[^\s/'\"()<>:]+/)+|\b[A-Za-z]:\\(?:[^\s\\'\"()<>:]+\\)+)(?=[^\s/]*)")


class HttpError(GessoError):
    """A GessoError with its HTTP status; `retry_after` in seconds where trying again makes sense."""

    status = 400

    def __init__(self, what: str, *, where: object = None, fix: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after = retry_after


class UnknownId(HttpError):
    """Nothing of that id is this owner's; of others' ids nothing is said."""

    status = 404


class Unauthorized(HttpError):
    """Who asks has no token, or a wrong one."""

    status = 401


class Forbidden(HttpError):
    """Host or Origin is not this server."""

    status = 403


class Misdirected(HttpError):
    """The Host header names another server."""

    status = 421


class BodyTooLarge(HttpError):
    """More bytes than are taken."""

    status = 413


class BodyTimeout(HttpError):
    """The body did not come in time."""

    status = 408


class TooManyRequests(HttpError):
    """This owner has too much going on."""

    status = 429


class ServerBusy(HttpError):
    """Everybody together has too much going on."""

    status = 503


def status_of(error: GessoError) -> int:
    """The HTTP status of any GessoError; those of lower layers that mean an unknown id have `NotFound` for a name."""
    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, DiskFull):
        return 507
    return 404 if any(kind.__name__ == "NotFound" for kind in type(error).__mro__) else 400


def redacted(text: str | None) -> str | None:
    """The text for a stranger's eyes: one line, not too long, and of paths only their last part."""
    if text is None:
        return None
    text = " ".join(PATH.sub("", shown(text[: 4 * LONGEST])).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def error_json(error: GessoError) -> dict[str, Any]:
    """{"what", "where", "fix"}, as answers and error frames carry them."""
    return {"what": redacted(error.what), "where": redacted(error.where), "fix": redacted(error.fix)}


def error_response(error: GessoError, *, like_openai: bool = False) -> JSONResponse:
    """The error as a response; clients of OpenAI's find `message` and `type` beside."""
    status, told = status_of(error), error_json(error)
    if like_openai:
        message = redacted(str(error))
        told |= {
            "message": message,
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": told["where"],
            "code": None,
        }
    headers = {}
    retry = getattr(error, "retry_after", None) or (1 if status in (429, 503) else None)
    if retry:
        headers["Retry-After"] = str(retry)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": told}, status, headers)


def internal_error(error: BaseException) -> GessoError:
    """What a stranger is told of a bug: nothing but a number, under which this server's log says all."""
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return HttpError("there is not enough memory for this", fix="give a smaller input")
    if is_full(error):
        return DiskFull("the disk that the server keeps things on is full", fix="free some space there, and try again")
    number = secrets.token_hex(4)
    log.error("bug %s", number, exc_info=error)
    return InternalError(f"something went wrong in the server (its log says more under {number})")


class InternalError(HttpError):
    """Something of ours went wrong; the log says what."""

    status = 500
