"""Rows as tokens, and tokens as batches: cut to length, bucketed by length, in a seeded order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_BUCKETS_APART = 8
"""Batches' worth of shuffled rows that are sorted by length together: few enough to keep the order
random, enough to find neighbours of the same length."""


@dataclass(frozen=True)
class Example:
    """One row as a learner sees it."""

    ids: tuple[int, ...]
    start: int = 0
    """Causal: the first position of the completion; loss is taken from here on."""
    label: int = -1
    """Classifier: the class."""
    weight: float = 1.0
    truncated: bool = False

    @property
    def targets(self) -> int:
        """Number of predictions in the row's loss."""
        return len(self.ids) - self.start if self.label < 0 else 1


def truncate_example(
    prompt: Sequence[int], completion: Sequence[int], length: int
) -> Example | None:
    """A prompt and its completion in `length` tokens: the prompt loses its beginning, the
    completion nothing; None where the completion alone does not fit beside one prompt token."""
    room = length - len(completion)
    if room < 1 or not completion or not prompt:
        return None
    prompt_end = prompt[-room:]
    return Example(
        (*prompt_end, *completion), start=len(prompt_end), truncated=len(prompt_end) < len(prompt)
    )


def epoch_batches(examples: Sequence[Example], *, batch_tokens: int, seed: int) -> list[list[int]]:
    """Indices of the rows of each optimiser step, at most `batch_tokens` with padding (a longer
    row stands alone); every row once, the order a function of the seed."""
    draw = random.Random(seed)
    order = list(range(len(examples)))
    draw.shuffle(order)
    longest = max((len(e.ids) for e in examples), default=1)
    chunk = max(1, batch_tokens // max(1, longest)) * _BUCKETS_APART
    batches: list[list[int]] = []
    for start in range(0, len(order), chunk):
        rows = sorted(order[start : start + chunk], key=lambda i: len(examples[i].ids))
        batches += pack_batches(examples, rows, batch_tokens)
    draw.shuffle(batches)
    return batches


def pack_batches(examples: Sequence[Example], rows: Sequence[int], tokens: int) -> list[list[int]]:
    """Consecutive rows (sorted by length) in batches of at most `tokens` with padding."""
    batches: list[list[int]] = []
    batch: list[int] = []
    widest = 0
    for row in rows:
        width = max(widest, len(examples[row].ids))
        if batch and width * (len(batch) + 1) > tokens:
            batches.append(batch)
            batch, width = [], len(examples[row].ids)
        batch.append(row)
        widest = width
    return [*batches, batch] if batch else batches


def length_batches(examples: Sequence[Example], tokens: int) -> list[list[int]]:
    """All rows in batches of like length: for reading them once, in no particular order."""
    rows = sorted(range(len(examples)), key=lambda i: (len(examples[i].ids), i))
    return pack_batches(examples, rows, tokens)


def run_batches(
    examples: Sequence[Example],
    *,
    batch_tokens: int,
    epochs: float,
    max_steps: int | None,
    seed: int,
) -> tuple[list[list[int]], list[int]]:
    """All steps of a run, and after which of them an epoch ends (the last step always does)."""
    steps: list[list[int]] = []
    ends: list[int] = []
    remaining, epoch = epochs, 0
    while remaining > 1e-9:
        batches = epoch_batches(examples, batch_tokens=batch_tokens, seed=seed * 100_003 + epoch)
        steps += batches[: max(1, round(len(batches) * min(1.0, remaining)))]
        ends.append(len(steps))
        remaining, epoch = remaining - 1, epoch + 1
    if max_steps is not None and len(steps) > max_steps:
        steps = steps[:max_steps]
        ends = [*(end for end in ends if end < max_steps), max_steps]
    return steps, ends
