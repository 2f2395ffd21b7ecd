"""Up to which offsets a dataset reads its feedback.

A change of specs takes in no feedback that nobody asked for: a dataset keeps the offsets of its
last build, also where its topic was empty then. A trigger's firing or `tidemill run --fresh` moves
them, for the topics that it names. A topic that the dataset did not read before starts at what has
come so far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.ports import INFERENCE_TOPIC

Offsets = Mapping[str, int]
"""`topic/partition` → the offset after the last record that is read."""


def frozen_offsets(
    topics: Sequence[str],
    requested: Offsets | None,
    last_facts: Mapping[str, Any] | None,
    current: Callable[[str], Offsets],
) -> dict[str, int]:
    """The offsets that a dataset of these feedback topics is built up to.

    `requested` comes from a trigger's firing or `--fresh`; `last_facts` are the facts of the
    dataset's newest record, None where it was never built; `current` gives a topic's offsets now.
    """
    last_offsets: Offsets = (last_facts or {}).get("offsets", {})
    last_topics: Sequence[str] | None = (last_facts or {}).get("topics")
    frozen: dict[str, int] = {}
    for topic in topics:
        offsets: Offsets
        if requested and _names(requested, topic):
            offsets = _of_topic(requested, topic)
        elif last_facts is not None and _was_frozen(last_topics, last_offsets, topic):
            offsets = last_offsets
        else:
            offsets = current(topic)
        for partition, offset in offsets.items():
            frozen[partition] = max(offset, frozen.get(partition, 0))
    return frozen


def _was_frozen(topics: Sequence[str] | None, offsets: Offsets, topic: str) -> bool:
    """True where the last build froze this topic; records before 0.1.0 name topics only in their
    offsets, and where these are empty every topic counts as frozen at nothing."""
    if topics is not None:
        return topic in topics
    return not offsets or _names(offsets, topic)


def _names(offsets: Offsets, topic: str) -> bool:
    return any(_topic(partition) == topic for partition in offsets)


def _of_topic(offsets: Offsets, topic: str) -> dict[str, int]:
    return {p: offset for p, offset in offsets.items() if _topic(p) in (topic, INFERENCE_TOPIC)}


def _topic(partition: str) -> str:
    """The topic of `topic/partition`."""
    return partition.rpartition("/")[0]
