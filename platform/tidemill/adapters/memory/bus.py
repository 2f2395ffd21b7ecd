"""The in-memory twin of Kafka: topics with partitions and offsets, in this process."""

from __future__ import annotations

import uuid
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Condition

from tidemill.ports import Message, PartitionRange


class MemoryBus:
    """A bus for tests and single-process tools; what it holds goes with the process."""

    def __init__(self, partitions: int = 1) -> None:
        self._width = partitions
        self._logs: dict[tuple[str, int], list[Message]] = {}
        self._ids: dict[str, str] = {}
        self._sent: dict[str, int] = defaultdict(int)
        self._changed = Condition()

    def publish(self, messages: Sequence[Message]) -> None:
        """Append; a key always goes to the same partition."""
        with self._changed:
            for message in messages:
                self._create(message.topic)
                partition = self._choose(message)
                log = self._logs[message.topic, partition]
                log.append(replace(message, partition=partition, offset=len(log)))
            self._changed.notify_all()

    def read(
        self, positions: Mapping[tuple[str, int], int], *, limit: int, timeout: float
    ) -> list[Message]:
        """Up to `limit` records from the given positions."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._take(positions, 1)), timeout)
            return self._take(positions, limit)

    def partitions(self, topic: str) -> Mapping[int, PartitionRange]:
        """Partitions of a topic; creates it."""
        with self._changed:
            self._create(topic)
            return {
                p: PartitionRange(0, len(self._logs[topic, p]), self._ids[topic])
                for p in range(self._width)
            }

    def close(self) -> None:
        """Nothing to flush."""

    def lose_all(self) -> None:
        """Lose everything, as a restarted in-memory broker does."""
        with self._changed:
            self._logs.clear()
            self._ids.clear()

    def _create(self, topic: str) -> None:
        if topic not in self._ids:
            self._ids[topic] = str(uuid.uuid4())
            for partition in range(self._width):
                self._logs[topic, partition] = []

    def _choose(self, message: Message) -> int:
        if message.key is not None:
            return zlib.crc32(message.key) % self._width
        self._sent[message.topic] += 1
        return self._sent[message.topic] % self._width

    def _take(self, positions: Mapping[tuple[str, int], int], limit: int) -> list[Message]:
        messages: list[Message] = []
        for key, start in positions.items():
            messages += self._logs.get(key, [])[start : start + limit - len(messages)]
        return messages
