"""Parsing of received JSON, whose texts must all be encodable as UTF-8."""

from __future__ import annotations

import json
import re
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import parse_json

HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape of a surrogate; in valid text, two form a pair


def parse(data: bytes, *, where: str) -> Any:
    """The parsed JSON; GessoError if it is invalid, or if a text holds an unpaired surrogate, which cannot be stored."""
    value = parse_json(data, where=where)
    if HALF.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise GessoError(
                "a text holds half of a surrogate pair, which is not a character", where=where, fix="give UTF-8 text"
            ) from None
        except RecursionError:
            raise GessoError("the JSON is nested too deep", where=where, fix="give fewer brackets within brackets") from None
    return value
