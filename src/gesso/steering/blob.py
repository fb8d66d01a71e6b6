"""Long texts inside an edit's JSON, kept once: each is named by its sha256 where it stood."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gesso.errors import GessoError

LONG = 4096  # characters from which a text is kept apart
KEY = "$blob"
DEEPEST = 32
MOST = 1_000_000  # numbers, texts and brackets in one edit


def lighten(value: Any) -> tuple[Any, dict[str, str]]:
    """JSON with {"$blob": sha256} where a long text was, and those texts by hash; GessoError where it is not plain JSON."""
    texts: dict[str, str] = {}
    seen = 0

    def walk(one: Any, depth: int) -> Any:
        nonlocal seen
        seen += 1
        if seen > MOST or depth > DEEPEST:
            what = "holds more than a million values, or brackets nested too deep"
            raise GessoError(what, where="edit", fix="split it into smaller edits")
        if isinstance(one, str):
            if len(one) < LONG:
                return one
            digest = hash_of(one)
            texts[digest] = one
            return {KEY: digest}
        if isinstance(one, Mapping):
            if KEY in one or not all(isinstance(name, str) for name in one):
                raise GessoError("is not the JSON of a value", where="edit", fix=f"names are texts, and none is {KEY!r}")
            return {name: walk(inner, depth + 1) for name, inner in one.items()}
        if isinstance(one, (list, tuple)):
            return [walk(inner, depth + 1) for inner in one]
        if one is None or isinstance(one, (bool, int, float)):
            return one
        raise GessoError(f"holds a {type(one).__name__}, which JSON does not know", where="edit", fix="give the value's own JSON")

    return walk(value, 0), texts


def restore(light: Any, text_of: Callable[[str], str]) -> Any:
    """The JSON as it was given."""
    if isinstance(light, Mapping):
        if set(light) == {KEY}:
            return text_of(light[KEY])
        return {name: restore(one, text_of) for name, one in light.items()}
    return [restore(one, text_of) for one in light] if isinstance(light, list) else light


def cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """JSON with each data URL as `clean` gives it."""
    if isinstance(value, str):
        return clean(value) if value[:5].lower() == "data:" else value
    if isinstance(value, Mapping):
        return {name: cleaned(one, clean) for name, one in value.items()}
    return [cleaned(one, clean) for one in value] if isinstance(value, (list, tuple)) else value


def texts_of(value: Any) -> Iterator[str]:
    """All texts in JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(one)


def hashes(light: Any, depth: int = 0) -> set[str]:
    """Which blobs it names; GessoError where its brackets are nested too deep."""
    if depth > 2 * DEEPEST:
        raise GessoError("brackets are nested too deep", where="edit", fix="give fewer brackets within brackets")
    if isinstance(light, Mapping) and set(light) == {KEY}:
        return {str(light[KEY])}
    inside = light.values() if isinstance(light, Mapping) else light if isinstance(light, list) else ()
    return set().union(*(hashes(one, depth + 1) for one in inside))


def hash_of(text: str) -> str:
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        raise GessoError("a text holds half of a surrogate pair, which is no letter", where="edit", fix="give UTF-8 text") from None


def written(light: Any) -> str:
    """Light JSON as one line, the same for equal values."""
    try:
        return json.dumps(light, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise GessoError("holds a number that JSON does not know (NaN or infinity)", where="edit", fix="give plain numbers") from None
