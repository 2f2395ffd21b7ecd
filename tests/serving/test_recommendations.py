"""A recommender behind the server: a history in, items with titles and scores out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.rankings import SHOP, scorer

from tidemill.content import digest_of
from tidemill.errors import BadRequest
from tidemill.form import ModelForm
from tidemill.pipeline.release_folder import ArtefactFolder, ServedRelease
from tidemill.runtimes.item_files import save_scorer
from tidemill.serving.inference_events import request_row
from tidemill.serving.model_server import load
from tidemill.serving.predictor import InferenceRequest, InferenceResponse, Predictor
from tidemill.serving.protocol import _asks, input_columns
from tidemill.serving.request_queue import RequestQueue


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    folder = tmp_path / "model"
    folder.mkdir()
    SHOP.write(folder)
    save_scorer(scorer(), folder)
    ModelForm("safetensors", "ranking", labels=SHOP.ids).write(folder)
    model = ArtefactFolder(digest_of(folder), folder)
    return load(ServedRelease("sha256:r", "shop", "shop", model))


def ask(history: object, **more: object) -> InferenceRequest:
    return InferenceRequest(inputs={"history": history, **more})


def content(response: InferenceResponse) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(response.answer.text)
    return value


def test_the_answer_has_ten_items_with_titles_and_scores_the_best_first(
    predictor: Predictor,
) -> None:
    response = predictor.predict(ask(["kettle", "teapot"]))
    items = content(response)["items"]

    assert len(items) == 10
    assert items[0]["title"] == SHOP.items[SHOP.place[items[0]["id"]]].title
    assert [item["score"] for item in items] == sorted((i["score"] for i in items), reverse=True)
    assert not {"kettle", "teapot"} & {item["id"] for item in items}
    assert response.answer.label == items[0]["id"]
    assert response.probability == pytest.approx(items[0]["score"], abs=1e-6)


def test_unknown_ids_are_named_and_say_nothing(predictor: Predictor) -> None:
    known, with_unknown = (predictor.predict(ask(h)) for h in (["kettle"], ["gone", "kettle"]))

    assert content(with_unknown)["items"] == content(known)["items"]
    assert content(with_unknown)["unknown"] == ["gone"]


def test_a_new_visitor_gets_popular_items(predictor: Predictor) -> None:
    new, unknown = (predictor.predict(ask(history)) for history in ([], ["gone"]))

    assert content(new)["items"] == content(unknown)["items"]
    assert content(new)["unknown"] == []


def test_k_says_how_many_and_another_k_is_another_request(predictor: Predictor) -> None:
    predictor.predict(ask(["kettle"]))

    assert predictor.cached_response(ask(["kettle"])) is not None
    assert predictor.cached_response(ask(["kettle"], k=3)) is None
    fewer = predictor.predict(ask(["kettle"], k=3, device="phone"))
    assert len(content(fewer)["items"]) == 3
    assert request_row(predictor, fewer) == {"history": ["kettle"], "device": "phone"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (ask({"a": 1}), "`history` is a list of item ids, oldest first"),
        (ask(["tea"] * 1001), "`history` has 1001 items; send the last 1000"),
        (ask(["tea"], k=0), "`k` is a whole number from 1 to 100, not 0"),
        (InferenceRequest(inputs={"text": "tea"}), "lacks history; shop takes history"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    predictor: Predictor, asked: InferenceRequest, said: str
) -> None:
    with pytest.raises(BadRequest, match=said):
        predictor.predict(asked)


def test_a_chat_message_may_be_the_history(predictor: Predictor) -> None:
    message = {"role": "user", "content": "kettle, teapot"}
    chatted = predictor.predict(InferenceRequest(messages=(message,)))

    assert chatted.answer == predictor.predict(ask(["kettle", "teapot"])).answer
    assert request_row(predictor, chatted) == {"history": "kettle, teapot"}


def test_a_stream_is_the_whole_answer_at_once(predictor: Predictor) -> None:
    text, response = predictor.stream(ask(["kettle"]))

    assert isinstance(response, InferenceResponse)
    assert text == response.answer.text


def test_the_inference_protocol_takes_a_history_by_column(predictor: Predictor) -> None:
    queue = RequestQueue(predictor)
    asks = _asks({"instances": [{"history": ["kettle"]}, {"history": '["tea"]'}]}, queue, {})

    assert input_columns(queue) == ("history",)
    assert [predictor.messages(one)[0]["content"] for one in asks] == [
        '[["kettle"], 10]',
        '[["tea"], 10]',
    ]
