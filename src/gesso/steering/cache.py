"""A memory of recent results within a budget of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from gesso.conditions.condition import Condition

Value = TypeVar("Value")
BYTES_PER_PIXEL = 4


class Cache(Generic[Value]):
    """The most recently used values, for any thread; the last one stays whatever its size.

    By hand: cachetools' LRUCache is bounded by one measure, not by bytes and number at once, and refuses a value larger than its budget.
    """

    def __init__(self, max_bytes: int, max_items: int) -> None:
        self._max_bytes, self._max_items, self._bytes = max_bytes, max_items, 0
        self._items: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Value | None:
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value, num_bytes: int) -> None:
        with self._lock:
            self._bytes += num_bytes - self._items.pop(key, (None, 0))[1]
            self._items[key] = (value, num_bytes)
            while len(self._items) > 1 and (self._bytes > self._max_bytes or len(self._items) > self._max_items):
                self._bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._bytes = 0


def estimate_bytes(value: Condition) -> int:
    """About how much memory a value takes: its page's pixels, or a kilobyte for a few marks."""
    page = value.page
    return 1024 if page is None else 1024 + page[0] * page[1] * BYTES_PER_PIXEL
