"""A few answers kept, for what is asked again and again of one drawing while somebody colours it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import numpy as np

Answer = TypeVar("Answer")


class Kept:
    """A few answers by a key of the asker's own; of each kind the least lately asked go."""

    def __init__(self) -> None:
        self._kept: dict[str, OrderedDict[Hashable, tuple[Any, int]]] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def get(self, kind: str, key: Hashable, make: Callable[[], Answer], most: int, size: int = 1) -> Answer:
        """The answer, made now if it is not kept. It counts as `size`; those of its kind together are at most `most`. Don't change it."""
        with self._lock:
            known = self._kept.setdefault(kind, OrderedDict())
            if key in known:
                known.move_to_end(key)
                return known[key][0]
        answer = make()
        with self._lock:
            self._sizes[kind] = self._sizes.get(kind, 0) + size - (known[key][1] if key in known else 0)
            known[key] = answer, size
            while known and self._sizes[kind] > most:
                self._sizes[kind] -= known.popitem(last=False)[1][1]
        return answer


class Remembered(Generic[Answer]):
    """Answers by what they were asked of: an array and whatever else; the least lately asked go when all together are `most` large."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[bytes, tuple[Answer, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, array: np.ndarray, told: object, make: Callable[[], Answer], size: int = 1) -> Answer:
        """The answer for `array` and what `repr(told)` says, made now if it is not kept; it counts as `size`. Don't change it."""
        said = repr((array.shape, array.dtype.str, told)).encode()
        key = hashlib.blake2b(np.ascontiguousarray(array).tobytes() + said).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        answer = make()
        with self._lock:
            self._kept[key] = (answer, size)
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > self.most:
                self._kept.popitem(last=False)
        return answer
