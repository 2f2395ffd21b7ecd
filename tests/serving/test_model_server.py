"""A KServe model server that really runs, asked over HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.serving.places import ECHO, make_release

from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.adapters.local.processes import ProcessFolder
from tidemill.pipeline.release_folder import ServedRelease

CHAT = "/openai/v1/chat/completions"


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ServedRelease, httpx.Client]]:
    home = tmp_path_factory.mktemp("home")
    release, folder = make_release(home / "one", cache=True)
    deployer = LocalDeployer(home, "http://127.0.0.1:1", command=[sys.executable, str(ECHO)])
    arm = deployer.start(release.service, release.digest, folder)
    with httpx.Client(base_url=arm.url, timeout=20) as client:
        yield release, client
    ProcessFolder(home / "run", "models").stop_all()


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def test_a_chat_completion_is_openais_and_names_response_and_release(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served

    answer = client.post(CHAT, json={"messages": messages("one two"), "model": release.service})

    body = answer.json()
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "two one"}
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["total_tokens"] == 4
    assert answer.headers["x-tidemill-release"] == release.digest
    assert answer.headers["x-tidemill-response-id"] == body["id"] == body["tidemill"]["response_id"]


def streamed(client: httpx.Client, text: str, **named: object) -> tuple[list[Any], httpx.Headers]:
    """The chunks of a streamed answer, and the headers before them."""
    wanted = {"messages": messages(text), "stream": True, **named}
    with client.stream("POST", CHAT, json=wanted) as answer:
        *chunks, end = [line[6:] for line in answer.iter_lines() if line]
    assert end == "[DONE]"
    return [json.loads(chunk) for chunk in chunks], answer.headers


def test_a_stream_sends_pieces_and_ends_with_done(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served

    chunks, headers = streamed(client, "one two three")

    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    assert "".join(pieces) == "three two one"
    assert len([piece for piece in pieces if piece]) == 3
    assert {chunk["id"] for chunk in chunks} == {headers["x-tidemill-response-id"]}
    assert headers["x-tidemill-release"] == release.digest


def test_a_stream_that_is_asked_for_usage_ends_with_it_made_or_cached(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    wanted = {"max_tokens": 2, "stream_options": {"include_usage": True}}

    made, cached = (streamed(served[1], "how many tokens", **wanted)[0] for _ in range(2))

    assert len(cached) < len(made)
    for *before, last in (made, cached):
        assert last["choices"] == []
        assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        assert [chunk["usage"] for chunk in before] == [None] * len(before)
        assert before[-1]["choices"][0]["finish_reason"] == "length"


def test_a_cached_answer_says_so_however_it_is_asked_for(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    """The gateway times generated answers alone, and goes by this header."""
    release, client = served
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["asked by v2"]}
    v2 = f"/v2/models/{release.service}/infer"

    streams = [streamed(client, "asked by stream")[1] for _ in range(2)]
    answers = [client.post(v2, json={"inputs": [tensor]}).headers for _ in range(2)]

    for headers in (streams, answers):
        assert [h.get("x-tidemill-cached") for h in headers] == [None, "true"]


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_a_stream_that_is_not_asked_for_usage_says_none(
    served: tuple[ServedRelease, httpx.Client], options: object
) -> None:
    chunks, _ = streamed(served[1], "one two three", stream_options=options)

    assert [chunk for chunk in chunks if "usage" in chunk] == []
    assert all(chunk["choices"] for chunk in chunks)


def test_stream_options_without_a_stream_are_refused(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    wanted = {"messages": messages("hi"), "stream_options": {"include_usage": True}}

    answer = served[1].post(CHAT, json=wanted)

    assert answer.status_code == 400
    assert "`stream_options` needs `stream: true`" in answer.json()["error"]["message"]


def test_the_same_question_again_comes_from_the_cache(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    _, client = served

    answers = [client.post(CHAT, json={"messages": messages("again")}).json() for _ in range(2)]

    assert [answer["tidemill"]["cached"] for answer in answers] == [False, True]
    assert answers[0]["id"] != answers[1]["id"]


def test_the_inference_protocol_answers_each_row(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [2], "data": ["a b", "c d"]}

    answer = client.post(f"/v2/models/{release.service}/infer", json={"inputs": [tensor]})

    outputs = {one["name"]: one["data"] for one in answer.json()["outputs"]}
    assert outputs["text"] == ["b a", "d c"]
    assert len(set(outputs["response_id"])) == 2
    assert answer.headers["x-tidemill-release"] == release.digest


def test_an_answer_of_a_pair_has_the_pairs_id_and_no_other_header_gives_one(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served
    pair = "0123456789abcdef" * 2
    copy = {"x-tidemill-pair": pair, "x-tidemill-arm": "shadow"}
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}

    def chat_id(headers: dict[str, str]) -> str:
        answer = client.post(CHAT, json={"messages": messages("hi")}, headers=headers)
        return str(answer.headers["x-tidemill-response-id"])

    infer = f"/v2/models/{release.service}/infer"
    batch = client.post(infer, json={"inputs": [tensor]}, headers=copy).json()
    outputs = {item["name"]: item["data"] for item in batch["outputs"]}

    assert chat_id({"x-tidemill-pair": pair}) == pair
    assert chat_id(copy) == f"{pair}.shadow"
    assert outputs["response_id"] == [f"{pair}.shadow", f"{pair}-1.shadow"]
    assert chat_id({"x-tidemill-pair": "mine"}) != "mine"


def test_health_metadata_models_and_metrics_are_there(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served

    ready = client.get(f"/v2/models/{release.service}/ready").json()
    metadata = client.get(f"/v2/models/{release.service}").json()
    models = client.get("/openai/v1/models").json()
    client.post(
        f"/v2/models/{release.service}/infer",
        json={"inputs": [{"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a"]}]},
    )

    assert client.get("/v2/health/live").json() == {"live": True}
    assert ready["ready"] is True
    assert metadata["inputs"][0]["name"] == "prompt"
    assert models["data"][0]["id"] == release.service
    assert "request_predict_seconds_count" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"messages": []}, 400, "needs `messages`"),
        ({"messages": [{"role": "user"}], "max_tokens": 0}, 400, "max_tokens"),
        ({"messages": [{"content": "hi"}]}, 400, "messages.0.role: Field required"),
        ({"stream_options": {"include_usage": 2}}, 400, "stream_options.include_usage: Input"),
        ({"messages": messages("hi"), "model": "other"}, 404, "no model 'other' here"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "'image_url' is not understood",
        ),
        ({"tidemill": {"inputs": {"text": "a"}}}, 400, "no prompt"),
        ({"tidemill": {"input": {}}}, 400, "tidemill.input"),
        ({"messages": messages("a " * 20_000)}, 400, "exceeds the model's 10000"),
        ("{", 400, "Invalid JSON"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_told_what_is_wrong(
    served: tuple[ServedRelease, httpx.Client], body: object, status: int, said: str, stream: bool
) -> None:
    text = body if isinstance(body, str) else json.dumps({**body, "stream": stream})  # type: ignore[dict-item]

    answer = served[1].post(CHAT, content=text)

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("rows", "said"), [(["a " * 20_000], "exceeds the model's 10000"), (["a"] * 65, "at most 64")]
)
def test_rows_that_are_too_long_or_too_many_are_the_clients_fault(
    served: tuple[ServedRelease, httpx.Client], rows: list[str], said: str
) -> None:
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [len(rows)], "data": rows}

    answer = served[1].post(f"/v2/models/{served[0].service}/infer", json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert said in answer.text


def test_a_stream_whose_model_fails_at_once_is_an_error_and_no_broken_stream(
    tmp_path: Path,
) -> None:
    release, folder = make_release(tmp_path / "one", faults="fail")
    deployer = LocalDeployer(tmp_path, "http://127.0.0.1:1", command=[sys.executable, str(ECHO)])
    try:
        url = deployer.start(release.service, release.digest, folder).url
        answer = httpx.post(url + CHAT, json={"messages": messages("hi"), "stream": True})
    finally:
        deployer.processes.stop_all()

    assert answer.status_code == 500


def test_nothing_more_is_generated_for_a_client_that_left_before_the_first_piece(
    tmp_path: Path,
) -> None:
    release, folder = make_release(tmp_path / "one", faults="dribble 0.3")
    deployer = LocalDeployer(tmp_path, "http://127.0.0.1:1", command=[sys.executable, str(ECHO)])
    body = json.dumps({"messages": messages("a " * 30), "stream": True})
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    try:
        url = httpx.URL(deployer.start(release.service, release.digest, folder).url)
        busy = socket.create_connection((url.host, url.port or 80))
        busy.sendall((head + body).encode())
        time.sleep(0.2)
        with socket.create_connection((url.host, url.port or 80)) as left:
            left.sendall((head + body).encode())
            time.sleep(0.2)
        time.sleep(0.2)
        busy.close()
        begun = time.monotonic()
        httpx.post(str(url) + CHAT, json={"messages": messages("x")}, timeout=30)
        took = time.monotonic() - begun
    finally:
        deployer.processes.stop_all()

    assert took < 4  # 30 pieces of 0.3 s would be 9 s


def test_a_tensor_that_is_no_text_is_refused(served: tuple[ServedRelease, httpx.Client]) -> None:
    release, client = served
    tensor = {"name": "prompt", "datatype": "INT32", "shape": [1], "data": [1]}

    answer = client.post(f"/v2/models/{release.service}/infer", json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert "send BYTES" in answer.text


def test_nobody_unloads_or_loads_the_model_over_http(
    served: tuple[ServedRelease, httpx.Client],
) -> None:
    release, client = served

    answers = [
        client.post(f"/v2/repository/models/{release.service}/{what}").status_code
        for what in ("load", "unload")
    ]

    assert answers == [404, 404]
    assert client.post(CHAT, json={"messages": messages("still there")}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"shape": [3]}, "other elements than its shape [3] says"),
        ({"data": [None]}, "holds null; send texts"),
        ({"data": [10**11]}, "holds 100000000000; send texts"),
        ({"name": "promt", "data": ["a"]}, "inputs are missing: prompt; given: promt"),
    ],
)
def test_a_tensor_that_does_not_fit_is_the_clients_mistake(
    served: tuple[ServedRelease, httpx.Client], changed: dict[str, Any], said: str
) -> None:
    release, client = served
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a"], **changed}

    answer = client.post(f"/v2/models/{release.service}/infer", json={"inputs": [tensor]})

    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_it_listens_on_loopback_only(served: tuple[ServedRelease, httpx.Client]) -> None:
    import psutil

    port = served[1].base_url.port
    hosts = {
        one.laddr.ip
        for one in psutil.net_connections("tcp")
        if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
    }

    assert hosts == {"127.0.0.1"}


def test_a_tampered_artefact_is_refused_at_the_start_in_one_line(tmp_path: Path) -> None:
    _, folder = make_release(tmp_path / "one")
    (folder / "model" / "extra").write_text("planted")
    arguments = ["--release-folder", str(folder), "--port", "1"]

    ended = subprocess.run(
        [sys.executable, "-m", "tidemill.serving.model_server", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert "is not what was released" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
