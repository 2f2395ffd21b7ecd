"""Exact-response cache: the same request to the same release gets the same words again."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Keeps the `size` values that were asked for last; safe between threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes) -> Value | None:
        """The value, which becomes the newest; None when it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: bytes, value: Value) -> None:
        """Keep a value; the one unused for longest goes when there are too many."""
        if self.size <= 0:
            return
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)


def request_key(
    release: str, messages: Sequence[Mapping[str, str]], parameters: Mapping[str, object]
) -> bytes:
    """One key per (release, messages, parameters)."""
    text = json.dumps([release, list(map(dict, messages)), dict(parameters)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
