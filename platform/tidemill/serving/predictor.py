"""One release answering: prompt, cache, model, parsing, one generation at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from tidemill.answer import Answer
from tidemill.errors import BadRequest
from tidemill.pipeline.release_folder import Release
from tidemill.prompts import PromptProgram
from tidemill.runtimes import Reply, Runtime
from tidemill.serving.response_cache import LeastRecent, request_key

CACHED = 4096
"""Answers the exact-response cache holds."""
LONGEST = 4096
"""Most tokens one request may ask for."""


@dataclass(frozen=True)
class Ask:
    """One request: chat messages, or the row the prompt is rendered from."""

    messages: tuple[Mapping[str, str], ...] = ()
    inputs: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    subject: str | None = None
    conversation: str | None = None
    arm: str = "live"


@dataclass(frozen=True)
class Given:
    """One answer, as the user gets it and as the event tells it."""

    response_id: str
    ask: Ask
    messages: tuple[Mapping[str, str], ...]
    """What the model was shown."""
    raw: str
    """What the model wrote."""
    answer: Answer
    """What that means under the prompt."""
    tokens_in: int
    tokens_out: int
    seconds: float
    finish: str
    cached: bool = False
    probability: float | None = None


@dataclass
class Answerer:
    """Answers with one release; `tell` gets every answer and must not block or raise."""

    release: Release
    runtime: Runtime
    program: PromptProgram | None
    tell: Callable[[Given], None] = lambda _given: None
    cache: LeastRecent[tuple[Reply, float | None]] = field(
        default_factory=lambda: LeastRecent(CACHED)
    )

    @property
    def classifies(self) -> bool:
        """True for an encoder: it labels texts and cannot stream."""
        return self.runtime.form.task == "sequence-classification"

    def known(self, ask: Ask, response_id: str | None = None) -> Given | None:
        """The answer from the cache, at once; raises BadRequest as `answer` does."""
        started = time.perf_counter()
        messages = self.messages(ask)
        known = self.cache.get(self._key(ask, messages)) if self.release.cache else None
        if known is None:
            return None
        given = self._given(ask, messages, known[0], started, response_id)
        given = replace(given, cached=True, probability=known[1])
        self.tell(given)
        return given

    def answer(self, ask: Ask, response_id: str | None = None) -> Given:
        """The whole answer; raises BadRequest for a request that makes no prompt."""
        started = time.perf_counter()
        messages = self.messages(ask)
        reply, probability = self._generate(ask, messages)
        if self.release.cache:
            self.cache.put(self._key(ask, messages), (reply, probability))
        given = self._given(ask, messages, reply, started, response_id)
        given = replace(given, probability=probability)
        self.tell(given)
        return given

    def stream(self, ask: Ask, response_id: str | None = None) -> Iterator[str | Given]:
        """Pieces of the text users see, then the `Given`; the event is told at the end."""
        started = time.perf_counter()
        messages = self.messages(ask)
        if self.classifies:
            given = self.answer(ask, response_id)
            yield from (given.answer.text, given)
            return
        shown, raw = "", ""
        for item in self.runtime.stream(messages, max_tokens=self._max_tokens(ask), stop=ask.stop):
            if isinstance(item, Reply):
                reply = item
            else:
                raw += item
                more = self._shown(raw, shown)
                shown += more
                if more:
                    yield more
        if self.release.cache:
            self.cache.put(self._key(ask, messages), (reply, None))
        given = self._given(ask, messages, reply, started, response_id)
        if given.answer.text.startswith(shown) and len(given.answer.text) > len(shown):
            yield given.answer.text[len(shown) :]
        self.tell(given)
        yield given

    def messages(self, ask: Ask) -> tuple[Mapping[str, str], ...]:
        """What the model is shown, rendered exactly as in training and evaluation."""
        row = self.row(ask)
        if row is None:
            if not ask.messages:
                raise BadRequest("a request needs `messages`, or `tidemill.inputs` with columns")
            return ask.messages
        missing = [name for name in self.columns if name not in row]
        if missing:
            raise BadRequest(
                f"`tidemill.inputs` lacks {', '.join(missing)}; "
                f"{self.release.service} takes {', '.join(self.columns)}"
            )
        if self.classifies:  # as in evaluation: a classifier reads the text itself
            return ({"role": "user", "content": str(row["text"])},)
        if self.program is None:
            raise BadRequest("this release has no prompt; send `messages`, not `tidemill.inputs`")
        return tuple(self.program.messages(row))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row; none where only whole conversations are taken."""
        if self.classifies:
            return ("text",)
        return self.program.inputs if self.program else ()

    def row(self, ask: Ask) -> Mapping[str, Any] | None:
        """The columns the prompt was rendered from, where there are any."""
        return ask.inputs if ask.inputs is not None else self._single(ask.messages)

    def _single(self, messages: Sequence[Mapping[str, str]]) -> Mapping[str, Any] | None:
        """A lone user message fills a prompt that has one input."""
        one = len(messages) == 1 and messages[0]["role"] == "user"
        if one and len(self.columns) == 1:
            return {self.columns[0]: messages[0]["content"]}
        return None

    def _generate(
        self, ask: Ask, messages: tuple[Mapping[str, str], ...]
    ) -> tuple[Reply, float | None]:
        if not self.classifies:
            limit = self._max_tokens(ask)
            return self.runtime.answer([messages], max_tokens=limit, stop=ask.stop)[0], None
        scores = self.runtime.classify([messages[-1]["content"]])[0]
        words = len(messages[-1]["content"].split())
        return Reply(scores.label, words, 0, scores.seconds, "stop"), scores.probability

    def _max_tokens(self, ask: Ask) -> int:
        usual = self.program.max_tokens if self.program else 256
        return max(1, min(ask.max_tokens or usual, LONGEST))

    def _key(self, ask: Ask, messages: tuple[Mapping[str, str], ...]) -> bytes:
        parameters = {"max_tokens": self._max_tokens(ask), "stop": list(ask.stop)}
        return request_key(self.release.digest, messages, parameters)

    def _parse(self, raw: str) -> Answer:
        if self.classifies:
            return Answer(raw, label=raw)
        return self.program.parse(raw) if self.program else Answer(raw.strip())

    def _shown(self, raw: str, shown: str) -> str:
        """What may be shown beyond `shown`: only text the prompt's parser already stands by."""
        if self.program is None:
            return raw[len(shown) :]
        answer = self._parse(raw)
        grows = answer.valid and answer.text.startswith(shown)
        return answer.text[len(shown) :] if grows else ""

    def _given(
        self,
        ask: Ask,
        messages: tuple[Mapping[str, str], ...],
        reply: Reply,
        started: float,
        response_id: str | None,
    ) -> Given:
        return Given(
            response_id=response_id or uuid4().hex,
            ask=ask,
            messages=messages,
            raw=reply.text,
            answer=self._parse(reply.text),
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            seconds=time.perf_counter() - started,
            finish=reply.finish,
        )
