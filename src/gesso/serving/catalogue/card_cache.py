"""A cache of cards on the disk, so that the start page does not wait for recipes, which import torch."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from gesso import __version__
from gesso.errors import GessoError
from gesso.media.file import read_json, write_atomic

MOST_BYTES = 4 * 2**20
PACKAGE = Path(__file__).parents[2]

Cards = dict[str, dict[str, Any]]  # JSON of each recipe, by name


class CardCache:
    """A JSON file that is valid until the code changes from which the cards were made, or the `weights` whose facts are on them."""

    def __init__(self, path: Path, weights: Mapping[str, str | Path] | None = None) -> None:
        self._path, self._weights = path, dict(weights or {})

    def read(self) -> Cards | None:
        """The cached cards; None if there are none, or if the code has changed."""
        try:
            cached = read_json(self._path, MOST_BYTES)
        except GessoError:
            return None
        if not isinstance(cached, dict) or cached.get("code") != self._made_of() or not isinstance(cached.get("cards"), dict):
            return None
        return cached["cards"]

    def write(self, cards: Cards) -> None:
        """Store the cards for the next start. On a full disk that start reads the recipes instead."""
        with contextlib.suppress(GessoError):
            write_atomic(self._path, json.dumps({"code": self._made_of(), "cards": cards}, ensure_ascii=False).encode())

    def _made_of(self) -> str:
        """What the cards were made of: the code, and where other weights than the shipped ones lie."""
        given = "\n".join(f"{name} {place} {_time(Path(place))}" for name, place in sorted(self._weights.items()))
        digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
        return " ".join([code_fingerprint(), digest][: 2 if given else 1])


def _time(path: Path) -> int:
    """When a file or a folder was changed; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def code_fingerprint() -> str:
    """A hash of sizes and times of the package's files, and of the versions of packages that offer recipes or media."""
    digest = hashlib.sha256(f"{__version__} {sys.version}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        stat = path.stat()
        digest.update(f"{path.relative_to(PACKAGE)} {stat.st_size} {stat.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    for entry in sorted([*entry_points(group="gesso.recipes"), *entry_points(group="gesso.media")]):
        digest.update(f"{entry.name} {entry.value} {entry.dist.version if entry.dist else ''}".encode())
    return digest.hexdigest()
