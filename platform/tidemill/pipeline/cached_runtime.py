"""A runtime that keeps its answers and pays for them: what was asked before costs nothing again.

Greedy decoding makes an answer a function of the model and the conversation, so both are the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NotRequired, Protocol, TypedDict

from tidemill.engine.search_budget import NO_COST, Cost, Limits, SearchBudget
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import LabelScores, Messages, Reply, Runtime

BLOCK = 16
"""Answers between two writes; a killed search loses no more."""
_TURN = 16
"""Most tokens a chat template puts around one message."""


class StoredAnswer(TypedDict):
    """An answer as `AnswerMemory` keeps it; one of the reflection model has no time and no end."""

    text: str
    tokens_in: int
    tokens_out: int
    seconds: NotRequired[float]
    finish: NotRequired[Literal["stop", "length"]]


class AnswerMemory(Protocol):
    """Answers that outlive the process, and how often a set of rows has decided."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, StoredAnswer]:
        """The kept answers among these keys."""

    def put_many(self, answers: Mapping[str, StoredAnswer]) -> None:
        """Keep answers; all of them or none."""

    def record_comparison(self, rows: Sequence[str], candidate: str) -> int:
        """The how-manieth candidate this is that these rows decide on, from 1, with those that
        were decided on rows that share half or more with them; asking about one again gives the
        same number."""


@dataclass
class SearchAccount:
    """The purse of one search, and what is paid for the first time in it.

    Every answer counts once in a search whether it was kept from another time or not, so that a
    search that is killed and run again takes the same way.
    """

    limits: Limits
    budget: SearchBudget = field(init=False)
    spent_now: Cost = NO_COST
    """Cost of this run without answers from the memory."""
    charged: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.budget = SearchBudget(self.limits)

    def pay(self, key: str, cost: Cost, *, fresh: bool) -> None:
        """Charge one answer."""
        self.charged.add(key)
        self.budget = self.budget.after(cost)
        if fresh:
            self.spent_now += cost


def max_cost(messages: Messages, max_tokens: int) -> Cost:
    """The most an answer can cost: a token holds a byte or more."""
    read = sum(len(turn["content"].encode()) + _TURN for turn in messages) + _TURN
    return Cost(calls=1, tokens=read + max_tokens)


class CachedRuntime:
    """A `Runtime` for generating; the model is loaded when the first new answer is needed."""

    def __init__(
        self,
        model: str,
        form: ModelForm,
        load: Callable[[], Runtime],
        memory: AnswerMemory,
        account: SearchAccount,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.form, self._load = model, form, load
        self.memory, self.account, self._tick = memory, account, tick
        self._runtime: Runtime | None = None
        self.largest = NO_COST
        """The most any conversation so far could cost."""

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation; raises OverBudget before the first one that does not fit."""
        keys = [self._key(conversation, max_tokens, stop) for conversation in conversations]
        requests = dict(zip(keys, conversations, strict=True))
        self._ask(requests, max_tokens)
        replies = dict(self.memory.get_many(list(requests)))
        missing = [key for key in requests if key not in replies]
        for start in range(0, len(missing), BLOCK):
            block = missing[start : start + BLOCK]
            missing_requests = [requests[key] for key in block]
            new_replies = self._open().answer(missing_requests, max_tokens=max_tokens, stop=stop)
            new = {key: _stored(reply) for key, reply in zip(block, new_replies, strict=True)}
            self.memory.put_many(new)
            self._charge(new, fresh=True)
            replies |= new
            self._tick()
        self._charge(replies, fresh=False)
        return [_reply(replies[key]) for key in keys]

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

    def _ask(self, requests: Mapping[str, Messages], max_tokens: int) -> None:
        total = NO_COST
        for key, messages in requests.items():
            most = max_cost(messages, max_tokens)
            self.largest = max(self.largest, most, key=lambda cost: cost.tokens)
            if key not in self.account.charged:
                total += most
        self.account.budget.check(total)

    def _charge(self, answers: Mapping[str, StoredAnswer], *, fresh: bool) -> None:
        for key, reply in answers.items():
            if key not in self.account.charged:
                tokens = int(reply["tokens_in"]) + int(reply["tokens_out"])
                self.account.pay(key, Cost(calls=1, tokens=tokens), fresh=fresh)

    def _key(self, messages: Messages, max_tokens: int, stop: Sequence[str]) -> str:
        identity = [self.model, [dict(turn) for turn in messages], max_tokens, list(stop)]
        text = json.dumps(identity, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _stored(reply: Reply) -> StoredAnswer:
    return {
        "text": reply.text,
        "tokens_in": reply.tokens_in,
        "tokens_out": reply.tokens_out,
        "seconds": reply.seconds,
        "finish": reply.finish,
    }


def _reply(answer: StoredAnswer) -> Reply:
    return Reply(
        answer["text"],
        answer["tokens_in"],
        answer["tokens_out"],
        answer["seconds"],
        answer["finish"],
    )
