"""The client: three lines send feedback, and what would be quarantined never leaves."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.client import SendArguments, Tidemill
from tidemill.errors import EventError
from tidemill.events import FeedbackEvent, decode, hash_subject


def sent(bus: MemoryBus) -> list[FeedbackEvent]:
    found = [decode(m.headers, m.value).data for m in bus.read({("t", 0): 0}, limit=99, timeout=0)]
    assert all(isinstance(one, FeedbackEvent) for one in found)
    return found  # type: ignore[return-value]


def test_each_kind_has_its_own_call() -> None:
    bus = MemoryBus()
    with Tidemill("", "t", bus=bus) as tidemill:
        tidemill.thumbs("r1", up=False, subject="ann")
        tidemill.score("r1", 4)
        tidemill.correction("r1", "refund | Done.", consent=True)
        tidemill.correction("r1", {"intent": "refund"})
        tidemill.comment("r1", "too long")
        tidemill.preference("r1", "r2")
        tidemill.outcome("r1", 1)

    assert [f.kind for f in sent(bus)] == [
        *("thumbs", "score", "correction", "correction", "comment", "preference", "outcome")
    ]
    assert sent(bus)[0].value == 0.0
    assert sent(bus)[2].consent


def test_a_user_id_leaves_only_as_a_keyed_hash() -> None:
    bus = MemoryBus()
    Tidemill("", "t", bus=bus, subject_key="secret").thumbs(
        "r1", up=True, subject="ann@example.com"
    )

    assert sent(bus)[0].subject == hash_subject("ann@example.com", b"secret")


def test_what_ingest_would_quarantine_is_refused_at_once() -> None:
    bus = MemoryBus()

    with pytest.raises(
        EventError, match="would be quarantined: an outcome's value is between 0 and 1"
    ):
        Tidemill("", "t", bus=bus).outcome("r1", 7)
    assert sent(bus) == []


def test_many_at_once_are_one_write() -> None:
    bus = MemoryBus()
    many: list[SendArguments] = [
        {"response_id": f"r{n}", "kind": "thumbs", "value": 1, "subject": "a"} for n in range(5)
    ]

    assert Tidemill("", "t", bus=bus).send_many(many) == 5
    assert [f.response_id for f in sent(bus)] == ["r0", "r1", "r2", "r3", "r4"]


def test_importing_the_client_loads_no_kafka() -> None:
    check = (
        "import sys, tidemill.client; sys.exit('kafka' in sys.modules or 'torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
