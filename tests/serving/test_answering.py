"""What a release answers, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.serving.echo import open_echo

from tidemill.errors import BadRequest, Overloaded
from tidemill.pipeline.release_folder import ServedRelease
from tidemill.serving import request_queue as work_module
from tidemill.serving.model_server import load
from tidemill.serving.predictor import InferenceRequest, InferenceResponse, Predictor
from tidemill.serving.request_queue import RequestQueue
from tidemill.serving.response_cache import LruCache, request_key

Make = Callable[..., tuple[ServedRelease, Path]]


def ask(text: str, **named: object) -> InferenceRequest:
    return InferenceRequest(messages=({"role": "user", "content": text},), **named)  # type: ignore[arg-type]


@pytest.fixture
def answerer(release: Make) -> Predictor:
    return load(release(cache=True)[0], open_model=open_echo)


def test_an_answer_has_its_own_id_and_tells_its_event(answerer: Predictor) -> None:
    told: list[InferenceResponse] = []
    answerer.publish = told.append

    first, second = answerer.predict(ask("a b")), answerer.predict(ask("a b"))

    assert first.answer.text == "b a"
    assert first.response_id != second.response_id
    assert told == [first, second]


def test_the_copy_of_a_request_has_the_id_of_its_answer_and_says_that_it_is_the_copy(
    answerer: Predictor,
) -> None:
    user, copy = ask("a b", pair="0" * 32), ask("a b", pair="0" * 32, arm="shadow")

    assert answerer.predict(user).response_id == "0" * 32
    assert answerer.predict(copy).response_id == "0" * 32 + ".shadow"
    cached = answerer.cached_response(copy)
    assert cached is not None
    assert cached.response_id == "0" * 32 + ".shadow"


def test_the_same_request_is_answered_from_memory(answerer: Predictor) -> None:
    async def twice() -> tuple[InferenceResponse, InferenceResponse, int]:
        work = RequestQueue(answerer)
        first = await work.answer(ask("a b"))
        calls = answerer.runtime.calls  # type: ignore[attr-defined]
        second = await work.answer(ask("a b"))
        return first, second, answerer.runtime.calls - calls  # type: ignore[attr-defined]

    first, second, calls = asyncio.run(twice())

    assert (first.cached, second.cached, calls) == (False, True, 0)
    assert first.answer == second.answer
    assert first.response_id != second.response_id


def test_other_parameters_are_another_request(answerer: Predictor) -> None:
    answerer.predict(ask("a b c"))

    assert answerer.cached_response(ask("a b c")) is not None
    assert answerer.cached_response(ask("a b c", max_tokens=2)) is None
    assert answerer.cached_response(ask("a b c", stop=("c",))) is None


def test_the_stream_says_what_the_answer_says(answerer: Predictor) -> None:
    *pieces, given = answerer.stream(ask("a b c"), "my-id")

    assert isinstance(given, InferenceResponse)
    assert "".join(map(str, pieces)) == given.answer.text == "c b a"
    assert given.response_id == "my-id"


def test_a_request_with_nothing_in_it_is_refused(answerer: Predictor) -> None:
    with pytest.raises(BadRequest, match="needs `messages`"):
        answerer.predict(InferenceRequest())


def test_columns_without_a_prompt_are_refused(answerer: Predictor) -> None:
    with pytest.raises(BadRequest, match="no prompt"):
        answerer.predict(InferenceRequest(inputs={"text": "a"}))


def test_a_flood_is_refused_and_the_queue_empties(
    answerer: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_module, "QUEUE_SIZE", 2)

    async def flood() -> list[object]:
        work = RequestQueue(answerer)
        return await asyncio.gather(
            *(work.answer(ask(str(n))) for n in range(5)), return_exceptions=True
        )

    found = asyncio.run(flood())

    assert sum(isinstance(one, InferenceResponse) for one in found) == 2
    assert sum(isinstance(one, Overloaded) for one in found) == 3


def test_a_key_differs_by_release_role_system_message_and_parameters_only() -> None:
    def key(release: str = "one", role: str = "user", system: str = "", **more: object) -> bytes:
        turns = [{"role": "system", "content": system}] if system else []
        return request_key(release, [*turns, {"role": role, "content": "a"}], {"n": 1, **more})

    others = [
        key("two"),
        key(role="assistant"),
        key(system="be brief"),
        key(system="be kind"),
        key(n=2),
        key(stop=["x"]),
    ]

    assert key() == request_key("one", [{"content": "a", "role": "user"}], {"n": 1})
    assert len({key(), *others}) == len(others) + 1


def test_what_was_asked_for_last_is_kept_longest() -> None:
    kept: LruCache[int] = LruCache(2)
    kept.put(b"one", 1)
    kept.put(b"two", 2)
    kept.get(b"one")
    kept.put(b"three", 3)

    assert (kept.get(b"one"), kept.get(b"two"), len(kept)) == (1, None, 2)
