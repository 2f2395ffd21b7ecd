"""What a plan asks the ledger: how long things took, and how quickly ratings come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.adapters.streams import NOW, answer, take, thumb

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.engine.cost import BuildCost
from tidemill.engine.release_record import SpecCommit
from tidemill.ports import Materialisation

DAY = timedelta(days=1)


def made(ledger: Ledger, **changes: Any) -> None:
    fields: dict[str, Any] = {
        **{key: f"sha256:{key}" for key in ("version", "spec_digest", "artefact")},
        **{key: {} for key in ("steps", "inputs", "tools", "facts")},
        "commit": SpecCommit(),
        **dict.fromkeys(("measures", "checks"), ()),
        "project": "shop",
        "name": "tune",
        "kind": "FineTune",
        "started_at": NOW,
        "seconds": 60.0,
    }
    ledger.materialisations.add(Materialisation(**{**fields, **changes}))


def test_the_past_of_a_kind_comes_newest_first_without_what_was_reused(ledger: Ledger) -> None:
    made(ledger, seconds=1.0, facts={"rows": 7})
    made(ledger, kind="Dataset", name="rows")
    made(ledger, seconds=0.0)
    made(ledger, project="other", seconds=2.0, peak_bytes=5, facts={"rows": {"train": 3}})

    assert ledger.materialisations.build_costs(["FineTune"]) == [
        BuildCost("other", "tune", "FineTune", 2.0, 5, None),
        BuildCost("shop", "tune", "FineTune", 1.0, 0, 7),
    ]
    assert len(ledger.materialisations.build_costs(["FineTune", "Dataset"], limit=2)) == 2


def test_the_size_of_a_dataset_is_all_its_rows(ledger: Ledger) -> None:
    made(ledger, kind="Dataset", facts={"rows": {"train": 3, "test": 1}, "rows_total": 4})

    assert ledger.materialisations.build_costs(["Dataset"])[0].rows == 4


def test_a_run_that_was_taken_up_half_way_says_nothing_of_a_whole_one(ledger: Ledger) -> None:
    made(ledger, facts={"resumed_from": 40})

    assert ledger.materialisations.build_costs(["FineTune"]) == []


def test_the_pace_counts_ratings_of_one_service_and_kind(ledger: Ledger) -> None:
    bus = MemoryBus()
    take(ledger.events, bus, [answer(n, at=NOW) for n in range(4)])
    take(ledger.events, bus, [thumb(n, value=float(n < 3)) for n in range(4)])
    found = ledger.service_metrics.rating_rate("chat", "thumbs", NOW - DAY, NOW + 2 * DAY)

    assert found is not None
    assert (found.ratings, found.mean) == (4, 0.75)
    assert found.days == pytest.approx(2)
    assert found.per_day == pytest.approx(2)


def test_a_burst_within_a_day_counts_as_a_day(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1), thumb(1)])
    found = ledger.service_metrics.rating_rate(
        "chat", "thumbs", NOW - DAY, NOW + timedelta(minutes=1)
    )

    assert found is not None
    assert found.days == 1


def test_without_ratings_there_is_no_pace(ledger: Ledger) -> None:
    take(ledger.events, MemoryBus(), [answer(1), thumb(1)])

    assert ledger.service_metrics.rating_rate("chat", "score", NOW - DAY, NOW) is None
    assert ledger.service_metrics.rating_rate("other", "thumbs", NOW - DAY, NOW) is None
    assert ledger.service_metrics.rating_rate("chat", "thumbs", NOW + DAY, NOW + 2 * DAY) is None


def test_the_rate_of_requests_counts_what_users_got_and_no_copies(ledger: Ledger) -> None:
    answers = [answer(n, at=NOW - n * DAY / 4) for n in range(9)]
    copies = [answer(n, at=NOW, event_id=f"s{n}", arm="shadow") for n in range(5)]
    take(ledger.events, MemoryBus(), [*answers, *copies])
    found = ledger.service_metrics.request_rate("chat", NOW - 28 * DAY, NOW)

    assert found is not None
    assert (found.requests, found.days, found.per_day) == (9, 2, 4.5)
    assert ledger.service_metrics.request_rate("other", NOW - 28 * DAY, NOW) is None


def _pair(number: int, label: str, shadow: str, **copy: Any) -> list[Any]:
    """What the user got of request `number`, and the copy of it."""
    live = answer(number, at=NOW, response_id=f"p{number}", label=label, latency=0.1)
    fields = {"release": "sha256:two", "arm": "shadow", "label": shadow, "latency": 0.3, **copy}
    twin = answer(number, at=NOW, event_id=f"s{number}", response_id=f"p{number}.shadow", **fields)
    return [live, twin]


def test_a_copy_is_paired_with_the_answer_that_the_user_got(ledger: Ledger) -> None:
    lonely = answer(7, at=NOW, event_id="s7", response_id="p7.shadow", release="sha256:two")
    events = [*_pair(1, "refund", "refund"), *_pair(2, "refund", "order", cached=True), lonely]
    take(ledger.events, MemoryBus(), [*events, *_pair(3, "order", "order", error="planted")])
    first, second = ledger.service_metrics.shadow_pairs(
        "chat", "sha256:one", "sha256:two", NOW - DAY
    )

    assert (first.response_id, first.live.answer.label, first.live.seconds) == ("p1", "refund", 0.1)
    assert (second.candidate.answer.label, second.candidate.seconds) == ("order", None)
    assert ledger.service_metrics.shadow_pairs("chat", "sha256:one", "sha256:two", NOW + DAY) == []
    assert ledger.service_metrics.shadow_pairs("chat", "sha256:x", "sha256:two", NOW - DAY) == []
