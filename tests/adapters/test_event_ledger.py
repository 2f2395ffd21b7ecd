"""Nothing is lost and nothing counts twice, on every database the ledger runs on."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from tests.adapters.streams import (
    MINUTE,
    NOW,
    TOPIC,
    answer,
    contract,
    correct,
    take,
    thumb,
)

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.errors import Overtaken
from tidemill.events import INFERENCE_TOPIC
from tidemill.ports import Message


def test_feedback_joins_its_answer_whichever_comes_first(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [answer(1)])
    take(events, bus, [thumb(1), thumb(2)])
    before = events.event_counts()
    taken = take(events, bus, [answer(2)])

    assert (before["joined"], before["waiting"]) == (1, 1)
    assert taken.joined == 1
    assert (events.event_counts()["joined"], events.event_counts()["waiting"]) == (2, 0)


def test_an_event_that_comes_again_counts_once(ledger: Ledger) -> None:
    bus = MemoryBus()
    take(ledger.events, bus, [answer(1), thumb(1), thumb(1)])
    again = take(ledger.events, bus, [answer(1), thumb(1)])

    assert (again.inserted, again.duplicates) == (0, 2)
    assert ledger.events.event_counts()["feedback"] == 1


def test_ids_of_two_sources_do_not_meet(ledger: Ledger) -> None:
    bus = MemoryBus()
    mine, theirs = thumb(1, event_id="1"), thumb(2, event_id="1")
    other = tuple((k, b"/other" if k == "ce_source" else v) for k, v in theirs.headers)
    theirs = Message(TOPIC, theirs.value, theirs.key, other)

    assert take(ledger.events, bus, [mine, theirs]).inserted == 2


def test_what_cannot_be_used_is_kept_raw_with_its_reason_and_place(ledger: Ledger) -> None:
    bus = MemoryBus()
    odd = Message(TOPIC, b"\xff\x00not json", b"key", (("h", b"\xfe"),))
    taken = take(ledger.events, bus, [thumb(1), odd, thumb(2, kind="outcome", value=0.5)])
    second, first = ledger.events.quarantined_events(raw=True)

    assert taken.quarantined == 2
    assert (first["value"], first["topic"], first["offset"]) == (odd.value, TOPIC, 1)
    assert json.loads(first["headers"]) == [["h", "\xfe"]]
    assert first["reason"].startswith("neither `ce_` headers nor JSON")
    assert second["reason"] == (
        "'chat-feedback' does not accept outcome; it accepts thumbs, score, correction, comment"
    )


def test_a_fixed_contract_lets_quarantine_be_replayed_once(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [answer(1), thumb(1, kind="outcome", value=1.0)])
    wider = {TOPIC: contract(kinds=("thumbs", "outcome"))}
    still = events.replay({TOPIC: contract()}, NOW)
    fixed = events.replay(wider, NOW)

    assert (still.inserted, still.quarantined) == (0, 1)
    assert (fixed.inserted, fixed.joined) == (1, 1)
    assert events.replay(wider, NOW).records == 0
    assert events.quarantined_events() == []


def test_feedback_that_waits_in_vain_goes_to_quarantine_and_can_come_back(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [thumb(1)])
    early = events.expire_unjoined(NOW + 59 * MINUTE)
    expired = events.expire_unjoined(NOW + 61 * MINUTE)
    again = take(events, bus, [thumb(1), answer(1)], now=NOW + 62 * MINUTE)
    reason = events.quarantined_events()[0]["reason"]
    replayed = events.replay({TOPIC: contract()}, NOW + 63 * MINUTE)

    assert (early, expired) == (0, 1)
    assert "no inference record of response 'r1' came within the join window" in reason
    assert (again.duplicates, again.joined) == (1, 0)
    assert replayed.joined == 1
    assert events.event_counts()["feedback"] == 1


def test_feedback_on_another_service_is_refused(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [answer(1, service="search"), thumb(1), thumb(2)])
    take(events, bus, [answer(2, service="search")])
    reasons = {row["reason"] for row in events.quarantined_events()}

    assert reasons == {
        f"response 'r{n}' is of the service 'search'; feedback on '{TOPIC}' is about 'chat'"
        for n in (1, 2)
    }
    assert events.event_counts()["feedback"] == 0


def test_the_offset_moves_with_the_rows_or_not_at_all(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    bus.publish([thumb(1), thumb(2)])
    positions = events.positions(TOPIC, bus.partitions(TOPIC), NOW)
    records = bus.read({(TOPIC, 0): 0}, limit=10, timeout=0)
    contracts = {TOPIC: contract()}
    events.ingest(records, positions, contracts, NOW)

    with pytest.raises(Overtaken):
        events.ingest(records, positions, contracts, NOW)
    assert events.positions(TOPIC, bus.partitions(TOPIC), NOW)[0].next_offset == 2
    assert events.event_counts()["feedback"] == 2


def test_a_broker_that_forgot_begins_anew_without_losing_or_doubling(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [answer(1), answer(2), thumb(1)])
    frozen = ledger.feedback.frozen_offsets(TOPIC)
    bus.lose_all()
    taken = take(events, bus, [thumb(1), thumb(2), answer(3)])
    later = ledger.feedback.frozen_offsets(TOPIC)

    assert (taken.inserted, taken.duplicates) == (2, 1)
    assert frozen == {f"{TOPIC}/0": 1, f"{INFERENCE_TOPIC}/0": 1}
    assert later == {f"{TOPIC}/0": 3, f"{INFERENCE_TOPIC}/0": 2}


def test_records_the_broker_deleted_unread_are_counted(ledger: Ledger) -> None:
    from tidemill.ports import PartitionRange

    ledger.events.positions(TOPIC, {0: PartitionRange(0, 5, "a")}, NOW)
    position = ledger.events.positions(TOPIC, {0: PartitionRange(3, 9, "a")}, NOW)[0]

    assert (position.next_offset, position.lost_records, position.topic_recreated) == (3, 3, False)


def test_frozen_offsets_give_the_same_rows_whatever_happens_after(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    kinds = ("correction", "thumbs")
    take(events, bus, [answer(1), answer(2), correct(3), correct(1), thumb(2, value=1.0)])
    frozen = ledger.feedback.frozen_offsets(TOPIC)
    before = ledger.feedback.rows(contract(), kinds, None, frozen)
    take(events, bus, [answer(3), answer(4), correct(4), thumb(1)])

    assert ledger.feedback.rows(contract(), kinds, None, frozen) == before
    assert before[1] == {f"{INFERENCE_TOPIC}/0": (0, 2), f"{TOPIC}/0": (0, 3)}
    rows = ledger.feedback.rows(contract(), kinds, None)[0]
    assert [(r["output"], r["rating"]) for r in rows] == [
        ("right 3", None), ("right 1", None), ("answer 2", 1.0), ("right 4", None),
        ("answer 1", 0.0),
    ]  # fmt: skip
    assert rows[1]["input"] == {"request": "question 1"}
    assert (rows[1]["consent"], rows[1]["subject"], rows[1]["time"]) == (True, "u1", NOW)


def test_one_loud_subject_gets_no_more_rows_than_its_share(ledger: Ledger) -> None:
    bus = MemoryBus()
    loud = [correct(n, subject="troll") for n in range(50)]
    quiet = [correct(n) for n in range(50, 90)]
    take(ledger.events, bus, [*(answer(n) for n in range(90)), *loud, *quiet])

    rows = ledger.feedback.rows(contract(max_weight_per_subject=0.05), ("correction",), None)[0]

    assert sum(row["subject"] == "troll" for row in rows) == 2
    assert len(rows) == 42


def test_signals_are_what_no_firing_has_used_and_late_feedback_is_none(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    long_ago = NOW - timedelta(days=40)
    take(events, bus, [answer(1), answer(2), answer(3), thumb(1), thumb(2, at=long_ago)])
    first = ledger.feedback.signals(TOPIC)
    frozen = ledger.feedback.frozen_offsets(TOPIC)
    take(events, bus, [thumb(3), thumb(4)], now=NOW + MINUTE)

    assert [s.subject for s in first] == ["u1"]
    assert [s.subject for s in ledger.feedback.signals(TOPIC, frozen)] == ["u3"]


def test_ratings_are_summed_per_release_and_subject(ledger: Ledger) -> None:
    bus = MemoryBus()
    answers = [answer(n, release=f"sha256:{'one' if n < 4 else 'two'}") for n in range(8)]
    ratings = [thumb(n, subject=f"u{n % 2}", value=float(n in (1, 5, 7))) for n in range(8)]
    take(ledger.events, bus, [*answers, *ratings])

    found = ledger.service_metrics.ratings("chat", "thumbs", NOW)

    assert [(r.release, r.subject, r.ratings, r.total) for r in found] == [
        ("sha256:one", "u0", 2, 0.0),
        ("sha256:one", "u1", 2, 1.0),
        ("sha256:two", "u0", 2, 0.0),
        ("sha256:two", "u1", 2, 2.0),
    ]


def test_anonymous_ratings_are_one_subject_and_nobody_counts_beyond_its_share(
    ledger: Ledger,
) -> None:
    answers = [answer(n, release="sha256:one") for n in range(16)]
    loud = [thumb(n, subject=None, value=1.0) for n in range(10)]
    others = [thumb(n, subject=f"u{n}", value=0.0) for n in range(10, 16)]
    take(ledger.events, MemoryBus(), [*answers, *loud, *others])

    found = ledger.service_metrics.ratings("chat", "thumbs", NOW, share=0.25)

    assert {r.subject: (r.ratings, r.total) for r in found if r.ratings > 1} == {"": (2, 2.0)}
    assert len(found) == 7


def test_health_counts_errors_and_latencies_per_release(ledger: Ledger) -> None:
    bus = MemoryBus()
    slow = [answer(n, latency=n / 10, subject=f"u{n}") for n in range(1, 11)]
    take(ledger.events, bus, [*slow, answer(11, release="sha256:two", error="out of memory")])

    health = ledger.service_metrics.release_health("chat", NOW)

    assert (health["sha256:one"].requests, health["sha256:one"].errors) == (10, 0)
    assert health["sha256:one"].timed == 7  # the first three are its warm-up
    assert health["sha256:one"].latency_p50 == pytest.approx(0.7)
    assert health["sha256:one"].latency_p95 == pytest.approx(1.0)
    assert (health["sha256:two"].errors, health["sha256:two"].latency_p50) == (1, None)
    assert ledger.service_metrics.subject_counts("chat", NOW) == {"sha256:one": 10, "sha256:two": 0}


def test_dead_letters_wait_until_they_were_copied(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [Message(TOPIC, b"{}")], stream=contract(dead_letter="chat.dead"))
    ((number, letter),) = events.uncopied_dead_letters()
    events.mark_copied([number])

    assert (letter.topic, letter.value, letter.headers[-1][0]) == (
        "chat.dead",
        b"{}",
        "tidemill-reason",
    )
    assert events.uncopied_dead_letters() == []
    assert len(events.quarantined_events()) == 1


def test_a_record_the_database_refuses_does_not_stop_the_stream(ledger: Ledger) -> None:
    bus = MemoryBus()
    poison = Message(TOPIC, thumb(2).value, b"k", (*thumb(2).headers, ("x", b"\x00")))
    taken = take(ledger.events, bus, [thumb(1), poison, thumb(3)])

    assert taken.inserted + taken.quarantined == 3


def test_erasing_a_subject_leaves_no_row_of_it(ledger: Ledger) -> None:
    bus, events = MemoryBus(), ledger.events
    take(events, bus, [answer(1, subject="u1"), answer(2), thumb(1), thumb(2)])

    assert events.erase_subject("u1") == 2
    assert ledger.service_metrics.inference_record("r1") is None
    assert events.event_counts()["feedback"] == 1


def test_an_outcome_is_about_the_item_that_it_names_or_else_about_the_whole_answer(
    ledger: Ledger,
) -> None:
    shop = contract(kinds=("outcome",))
    bought = thumb(1, kind="outcome", value=1.0, output="third", consent=True)
    solved = thumb(2, kind="outcome", value=1.0, consent=True)
    answers = [answer(number, label="best") for number in (1, 2)]
    take(ledger.events, MemoryBus(), [*answers, bought, solved], shop=shop)
    rows = ledger.feedback.rows(shop, ("outcome",), None)[0]

    assert [(row["output"], row["label"]) for row in rows] == [
        ("third", None),
        ("answer 2", "best"),
    ]
