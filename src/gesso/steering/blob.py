"""Long texts of an edit's JSON (mostly pictures) are stored once each: the edit holds {"$blob": sha256} in their place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gesso.errors import GessoError

LONG = 4096  # characters from which a text is stored apart
KEY = "$blob"
MAX_DEPTH = 32
MAX_VALUES = 1_000_000  # numbers, texts and brackets in one edit


def extract_texts(value: Any) -> tuple[Any, dict[str, str]]:
    """The JSON with {"$blob": sha256} in place of each long text, and those texts by hash; GessoError where it is not plain JSON."""
    texts: dict[str, str] = {}
    seen = 0

    def walk(one: Any, depth: int) -> Any:
        nonlocal seen
        seen += 1
        if seen > MAX_VALUES:
            raise GessoError(f"holds more than {MAX_VALUES:,} values", where="edit", fix="split it into smaller edits")
        if depth > MAX_DEPTH:
            raise GessoError(f"is nested more than {MAX_DEPTH} levels deep", where="edit", fix="nest it less")
        if isinstance(one, str):
            if len(one) < LONG:
                return one
            digest = hash_of(one)
            texts[digest] = one
            return {KEY: digest}
        if isinstance(one, Mapping):
            if KEY in one or not all(isinstance(name, str) for name in one):
                raise GessoError(
                    "contains a reserved key, or a key that is not a string", where="edit", fix=f"names are texts other than {KEY!r}"
                )
            return {name: walk(inner, depth + 1) for name, inner in one.items()}
        if isinstance(one, (list, tuple)):
            return [walk(inner, depth + 1) for inner in one]
        if one is None or isinstance(one, (bool, int, float)):
            return one
        raise GessoError(f"holds a {type(one).__name__}, which JSON has no form for", where="edit", fix="give the value's own JSON")

    return walk(value, 0), texts


def restore(stored: Any, text_of: Callable[[str], str]) -> Any:
    """The JSON with its long texts put back; `text_of` gives a text by its hash."""
    if isinstance(stored, Mapping):
        if set(stored) == {KEY}:
            return text_of(stored[KEY])
        return {name: restore(one, text_of) for name, one in stored.items()}
    return [restore(one, text_of) for one in stored] if isinstance(stored, list) else stored


def replace_data_urls(value: Any, replace: Callable[[str], str]) -> Any:
    """The JSON with each data URL replaced."""
    if isinstance(value, str):
        return replace(value) if value[:5].lower() == "data:" else value
    if isinstance(value, Mapping):
        return {name: replace_data_urls(one, replace) for name, one in value.items()}
    return [replace_data_urls(one, replace) for one in value] if isinstance(value, (list, tuple)) else value


def texts_of(value: Any) -> Iterator[str]:
    """All texts in JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(one)


def hashes(stored: Any, depth: int = 0) -> set[str]:
    """The hashes of the long texts that the JSON needs; GessoError where its brackets are nested too deep."""
    if depth > 2 * MAX_DEPTH:
        raise GessoError("brackets are nested too deep", where="edit", fix="give fewer brackets within brackets")
    if isinstance(stored, Mapping) and set(stored) == {KEY}:
        return {str(stored[KEY])}
    inside = stored.values() if isinstance(stored, Mapping) else stored if isinstance(stored, list) else ()
    return set().union(*(hashes(one, depth + 1) for one in inside))


def hash_of(text: str) -> str:
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError:
        raise GessoError("a text holds half of a surrogate pair, which is not a letter", where="edit", fix="give UTF-8 text") from None


def to_line(stored: Any) -> str:
    """The JSON as one line; equal values give equal lines."""
    try:
        return json.dumps(stored, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise GessoError("holds NaN or infinity, which JSON has no form for", where="edit", fix="give plain numbers") from None
