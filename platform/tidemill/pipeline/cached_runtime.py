"""A runtime that keeps its answers and pays for them: what was asked before costs nothing again.

Greedy decoding makes an answer a function of the model and the conversation, so both are the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from tidemill.engine.search_budget import NOTHING, Cost, Limits, Purse
from tidemill.errors import ArtefactError
from tidemill.form import Form
from tidemill.runtimes import LabelScores, Messages, Reply, Runtime

BLOCK = 16
"""Answers between two writes; a killed search loses no more."""
_TURN = 16
"""Most tokens a chat template puts around one message."""


class Memory(Protocol):
    """Answers that outlive the process, and how often a set of rows has decided."""

    def known(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """The kept answers among these keys."""

    def keep(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep answers; all of them or none."""

    def look(self, rows: str, candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1; asking about one
        again gives the same number."""


@dataclass
class Account:
    """The purse of one search, and what is paid for the first time in it.

    Every answer counts once in a search whether it was kept from another time or not, so that a
    search that is killed and run again takes the same way.
    """

    limits: Limits
    purse: Purse = field(init=False)
    fresh: Cost = NOTHING
    """What this run paid that no run had paid before."""
    charged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.purse = Purse(self.limits)

    def pay(self, key: str, cost: Cost, *, fresh: bool) -> None:
        """Charge one answer."""
        self.charged.add(key)
        self.purse = self.purse.pay(cost)
        if fresh:
            self.fresh += cost


def most_of(messages: Messages, max_tokens: int) -> Cost:
    """The most an answer can cost: a token holds a byte or more."""
    read = sum(len(one["content"].encode()) + _TURN for one in messages) + _TURN
    return Cost(calls=1, tokens=read + max_tokens)


class Remembered:
    """A `Runtime` for generating; the model is loaded when the first new answer is needed."""

    def __init__(
        self,
        model: str,
        form: Form,
        load: Callable[[], Runtime],
        memory: Memory,
        account: Account,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.form, self._load = model, form, load
        self.memory, self.account, self._tick = memory, account, tick
        self._runtime: Runtime | None = None
        self.largest = NOTHING
        """The most any conversation so far could cost."""

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation; raises OverBudget before the first one that does not fit."""
        keys = [self._key(one, max_tokens, stop) for one in conversations]
        wanted = dict(zip(keys, conversations, strict=True))
        self._ask(wanted, max_tokens)
        known = dict(self.memory.known(list(wanted)))
        missing = [key for key in wanted if key not in known]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            asked = [wanted[key] for key in block]
            found = self._open().answer(asked, max_tokens=max_tokens, stop=stop)
            new = {key: asdict(reply) for key, reply in zip(block, found, strict=True)}
            self.memory.keep(new)
            self._charge(new, fresh=True)
            known |= new
            self._tick()
        self._charge(known, fresh=False)
        return [Reply(**known[key]) for key in keys]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """The whole answer as one piece, then the `Reply`."""
        reply = self.answer([messages], max_tokens=max_tokens, stop=stop)[0]
        yield from (reply.text, reply)

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        """A classifier takes no prompt, so there is nothing to search."""
        raise ArtefactError(f"a classifier takes no prompt; {len(texts)} texts were given")

    def close(self) -> None:
        """Free the model."""
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None

    def _open(self) -> Runtime:
        if self._runtime is None:
            self._runtime = self._load()
        return self._runtime

    def _ask(self, wanted: Mapping[str, Messages], max_tokens: int) -> None:
        total = NOTHING
        for key, messages in wanted.items():
            most = most_of(messages, max_tokens)
            self.largest = max(self.largest, most, key=lambda cost: cost.tokens)
            if key not in self.account.charged:
                total += most
        self.account.purse.ask(total)

    def _charge(self, answers: Mapping[str, Mapping[str, Any]], *, fresh: bool) -> None:
        for key, reply in answers.items():
            if key not in self.account.charged:
                tokens = int(reply["tokens_in"]) + int(reply["tokens_out"])
                self.account.pay(key, Cost(calls=1, tokens=tokens), fresh=fresh)

    def _key(self, messages: Messages, max_tokens: int, stop: Sequence[str]) -> str:
        said = [self.model, [dict(one) for one in messages], max_tokens, list(stop)]
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
