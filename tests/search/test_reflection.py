"""A reflection model over real HTTP: what it reads, what it costs, what happens when it fails."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import SecretStr
from tests.search.planted import Ground, Planted, Teacher, in_form

from tidemill.adapters.reflection import TRIES, ChatModel
from tidemill.data import read_split
from tidemill.engine.search_budget import Limits
from tidemill.errors import ServiceError, SettingsError, TidemillError
from tidemill.pipeline.candidate_evaluator import MAX_LOST_ANSWERS
from tidemill.search import UserComment
from tidemill.settings import ReflectionSettings, Settings

BETTER = "```\nAnswer with one of: refund, track, cancel, other.\n```"
Plant = Callable[[Planted], Planted]


class Server:
    """Chat completions on loopback, answering what it is told to."""

    def __init__(self) -> None:
        self.says, self.failures = BETTER, [0]
        self.lost = 0
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.keys.append(self.headers.get("authorization", ""))
                outer.asked.append({"path": self.path, **body})
                if outer.lost:
                    outer.lost -= 1
                    return  # read, and hung up without a word
                status, answer = outer.answer(body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def settings(self) -> ReflectionSettings:
        url = f"http://127.0.0.1:{self.http.server_port}/v1"
        return ReflectionSettings(model="big", url=url, key=SecretStr("secret"), price=(1e-6, 2e-6))

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.failures[0]:
            self.failures[0] -= 1
            return 503, {"error": "busy"}
        text = in_form(body["messages"][0]["content"], self.says)
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return 200, {"choices": [{"message": {"content": text}}], "usage": usage}


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.http.shutdown()
    one.http.server_close()


def test_it_speaks_chat_completions_and_waits_when_busy(server: Server) -> None:
    waited: list[float] = []
    server.failures[0] = 2
    text, read, written = ChatModel(server.settings, sleep=waited.append).complete(
        "hi", max_tokens=9
    )

    assert (text, read, written) == (BETTER, 100, 10)
    assert waited == [1.0, 2.0]
    assert server.asked[-1]["path"] == "/v1/chat/completions"
    assert server.asked[-1]["max_tokens"] == 9
    assert server.keys[-1] == "Bearer secret"


def test_one_that_stays_away_says_so_without_its_key(server: Server) -> None:
    server.failures[0] = 99
    model = ChatModel(server.settings, sleep=lambda _: None)

    with pytest.raises(ServiceError, match="does not answer \\(HTTP 503\\)") as caught:
        model.complete("hi", max_tokens=9)
    assert len(server.asked) == TRIES
    assert "secret" not in str(caught.value) + repr(server.settings)


@pytest.mark.parametrize("method", ["gepa", "miprov2"])
def test_a_better_instruction_is_found_and_paid_for(
    method: str, ground: Ground, plant: Plant, server: Server
) -> None:
    pytest.importorskip("gepa" if method == "gepa" else "dspy")
    plant(Planted(0.1, told=0.8))
    model = ChatModel(server.settings, sleep=lambda _: None)
    limits = Limits(calls=600, money=1.0)
    found = ground.run(method, reflection=model, limits=limits)

    assert found.has_proposal
    assert found.leader is not None
    assert "refund" in found.leader.system
    assert found.spent.money == pytest.approx(len(server.asked) * (100e-6 + 20e-6))
    assert ground.run(method, reflection=model, limits=limits).spent_now.money == 0


def test_money_stops_the_search_before_it_is_exceeded(
    ground: Ground, plant: Plant, server: Server
) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1, told=0.8))
    model = ChatModel(server.settings, sleep=lambda _: None)
    found = ground.run("gepa", reflection=model, limits=Limits(calls=600, money=0.001))

    assert found.spent.money <= 0.001
    assert not server.asked


def test_a_question_whose_answer_is_lost_counts_against_the_limit(
    ground: Ground, plant: Plant, server: Server
) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1, told=0.8))
    server.lost = 99
    model = ChatModel(server.settings, sleep=lambda _: None)
    found = ground.run("gepa", reflection=model, limits=Limits(calls=600, money=0.009))

    assert len(server.asked) == 1
    assert 0.004 < found.spent.money <= 0.009


def test_a_lost_answer_is_asked_for_again_and_paid_twice(
    ground: Ground, plant: Plant, server: Server
) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1, told=0.8))
    server.lost = 1
    model = ChatModel(server.settings, sleep=lambda _: None)
    found = ground.run("gepa", reflection=model, limits=Limits(calls=600, money=1.0))

    answered = (len(server.asked) - 1) * (100e-6 + 20e-6)
    assert found.has_proposal
    assert found.spent.money > answered + 2048 * 2e-6


def test_answers_that_stay_lost_end_the_search(
    ground: Ground, plant: Plant, server: Server
) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1, told=0.8))
    server.lost = 99
    model = ChatModel(server.settings, sleep=lambda _: None)

    with pytest.raises(ServiceError, match="does not answer \\(RemoteProtocolError\\)"):
        ground.run("gepa", reflection=model, limits=Limits(calls=600, money=1.0))
    assert len(server.asked) == MAX_LOST_ANSWERS


def test_a_limit_of_money_needs_a_price(ground: Ground, plant: Plant) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1))
    teacher = Teacher(BETTER)
    teacher.price = None

    with pytest.raises(TidemillError, match="set TIDEMILL_REFLECTION_PRICE"):
        ground.run("gepa", reflection=teacher, limits=Limits(calls=600, money=1.0))
    assert not teacher.asked


def test_users_words_reach_the_reflection_unless_a_held_out_row_asks_the_same(
    ground: Ground, plant: Plant
) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1, told=0.1))
    folder = ground.inputs["rows"].path
    test = read_split(folder, "test")[0]["text"]
    remarks = (
        UserComment({"text": "a new one"}, "a new one", "track", comment="too curt, be kinder"),
        UserComment({"text": test}, test, "track", comment="tells the answer of a test row"),
    )
    teacher = Teacher(BETTER)
    found = ground.run("gepa", reflection=teacher, remarks=remarks)
    read = "\n".join(teacher.asked)

    assert "too curt, be kinder" in read
    assert "tells the answer of a test row" not in read
    assert found.comments == 1


def test_without_a_reflection_model_it_says_how_to_name_one(ground: Ground, plant: Plant) -> None:
    pytest.importorskip("gepa")
    plant(Planted(0.1))

    with pytest.raises(ServiceError, match="set TIDEMILL_REFLECTION_MODEL"):
        ground.run("gepa")


def test_the_environment_names_model_address_key_and_price() -> None:
    named = {
        "TIDEMILL_REFLECTION_MODEL": "big",
        "TIDEMILL_REFLECTION_URL": "http://127.0.0.1:1/v1",
        "TIDEMILL_REFLECTION_KEY": "secret",
        "TIDEMILL_REFLECTION_PRICE": "0.15/0.60",
    }
    found = Settings.read(named).reflection

    assert found is not None
    assert found.price == pytest.approx((0.15e-6, 0.6e-6))
    assert "secret" not in repr(found)
    assert Settings.read({}).reflection is None
    with pytest.raises(SettingsError, match="TIDEMILL_REFLECTION_PRICE is 'cheap', not like 0"):
        ReflectionSettings.read({**named, "TIDEMILL_REFLECTION_PRICE": "cheap"})


@pytest.mark.parametrize("price", ["nan", "-1", "0.15/inf", "0.15/-0.60"])
def test_a_price_with_which_no_limit_of_money_would_hold_is_refused(price: str) -> None:
    named = {
        "TIDEMILL_REFLECTION_MODEL": "big",
        "TIDEMILL_REFLECTION_URL": "http://127.0.0.1:1/v1",
        "TIDEMILL_REFLECTION_PRICE": price,
    }

    with pytest.raises(SettingsError, match="not finite prices of 0 or more"):
        ReflectionSettings.read(named)
