"""Caches of results that many edits of one drawing need again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy as np

Value = TypeVar("Value")


class ResultCache:
    """Results by kind and key, for any thread. Of each kind the least recently used are dropped."""

    def __init__(self) -> None:
        self._results: dict[str, OrderedDict[Hashable, tuple[Any, int]]] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def get(self, kind: str, key: Hashable, make: Callable[[], Value], max_size: int, size: int = 1) -> Value:
        """The cached result, or that of `make`. It counts as `size`; all results of a kind together count at most `max_size`.

        The result is shared: callers must not modify it.
        """
        with self._lock:
            known = self._results.setdefault(kind, OrderedDict())
            if key in known:
                known.move_to_end(key)
                return known[key][0]
        result = make()
        with self._lock:
            self._sizes[kind] = self._sizes.get(kind, 0) + size - (known[key][1] if key in known else 0)
            known[key] = result, size
            while known and self._sizes[kind] > max_size:
                self._sizes[kind] -= known.popitem(last=False)[1][1]
        return result


class ArrayCache(Generic[Value]):
    """Results by the contents of an array and further arguments, for any thread.

    The least recently used are dropped when all together count more than `max_size`; the last one stays whatever its size.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._results: OrderedDict[bytes, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, array: np.ndarray, arguments: object, make: Callable[[], Value], size: int = 1) -> Value:
        """The cached result for `array` and `repr(arguments)`, or that of `make`; it counts as `size`. Callers must not modify it."""
        described = repr((array.shape, array.dtype.str, arguments)).encode()
        key = hashlib.blake2b(np.ascontiguousarray(array).tobytes() + described).digest()
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key][0]
        result = make()
        with self._lock:
            self._results[key] = (result, size)
            while len(self._results) > 1 and sum(size for _, size in self._results.values()) > self.max_size:
                self._results.popitem(last=False)
        return result
