"""What was folded and read, the latest of it, within a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from gesso.conditions.condition import Condition

Kept = TypeVar("Kept")
PIXEL = 4  # bytes


class Cache(Generic[Kept]):
    """The latest used, from any thread; the very latest is kept whatever it weighs."""

    def __init__(self, max_bytes: int, max_items: int) -> None:
        self._max_bytes, self._max_items, self._bytes = max_bytes, max_items, 0
        self._items: OrderedDict[Hashable, tuple[Kept, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Kept | None:
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Kept, weight: int) -> None:
        with self._lock:
            self._bytes += weight - self._items.pop(key, (None, 0))[1]
            self._items[key] = (value, weight)
            while len(self._items) > 1 and (self._bytes > self._max_bytes or len(self._items) > self._max_items):
                self._bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._bytes = 0


def weigh(value: Condition) -> int:
    """About how many bytes a value takes: a page's pixels, or what a few marks do."""
    page = value.page
    return 1024 if page is None else 1024 + page[0] * page[1] * PIXEL
