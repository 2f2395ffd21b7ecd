"""The outbox, on every database: an event is queued once, and what became of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidemill.adapters.ledger import Ledger
from tidemill.engine.notification import Notification

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESSAGE = Notification("stalled", "chat: it waits", "no data", "tidemill rollout status chat")


def test_an_event_is_queued_once_and_keeps_what_was_said_first(ledger: Ledger) -> None:
    other = Notification("promoted", "another", "text", "tidemill status")

    assert ledger.notifications.add("rollout/7/hold/1/", MESSAGE, NOW)
    assert not ledger.notifications.add("rollout/7/hold/1/", other, NOW)
    assert ledger.notifications.add("rollout/7/hold/2/", other, NOW)
    queued = ledger.notifications.next_queued()
    assert [record.notification for record in queued] == [MESSAGE, other]
    assert queued[0].created_at == NOW
    assert ledger.notifications.count_queued() == 2
    assert ledger.notifications.next_queued(limit=1) == queued[:1]


def test_what_became_of_a_message_is_kept_and_what_was_lost_is_found_newest_first(
    ledger: Ledger,
) -> None:
    for key in "abcd":
        ledger.notifications.add(key, MESSAGE, NOW)
    first, second, third, _ = ledger.notifications.next_queued()
    later = NOW + timedelta(hours=1)
    ledger.notifications.record_delivery(first.id, "failed", (), NOW, "500")
    ledger.notifications.record_delivery(second.id, "expired", ("destination 1",), later, "late")
    ledger.notifications.record_delivery(third.id, "sent", ("destination 1",), later)

    lost = ledger.notifications.undelivered(NOW)
    assert [(one.key, one.state, one.delivered, one.error) for one in lost] == [
        ("b", "expired", ("destination 1",), "late"),
        ("a", "failed", (), "500"),
    ]
    assert [one.key for one in ledger.notifications.undelivered(later)] == ["b"]
    assert [one.key for one in ledger.notifications.next_queued()] == ["d"]
