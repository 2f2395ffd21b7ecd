"""`tidemill review` and `tidemill feedback withdraw` as people type them, over a real broker."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.streams import free_port

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.cli import main
from tidemill.client import Tidemill
from tidemill.control.ingest import Ingest, SpecContracts
from tidemill.events import INFERENCE_TOPIC, Event, InferenceEvent, encode
from tidemill.home import Home
from tidemill.ports import Message
from tidemill.settings import Settings
from tidemill.terminal.shell import INTERRUPTED

SPECS = Path(__file__).parents[2] / "specs" / "support-chat"
TOPIC = "support-chat.feedback"
COURIER = "May the courier leave my parcel with the porter downstairs?"
BIKE = "Which bicycle helmets can I hand over at your bridge depot?"
RIGHT = "track_order | The courier asks the porter first."
WRONG = "return_item | Print a label and hand it in."
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb in a workspace of one project: exit code and what was printed."""
    shutil.copytree(SPECS, tmp_path / "specs" / "support-chat")
    monkeypatch.setenv("TIDEMILL_SPECS", str(tmp_path / "specs"))
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / ".tidemill"))

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return call


class Desk:
    """A broker with answers to two questions, and an ingest that takes in what was sent."""

    def __init__(self, address: str, home: Path) -> None:
        self.bus = KafkaBus(address)
        self.client = Tidemill(address, TOPIC, subject_key=b"", bus=self.bus)
        self.ledger = Ledger.open(f"sqlite:///{home / '.tidemill' / 'ledger.db'}")
        self.contracts = SpecContracts(home / "specs")
        for number, text in enumerate((COURIER, BIKE)):
            answer = InferenceEvent(
                response_id=f"r{number}",
                service="support-chat",
                release="sha256:abc",
                input={"request": text},
                output="return_item | Print a label.",
            )
            self.bus.publish([Message(INFERENCE_TOPIC, **encode(Event(answer, "/s")))])

    def take(self, events: int) -> None:
        """Take in that many events."""
        ingest = Ingest(self.bus, self.ledger.events, self.contracts, SystemClock())
        while ingest.taken.records < events:
            ingest.step(0.5)

    def correct(self, number: int, output: str, subject: str) -> None:
        """A correction with consent."""
        self.client.correction(f"r{number}", output, subject=subject, consent=True)

    def close(self) -> None:
        """Disconnect."""
        self.bus.close()
        self.ledger.engine.dispose()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with EmbeddedBroker(free_port()) as broker:
        monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", broker.address)
        desk = Desk(broker.address, tmp_path)
        yield desk
        desk.close()


def shown(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(run("data", "show", "requests", "--json", "-n", "400")[1])
    return content


def rows_about(content: dict[str, Any], request: str) -> list[dict[str, Any]]:
    every = [row for rows in content["examples"].values() for row in rows]
    return [row for row in every if row["request"] == request]


def test_a_contested_row_reaches_the_queue_and_one_verdict_settles_it(run: Run, desk: Desk) -> None:
    desk.correct(0, RIGHT, "ann")
    desk.correct(0, WRONG, "bob")
    desk.take(4)
    queue = json.loads(run("review", "support-chat", "--json")[1])
    before = shown(run)
    (item,) = queue
    settle = ("review", "requests", "--row", item["id"], "--reviewer", "ada@x.org")
    sent = run(*settle, "--label", "track_order")[1]
    desk.take(1)
    after = shown(run)

    assert item["reason"] == "contested"
    assert item["question"] == {"request": COURIER}
    assert {vote["label"] for vote in item["votes"]} == {"track_order", "return_item"}
    assert sorted(item["choices"]) == ["return_item", "track_order"]
    assert rows_about(before, COURIER) == []
    assert sent.startswith(f"{item['id']} is 'track_order', sent as ")
    assert json.loads(run("review", "requests", "--json")[1]) == []
    assert after["feedback"]["questions"] == {"reviewed": 1}
    (row,) = rows_about(after, COURIER)
    assert (row["intent"], row["reply"]) == ("track_order", "The courier asks the porter first.")

    run(*settle, "--reject")
    desk.take(1)
    assert rows_about(shown(run), COURIER) == []
    run(*settle, "--reopen")
    desk.take(1)
    assert [one["id"] for one in json.loads(run("review", "requests", "--json")[1])] == [item["id"]]


def test_a_withdrawn_subjects_rows_are_gone_from_the_next_dataset(run: Run, desk: Desk) -> None:
    desk.correct(0, RIGHT, "mallory-of-the-depot")
    desk.correct(1, RIGHT, "ann")
    desk.take(4)
    builder = Home(Settings.read()).builder("support-chat")
    first = builder.materialise("requests")
    refused = run("feedback", "withdraw", "--subject", "mallory-of-the-depot")
    chosen = ("feedback", "withdraw", "--subject", "mallory-of-t", "--reason", "spam", "--yes")
    out = run(*chosen)
    again = run(*chosen)
    second = builder.materialise("requests")
    content = shown(run)
    text = run("data", "show", "requests", "-n", "0")[1]
    listed = json.loads(run("feedback", "withdraw", "--list", "--json")[1])
    undone = run("feedback", "withdraw", "--undo", "1")[1]
    third = builder.materialise("requests")

    assert refused[0] == 1
    assert refused[1].endswith("nothing was withdrawn: nobody can be asked here; add --yes\n")
    assert out[1].startswith("1 row of 1 subject: 1 correction\n")
    assert "\nwithdrawal 1 took out 1 row; " in out[1]
    assert again[1] == "nothing to withdraw: all feedback that matches is out already (1 row)\n"
    assert first.facts["rows_total"] - second.facts["rows_total"] == 1
    assert (rows_about(content, COURIER), len(rows_about(content, BIKE))) == ([], 1)
    assert content["feedback"]["withdrawn"] == 1
    assert content["vouched"]["one person"] == 1
    assert "  train rows by who vouches for the answer: file " in text
    assert ", one person 1\n" in text
    assert [(one["reason"], one["rows"]) for one in listed] == [("spam", 1)]
    assert undone == "withdrawal 1 is undone, with 1 row\n"
    assert third.artefact.digest == first.artefact.digest


def test_a_person_at_a_terminal_is_asked_and_what_is_decided_before_the_end_is_sent(
    run: Run, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (0, 1):
        desk.correct(number, RIGHT, "ann")
        desk.correct(number, WRONG, "bob")
    desk.take(6)
    keyboard, terminal = os.openpty()
    with os.fdopen(terminal, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        os.write(keyboard, b"?\n1\n\x04")  # the second question meets the end of the input
        code, printed = run("review", "requests", "--reviewer", "ada@x.org")
    os.close(keyboard)
    desk.take(1)

    assert code == INTERRUPTED
    assert "2 of 2 · contested" in printed
    assert "1 verdict sent; it counts from the next" in printed
    assert shown(run)["feedback"]["questions"] == {"reviewed": 1, "contested": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["review", "requests"], "a review asks at a terminal, and there is none; list the rows"),
        (["review", "requests", "--label", "a"], "--reopen go with --row ID"),
        (["review", "requests", "--row", "a"], "--row needs one of --label LABEL, --reject"),
        (["review", "reply-prompt", "--json"], "no dataset is called 'reply-prompt'"),
        (["feedback", "withdraw"], "choose rows with --subject, --response, --from or --to"),
        (["feedback", "withdraw", "--to", "noon"], "'noon' is no time; write 2026-05-01 or"),
    ],
)
def test_what_cannot_be_done_says_the_way_out(run: Run, arguments: list[str], message: str) -> None:
    code, printed = run(*arguments)

    assert code == 1
    assert message in " ".join(printed.split())
    assert "Traceback" not in printed


def test_a_model_that_is_not_built_yet_has_no_say_and_is_named(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "specs" / "support-chat" / "dataset.yaml"
    spec.write_text(spec.read_text() + "label_noise: {encoder: smollm2}\n")
    assert Home(Settings.read()).ledger

    code, printed = run("review", "support-chat/requests", "--json")

    assert code == 0
    assert "'smollm2' is not built yet, so no model says which labels it doubts" in printed
    assert printed.startswith("[]")


def test_without_a_broker_no_question_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")

    code, printed = run("review", "requests", "--row", "a", "--reject", "--reviewer", "ada@x.org")

    assert code == 1
    assert printed.startswith("no Kafka broker answers at 127.0.0.1:")


def test_a_stream_that_takes_no_review_is_named_with_its_line(run: Run, tmp_path: Path) -> None:
    spec = tmp_path / "specs" / "support-chat" / "feedback.yaml"
    spec.write_text(spec.read_text().replace(", review]", "]"))

    code, printed = run("review", "requests", "--row", "a", "--reject", "--reviewer", "ada@x.org")

    assert code == 1
    assert printed.endswith(
        "feedback.yaml:10: 'chat-feedback' accepts no review; "
        "write `kinds: [thumbs, correction, comment, review]`\n"
    )
