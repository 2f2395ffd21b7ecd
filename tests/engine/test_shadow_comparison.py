"""A shadow's answers beside those that users got: what is compared, and what it decides."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.engine.arms import arm
from tests.engine.rollout_specs import spec

from tidemill.answer import Answer
from tidemill.engine.rollout import Advance, advance
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary
from tidemill.engine.shadow_comparison import MAX_FLIPS, ShadowComparison, compare_shadow
from tidemill.engine.shadow_pair import ReleaseAnswer, ShadowPair

T0 = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = arm(100, 0, 0.1, 0.2)


def labelled(same: int, count: int = 200, **seconds: float | None) -> list[ShadowPair]:
    """Pairs of which so many have the same label."""
    live = ReleaseAnswer(Answer("refund", "refund"), seconds.get("live", 0.1), 10)
    other = ReleaseAnswer(Answer("order", "order"), seconds.get("candidate", 0.2), 10)
    equal = ReleaseAnswer(Answer("refund", "refund"), seconds.get("candidate", 0.2), 10)
    return [ShadowPair(f"r{n}", live, equal if n < same else other) for n in range(count)]


def compared(pairs: list[ShadowPair]) -> ShadowComparison:
    found = compare_shadow(pairs)
    assert found is not None
    return found


def test_without_pairs_there_is_nothing_to_compare() -> None:
    assert compare_shadow([]) is None


def test_labels_agree_as_they_are_and_the_first_flips_are_named() -> None:
    found = compared(labelled(180))

    assert (found.pairs, found.agreement.basis, found.agreement.share.value) == (200, "label", 0.9)
    assert found.flips == tuple(f"r{n}" for n in range(180, 180 + MAX_FLIPS))


def test_free_texts_agree_by_their_overlap() -> None:
    live = ReleaseAnswer(Answer("your parcel comes on monday"), 0.1)
    near = ReleaseAnswer(Answer("your parcel comes on friday"), 0.1)
    found = compared([ShadowPair(f"r{n}", live, near if n % 2 else live) for n in range(40)])

    assert found.agreement.basis == "rouge_l"
    assert 0.8 < found.agreement.share.value < 1
    assert found.flips[0] == "r1"


def test_metrics_without_a_reference_stand_beside_each_other() -> None:
    metrics = {item.metric: (item.live, item.candidate) for item in compared(labelled(200)).metrics}

    assert metrics["latency_p50"] == (0.1, 0.2)
    assert metrics["tokens_per_second"] == pytest.approx((100, 50))
    assert "accuracy" not in metrics


def test_a_cached_answer_has_no_time_to_compare() -> None:
    assert compared(labelled(200, live=None)).metrics == ()


def test_its_json_holds_ids_and_no_text_of_users() -> None:
    text = json.dumps(compared(labelled(180)).to_dict())

    assert '"r180"' in text
    assert "refund" not in text


def look(pairs: list[ShadowPair], minutes: float = 61, **fields: Any) -> Advance:
    """A look at a shadow whose hold is an hour."""
    steps = [{"percent": 0, "hold": "1h"}]
    rollout = spec(mode="shadow", steps=steps, **fields)
    state = RolloutState("new", "old", T0, T0, 0)
    health = {"new": GOOD, "old": GOOD}
    now = T0 + minutes * timedelta(minutes=1)
    return advance(rollout, state, health, RatingSummary(), now, pairs)


def test_a_shadow_that_surely_differs_goes_back_when_its_hold_is_over() -> None:
    early = look(labelled(100), minutes=30, min_agreement=0.9)
    late = look(labelled(100), min_agreement=0.9)

    assert early.decision == "hold"
    assert (late.decision, late.state.status) == ("roll_back", "rolled_back")
    assert late.reason.startswith("the shadow answers differently: 100 of 200 rows have the same")
    assert late.reason.endswith("min_agreement is 90.0%")


def test_a_shadow_that_surely_agrees_ends_with_its_agreement() -> None:
    found = look(labelled(198), min_agreement=0.9)

    assert (found.decision, found.state.status) == ("done", "ended")
    assert "198 of 200 rows have the same label" in found.reason
    assert found.numbers["shadow"] == compared(labelled(198)).to_dict()


@pytest.mark.parametrize(
    ("policy", "decision"),
    [("hold", "hold"), ("ask", "ask"), ("rollback", "roll_back"), ("promote", "done")],
)
def test_an_agreement_that_is_not_decided_follows_the_spec(policy: str, decision: str) -> None:
    found = look(labelled(178), min_agreement=0.9, on_inconclusive=policy)

    assert found.decision == decision
    if decision != "done":
        assert found.reason.startswith("agreement is not decided: 178 of 200 rows")
        assert "pairs would show it" in found.reason


def test_without_a_limit_the_agreement_is_shown_and_decides_nothing() -> None:
    found = look(labelled(10))

    assert found.decision == "done"
    assert "10 of 200 rows have the same label" in found.reason


def test_a_shadow_without_pairs_lacks_data_where_they_should_judge() -> None:
    waiting = look([], min_agreement=0.9, on_no_data={"after": "2h", "then": "roll_back"})
    late = look([], 121, min_agreement=0.9, on_no_data={"after": "2h", "then": "roll_back"})

    assert (waiting.decision, late.decision) == ("hold", "roll_back")
    assert "no request was answered by both releases" in waiting.reason
    assert look([]).decision == "done"


def test_nobody_rates_a_shadow_so_no_ratings_are_waited_for() -> None:
    assert look(labelled(198), quality={}, on_inconclusive="ask").decision == "done"
