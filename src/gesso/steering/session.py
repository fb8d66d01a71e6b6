"""What a store returns: sessions, nodes, search results."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from gesso.errors import GessoError

MAX_NAME = 200  # characters


class NotFound(GessoError):
    """This owner has no such session or node; the message is the same whether or not another owner has it."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"there is no such {what}", where=where, fix=f"one of your own {what}s")


class Session(BaseModel):
    """A tree of nodes; `head` is the current one. Times are UTC, ISO 8601."""

    model_config = ConfigDict(frozen=True)

    id: str
    recipe: str
    preset: str
    weights: Mapping[str, str]
    title: str
    root: str
    head: str
    num_nodes: int
    created: str
    changed: str


class Node(BaseModel):
    """A step of a session. `edit` has {"$blob": sha256} in place of long texts; `said` is its summary by language, as in the HTTP API."""

    model_config = ConfigDict(frozen=True)

    id: str
    parent: str | None
    edit: Mapping[str, Any]
    name: str
    favourite: bool
    said: Mapping[str, str]
    created: str


class SearchResult(BaseModel):
    """A search result: a session (`node` None) or one of its nodes."""

    model_config = ConfigDict(frozen=True)

    session: str
    title: str
    recipe: str
    node: str | None
    name: str
    said: Mapping[str, str]
    favourite: bool
    created: str


def clean_name(text: Any, where: str) -> str:
    """A title or name as it is stored: composed letters (한, not ㅎㅏㄴ), single spaces, at most 200 characters."""
    if not isinstance(text, str):
        raise GessoError(f"is a text, not {type(text).__name__}", where=where)
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in composed):
        raise GessoError("contains control characters", where=where, fix="letters, digits, spaces and signs")
    if len(composed) > MAX_NAME:
        raise GessoError(f"is {len(composed)} characters long", where=where, fix=f"at most {MAX_NAME}")
    return composed


def search_form(*texts: str) -> str:
    """Texts in the form that a search compares: without differences of case, width and composition."""
    joined = "\n".join(texts).encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", joined).casefold().replace("\0", "")
