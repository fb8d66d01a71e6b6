"""JSON as it comes over the line, in which every text can be written down again."""

from __future__ import annotations

import json
import re
from typing import Any

from gesso.errors import GessoError
from gesso.media.file import parse_json

HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape of half a surrogate pair; most have the other half beside


def parse(data: bytes, *, where: str) -> Any:
    """What the JSON says; GessoError where it is none, or where a text holds half a character, which no database and no file takes."""
    value = parse_json(data, where=where)
    if HALF.search(data):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise GessoError("a text holds half of a surrogate pair, which is no letter", where=where, fix="give UTF-8 text") from None
        except RecursionError:
            raise GessoError("the JSON is nested too deep", where=where, fix="give fewer brackets within brackets") from None
    return value
