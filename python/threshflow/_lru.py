"""A small store of what was used last. Nothing of it goes into a pickle, so that a worker process opens its own files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Lru(Generic[K, V]):
    """Keeps the values that were used last: `most` of them, or as many as weigh `most` together, and always the last one.

    What falls out is closed when its last user lets go of it.
    """

    def __init__(self, most: int, weigh: Callable[[V], int] | None = None) -> None:
        self._most, self._weigh = most, weigh
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of this key, which is made where it is not kept. Two threads may make one at once; one of them is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = make()
        weight = 1 if self._weigh is None else self._weigh(made)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made, weight
                self._weight += weight
            self._kept.move_to_end(key)
            value = self._kept[key][0]
            while self._weight > self._most and len(self._kept) > 1:
                self._weight -= self._kept.popitem(last=False)[1][1]
        return value

    def __len__(self) -> int:
        return len(self._kept)

    def __reduce__(self) -> tuple[type[Lru[K, V]], tuple[int, Callable[[V], int] | None]]:
        return Lru, (self._most, self._weigh)
