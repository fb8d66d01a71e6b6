"""Errors with an HTTP status. Their texts say what is wrong, where, and the fix, and never reveal paths of this machine."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

from starlette.responses import JSONResponse

from gesso.errors import GessoError
from gesso.media.file import DiskFull, is_full, printable

log = logging.getLogger("gesso.serving")
LONGEST = 600
# An absolute path of two parts or more, on a drive or not, without its last part.
PATH = re.compile(r"(?:(?<![\w:/.<>])~?/(?!api/|v1/)(?:[^\s/'\"()<>:]+/)+|\b[A-Za-z]:\\(?:[^\s\\'\"()<>:]+\\)+)(?=[^\s/]*)")


class HttpError(GessoError):
    """A GessoError with its HTTP status; `retry_after` in seconds if the request may be repeated."""

    status = 400

    def __init__(self, what: str, *, where: object = None, fix: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(what, where=where, fix=fix)
        self.retry_after = retry_after


class UnknownId(HttpError):
    """The id does not exist for this owner. Ids of other owners give the same error."""

    status = 404


class Unauthorized(HttpError):
    """The token is missing or wrong."""

    status = 401


class Forbidden(HttpError):
    """The request comes from a page of another site."""

    status = 403


class Misdirected(HttpError):
    """The Host header names another server."""

    status = 421


class BodyTooLarge(HttpError):
    """The body is larger than the route accepts."""

    status = 413


class BodyTimeout(HttpError):
    """The body did not arrive in time."""

    status = 408


class TooManyRequests(HttpError):
    """This owner has reached a limit."""

    status = 429


class ServerBusy(HttpError):
    """The server has reached a limit for all owners together."""

    status = 503


def status_of(error: GessoError) -> int:
    """The HTTP status of any GessoError."""
    from gesso.steering.session import NotFound  # here, so that workers of jobs start without the sessions' code

    if isinstance(error, HttpError):
        return error.status
    if isinstance(error, DiskFull):
        return 507
    return 404 if isinstance(error, NotFound) else 400


def redacted(text: str | None) -> str | None:
    """The text on one line, at most LONGEST characters, each absolute path reduced to its last part."""
    if text is None:
        return None
    text = " ".join(PATH.sub("", printable(text[: 4 * LONGEST])).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def error_json(error: GessoError) -> dict[str, Any]:
    """{"what", "where", "fix"}, the JSON of an error in responses and error frames."""
    return {"what": redacted(error.what), "where": redacted(error.where), "fix": redacted(error.fix)}


def error_response(error: GessoError, *, like_openai: bool = False) -> JSONResponse:
    """The error as a response, with the fields of OpenAI's API beside if `like_openai`."""
    status, fields = status_of(error), error_json(error)
    if like_openai:
        message = redacted(str(error))
        fields |= {
            "message": message,
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": fields["where"],
            "code": None,
        }
    headers = {}
    retry = getattr(error, "retry_after", None) or (1 if status in (429, 503) else None)
    if retry:
        headers["Retry-After"] = str(retry)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": fields}, status, headers)


def internal_error(error: BaseException) -> GessoError:
    """An error for a client that reveals only a number; the server's log holds the traceback under that number."""
    if isinstance(error, MemoryError) or "not enough memory" in str(error):
        return HttpError("there is not enough memory for this", fix="give a smaller input")
    if is_full(error):
        return DiskFull("the disk that the server keeps things on is full", fix="free some space there, and try again")
    number = secrets.token_hex(4)
    log.error("bug %s", number, exc_info=error)
    return InternalError(f"something went wrong in the server (its log says more under {number})")


class InternalError(HttpError):
    """An unexpected error; the log holds the traceback."""

    status = 500
