"""What a store answers with: sessions, their nodes, what a search found."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from gesso.errors import GessoError

LONGEST_NAME = 200


class NotFound(GessoError):
    """There is no such thing for this owner; whether another has it is not said."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"there is no such {what}", where=where, fix=f"one of your own {what}s")


class Session(BaseModel):
    """One piece of work: a tree of nodes, of which `head` is the one in hand. Times are UTC, ISO 8601."""

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
    """A step of a session. `edit` is as it was given, long texts as {"$blob": sha256}; `said` is what changed, by language."""

    model_config = ConfigDict(frozen=True)

    id: str
    parent: str | None
    edit: Mapping[str, Any]
    name: str
    favourite: bool
    said: Mapping[str, str]
    created: str


class Found(BaseModel):
    """A session (`node` None) or one of its nodes in which all the words were found."""

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
    """A title or name as it is kept: composed letters (한 and not ㅎㅏㄴ), single spaces, at most 200 characters."""
    if not isinstance(text, str):
        raise GessoError(f"is a text, not {type(text).__name__}", where=where)
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in composed):
        raise GessoError("holds characters that cannot be shown", where=where, fix="letters, digits, spaces and signs")
    if len(composed) > LONGEST_NAME:
        raise GessoError(f"is {len(composed)} characters long", where=where, fix=f"at most {LONGEST_NAME}")
    return composed


def searchable(*texts: str) -> str:
    """Texts as they are searched: whatever their case, width, or way of composing letters."""
    joined = "\n".join(texts).encode("utf-8", "replace").decode()
    return unicodedata.normalize("NFKC", joined).casefold().replace("\0", "")
