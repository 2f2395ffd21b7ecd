"""Base class of causal language models: encode prompts, stop, reply.

Conversations of like length run together; decoding is greedy.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidemill import chat
from tidemill.errors import PromptTooLong
from tidemill.form import ModelForm
from tidemill.runtimes import LabelScores, Messages, Reply, unsupported
from tidemill.runtimes.stop_sequences import pieces, truncate_at_stop

_CHECK_STOP_EVERY = 4


@dataclass
class GenerationRow:
    """One conversation on its way."""

    index: int
    prompt: list[int]
    generated: list[int] = field(default_factory=list)
    finish: str = ""


class CausalRuntime(ABC):
    """A `Runtime` that generates; what runs it extends a batch of rows token by token.

    `ends` is what the model's configuration calls `eos_token_id`: a token, several or none;
    `limit` the tokens of its context, 0 where it names none.
    """

    def __init__(
        self, form: ModelForm, tokenizer: Any, *, batch: int, ends: Any, limit: int
    ) -> None:
        self.form, self.tokenizer, self.batch = form, tokenizer, batch
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self._limit = limit or 1 << 30

    @abstractmethod
    def _run(
        self, rows: list[GenerationRow], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[None]:
        """Extend at most `batch` rows until `_judge` has ended all; yields after every token."""

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation, in their order."""
        rows = [GenerationRow(i, self._encode(c, max_tokens)) for i, c in enumerate(conversations)]
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        replies: dict[int, Reply] = {}
        for start in range(0, len(rows), self.batch):
            batch = by_length[start : start + self.batch]
            begun = time.perf_counter()
            for _ in self._run(batch, max_tokens, stop):
                pass
            share = (time.perf_counter() - begun) / len(batch)
            replies |= {row.index: self._reply(row, share, stop) for row in batch}
        return [replies[index] for index in range(len(rows))]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Pieces of text as they are made, then the `Reply`."""
        begun = time.perf_counter()
        row = GenerationRow(0, self._encode(messages, max_tokens))
        yield from pieces((self._text(row) for _ in self._run([row], max_tokens, stop)), stop)
        yield self._reply(row, time.perf_counter() - begun, stop)

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        """Not what a causal language model does."""
        raise unsupported("classify", self.form)

    def _encode(self, messages: Messages, max_tokens: int) -> list[int]:
        """The prompt's tokens, if they and the answer fit; raises PromptTooLong."""
        ids = chat.encode(self.tokenizer, messages)
        if not ids or len(ids) + max_tokens > self._limit:
            raise PromptTooLong(
                f"a prompt of {len(ids)} tokens and {max_tokens} for the answer exceed the model's "
                f"{self._limit}; shorten the prompt or lower max_tokens"
            )
        return ids

    def _text(self, row: GenerationRow) -> str:
        return str(self.tokenizer.decode(row.generated, skip_special_tokens=True))

    def _reply(self, row: GenerationRow, seconds: float, stop: Sequence[str]) -> Reply:
        text, _ = truncate_at_stop(self._text(row), stop)
        finish = "length" if row.finish == "length" else "stop"
        return Reply(text, len(row.prompt), len(row.generated), seconds, finish)  # type: ignore[arg-type]

    def _judge(self, row: GenerationRow, max_tokens: int, stop: Sequence[str]) -> None:
        """Set `finish` where the row has ended; an end token is not part of the answer."""
        if row.generated[-1] in self._ends:
            row.generated.pop()
            row.finish = "stop"
        elif (
            stop
            and len(row.generated) % _CHECK_STOP_EVERY == 0
            and truncate_at_stop(self._text(row), stop)[1]
        ):
            row.finish = "stop"
        elif len(row.generated) >= max_tokens:
            row.finish = "stop" if truncate_at_stop(self._text(row), stop)[1] else "length"


def pad_left(rows: Sequence[GenerationRow], pad: int) -> tuple[list[list[int]], list[list[int]]]:
    """Ids and mask of the prompts, filled up on the left to the longest: (rows, width) each."""
    width = max(len(row.prompt) for row in rows)
    ids = [[pad] * (width - len(row.prompt)) + row.prompt for row in rows]
    mask = [[0] * (width - len(row.prompt)) + [1] * len(row.prompt) for row in rows]
    return ids, mask
