"""`tidemill feedback` and `tidemill trigger`, as a person types them, over a real broker."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.adapters.streams import free_port

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.adapters.ledger import Ledger
from tidemill.cli import main
from tidemill.control.ingest import Ingest, SpecContracts
from tidemill.events import INFERENCE_TOPIC, Event, InferenceEvent, encode
from tidemill.ports import Message

SPECS = Path(__file__).parents[2] / "specs" / "support-chat"
TRIGGER = """apiVersion: tidemill/v1
kind: Trigger
name: retrain
of: chat-feedback
when:
  any: [{type: new_rows, at_least: 1}]
run: [support-canary]
"""
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a verb in a workspace of one project: exit code and what was printed."""
    project = tmp_path / "specs" / "support-chat"
    shutil.copytree(SPECS, project)
    (project / "trigger.yaml").write_text(TRIGGER)
    monkeypatch.setenv("TIDEMILL_SPECS", str(tmp_path / "specs"))
    monkeypatch.delenv("TIDEMILL_HOME", raising=False)

    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return call


@pytest.fixture
def taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """A broker with one answer; the call takes in what was sent since."""
    with EmbeddedBroker(free_port()) as broker:
        monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", broker.address)
        bus = KafkaBus(broker.address)
        answer = InferenceEvent(
            response_id="r1", service="support-chat", release="sha256:abc", output="hi"
        )
        bus.publish([Message(INFERENCE_TOPIC, **encode(Event(answer, "/s")))])
        ledger = Ledger.open(f"sqlite:///{tmp_path / '.tidemill' / 'ledger.db'}")
        contracts = SpecContracts(tmp_path / "specs")

        def take() -> None:
            ingest = Ingest(bus, ledger.events, contracts, SystemClock())
            while ingest.taken.records < 2:  # the answer, and what was said of it
                ingest.step(0.5)

        yield take
        bus.close()
        ledger.engine.dispose()


def test_feedback_is_sent_seen_and_fires_the_trigger(
    run: Run, taken_in: Callable[[], None]
) -> None:
    assert run("trigger", "explain", "retrain")[1].startswith(
        "support-chat/retrain: does not fire: 0 of 1 new rows"
    )
    thumb = ("feedback", "send", "r1", "thumbs", "down", "--subject", "ann", "--consent")
    code, said = run(*thumb, "--json")
    taken_in()
    tail = run("feedback", "tail")[1]
    explained = run("trigger", "explain", "--json")[1]

    assert (code, json.loads(said)["topic"]) == (0, "support-chat.feedback")
    assert "thumbs" in tail
    assert "0.0" in tail
    assert json.loads(explained)[0]["fire"]
    assert "1 feedback events, 1 firings" in run("trigger", "backtest", "retrain")[1]


def test_quarantine_shows_the_reason_and_a_fixed_spec_lets_it_be_replayed(
    run: Run, taken_in: Callable[[], None], tmp_path: Path
) -> None:
    sent = run("feedback", "send", "r1", "score", "4")[1]
    taken_in()
    shown = run("feedback", "quarantine")[1]
    spec = tmp_path / "specs" / "support-chat" / "feedback.yaml"
    spec.write_text(spec.read_text().replace("kinds: [", "kinds: [score, "))
    replayed = run("feedback", "replay")[1]

    refused = (
        "'chat-feedback' does not accept score; it accepts thumbs, correction, comment, review"
    )
    assert refused in shown
    assert sent.endswith(
        "it will be quarantined: 'chat-feedback' does not accept score; "
        "it accepts thumbs, correction, comment, review\n"
    )
    assert replayed == "1 replayed: 1 ingested, 0 duplicates, 0 still in quarantine\n"
    assert run("feedback", "quarantine") == (0, "the quarantine is empty\n")


def test_what_a_user_writes_never_drives_the_terminal_of_whoever_reads_it(
    run: Run, taken_in: Callable[[], None]
) -> None:
    run("feedback", "send", "r1", "comment", "bad\x1b[2Jnews\nof two lines")
    taken_in()

    tail = run("feedback", "tail")[1]

    assert tail.endswith("bad [2Jnews of two lines\n")
    assert tail.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["feedback", "send", "r1", "thumbs", "maybe"], "'maybe' is neither up nor down"),
        (["feedback", "send", "r1", "score", "many"], "'many' is no number"),
        (
            ["feedback", "send", "r1", "thumbs", "up", "--to", "support-chat.fedback"],
            "no stream is called 'support-chat.fedback'; did you mean 'support-chat.feedback'?",
        ),
        (["trigger", "explain", "retrian"], "no spec is called 'retrian'"),
        (["rollout", "status", "suport-chat"], "did you mean 'support-chat'?"),
        (
            ["trigger", "explain", "chat-feedback"],
            "'chat-feedback' is a Feedback, not a Trigger; name one of",
        ),
    ],
)
def test_a_slip_of_the_fingers_gets_one_clear_message(
    run: Run, arguments: list[str], message: str
) -> None:
    code, said = run(*arguments)

    assert code == 1
    assert message in said
    assert "Traceback" not in said


def test_a_broker_that_is_down_is_said_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")

    code, said = run("feedback", "send", "r1", "thumbs", "down")

    assert code == 1
    assert said.startswith("no Kafka broker answers at 127.0.0.1:")
    assert said.count("\n") == 1
