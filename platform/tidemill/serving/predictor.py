"""Predictor of one release: prompt, cache, model and parser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from tidemill.answer import Answer
from tidemill.engine.shadow_pair import shadow_response_id
from tidemill.errors import BadRequest
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.prompts import PromptProgram
from tidemill.rows import DatasetRow
from tidemill.runtimes import Reply, Runtime
from tidemill.serving import recommendations
from tidemill.serving.response_cache import LruCache, request_key

CACHE_SIZE = 4096
"""Answers the exact-response cache holds."""
MAX_TOKENS = 4096
"""Most tokens one request may ask for."""


@dataclass(frozen=True)
class InferenceRequest:
    """One request: chat messages, or the row the prompt is rendered from."""

    messages: tuple[Mapping[str, str], ...] = ()
    inputs: DatasetRow | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    subject: str | None = None
    conversation: str | None = None
    arm: str = "live"
    pair: str | None = None
    """The id that it shares with its copies for a shadow; None where there are none."""

    @property
    def response_id(self) -> str:
        """The id of its answer: of a pair both releases' ids say that they belong together."""
        if self.pair is None:
            return uuid4().hex
        return shadow_response_id(self.pair) if self.arm == "shadow" else self.pair


@dataclass(frozen=True)
class InferenceResponse:
    """One response, for the user and for the inference event."""

    response_id: str
    request: InferenceRequest
    messages: tuple[Mapping[str, str], ...]
    """Messages that the model got."""
    raw_text: str
    """The model's output before parsing."""
    answer: Answer
    """The output as parsed by the prompt."""
    tokens_in: int
    tokens_out: int
    seconds: float
    finish: str
    cached: bool = False
    probability: float | None = None


@dataclass
class Predictor:
    """Answers with one release; `tell` gets every answer and must not block or raise."""

    release: ServedRelease
    runtime: Runtime
    program: PromptProgram | None
    publish: Callable[[InferenceResponse], None] = lambda _given: None
    cache: LruCache[tuple[Reply, float | None]] = field(
        default_factory=lambda: LruCache(CACHE_SIZE)
    )

    @property
    def generates(self) -> bool:
        """True for a causal language model; other models answer at once and cannot stream."""
        return self.runtime.form.task == "causal-lm"

    @property
    def is_classifier(self) -> bool:
        """True for an encoder that labels texts."""
        return self.runtime.form.task == "sequence-classification"

    @property
    def is_recommender(self) -> bool:
        """True for a model that ranks items for a history."""
        return self.runtime.form.task == "ranking"

    def cached_response(
        self, ask: InferenceRequest, response_id: str | None = None
    ) -> InferenceResponse | None:
        """The answer from the cache, at once; raises BadRequest as `answer` does."""
        started = time.perf_counter()
        messages = self.messages(ask)
        entry = self.cache.get(self._key(ask, messages)) if self.release.cache else None
        if entry is None:
            return None
        response = self._response(ask, messages, entry[0], started, response_id)
        response = replace(response, cached=True, probability=entry[1])
        self.publish(response)
        return response

    def predict(self, ask: InferenceRequest, response_id: str | None = None) -> InferenceResponse:
        """The whole answer; raises BadRequest for a request that makes no prompt."""
        started = time.perf_counter()
        messages = self.messages(ask)
        reply, probability = self._generate(ask, messages)
        if self.release.cache:
            self.cache.put(self._key(ask, messages), (reply, probability))
        response = self._response(ask, messages, reply, started, response_id)
        response = replace(response, probability=probability)
        self.publish(response)
        return response

    def stream(
        self, ask: InferenceRequest, response_id: str | None = None
    ) -> Iterator[str | InferenceResponse]:
        """Pieces of the text users see, then the `Given`; the event is told at the end."""
        started = time.perf_counter()
        messages = self.messages(ask)
        if not self.generates:
            response = self.predict(ask, response_id)
            yield from (response.answer.text, response)
            return
        visible, raw = "", ""
        for item in self.runtime.stream(messages, max_tokens=self._max_tokens(ask), stop=ask.stop):
            if isinstance(item, Reply):
                reply = item
            else:
                raw += item
                addition = self._streamable_text(raw, visible)
                visible += addition
                if addition:
                    yield addition
        if self.release.cache:
            self.cache.put(self._key(ask, messages), (reply, None))
        response = self._response(ask, messages, reply, started, response_id)
        if response.answer.text.startswith(visible) and len(response.answer.text) > len(visible):
            yield response.answer.text[len(visible) :]
        self.publish(response)
        yield response

    def messages(self, ask: InferenceRequest) -> tuple[Mapping[str, str], ...]:
        """Messages for the model, rendered exactly as in training and evaluation."""
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
        if self.is_recommender:
            return (recommendations.history_message(row),)
        if self.is_classifier:  # as in evaluation: a classifier reads the text itself
            return ({"role": "user", "content": str(row["text"])},)
        if self.program is None:
            raise BadRequest("this release has no prompt; send `messages`, not `tidemill.inputs`")
        return tuple(self.program.messages(row))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row; none where only whole conversations are taken."""
        if self.is_recommender:
            return recommendations.COLUMNS
        if self.is_classifier:
            return ("text",)
        return self.program.inputs if self.program else ()

    def row(self, ask: InferenceRequest) -> DatasetRow | None:
        """The columns the prompt was rendered from, where there are any."""
        return ask.inputs if ask.inputs is not None else self._single(ask.messages)

    def _single(self, messages: Sequence[Mapping[str, str]]) -> DatasetRow | None:
        """A lone user message fills a prompt that has one input."""
        is_single = len(messages) == 1 and messages[0]["role"] == "user"
        if is_single and len(self.columns) == 1:
            return {self.columns[0]: messages[0]["content"]}
        return None

    def _generate(
        self, ask: InferenceRequest, messages: tuple[Mapping[str, str], ...]
    ) -> tuple[Reply, float | None]:
        if self.is_recommender:
            return recommendations.recommend(self.runtime, messages[-1]["content"])
        if self.generates:
            limit = self._max_tokens(ask)
            return self.runtime.answer([messages], max_tokens=limit, stop=ask.stop)[0], None
        scores = self.runtime.classify([messages[-1]["content"]])[0]
        words = len(messages[-1]["content"].split())
        return Reply(scores.label, words, 0, scores.seconds, "stop"), scores.probability

    def _max_tokens(self, ask: InferenceRequest) -> int:
        usual = self.program.max_tokens if self.program else 256
        return max(1, min(ask.max_tokens or usual, MAX_TOKENS))

    def _key(self, ask: InferenceRequest, messages: tuple[Mapping[str, str], ...]) -> bytes:
        parameters = {"max_tokens": self._max_tokens(ask), "stop": list(ask.stop)}
        return request_key(self.release.digest, messages, parameters)

    def _parse(self, raw: str) -> Answer:
        if self.is_recommender:
            return recommendations.parse_recommendations(raw)
        if self.is_classifier:
            return Answer(raw, label=raw)
        return self.program.parse(raw) if self.program else Answer(raw.strip())

    def _streamable_text(self, raw: str, visible: str) -> str:
        """Text that may be streamed after `shown`: what the parser accepts already."""
        if self.program is None:
            return raw[len(visible) :]
        answer = self._parse(raw)
        grows = answer.valid and answer.text.startswith(visible)
        return answer.text[len(visible) :] if grows else ""

    def _response(
        self,
        ask: InferenceRequest,
        messages: tuple[Mapping[str, str], ...],
        reply: Reply,
        started: float,
        response_id: str | None,
    ) -> InferenceResponse:
        return InferenceResponse(
            response_id=response_id or ask.response_id,
            request=ask,
            messages=messages,
            raw_text=reply.text,
            answer=self._parse(reply.text),
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            seconds=time.perf_counter() - started,
            finish=reply.finish,
        )
