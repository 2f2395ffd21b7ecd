"""A label, a slice or the former test set that fell is found; what chance explains is not."""

from __future__ import annotations

import numpy as np
import pytest

from tidemill.engine.forgetting import GroupKind, PairedRow, RowGroup, judge_forgetting

LABELS, ROWS = 20, 30


def group(
    rows: int, worse: int, better: int = 0, *, kind: GroupKind = "label", name: str = "refund"
) -> RowGroup:
    changes = [(1.0, 0.0)] * worse + [(0.0, 1.0)] * better
    scores = changes + [(1.0, 1.0)] * (rows - worse - better)
    paired = (PairedRow(f"row{i:03}", *score) for i, score in enumerate(scores))
    return RowGroup(kind, name, "accuracy", tuple(paired))


def others(count: int = LABELS - 1, rows: int = ROWS) -> list[RowGroup]:
    return [group(rows, 2, 2, name=f"label {i}") for i in range(count)]


def test_a_label_that_lost_half_of_its_rows_is_named_with_its_counts_and_rows() -> None:
    verdict = judge_forgetting([*others(), group(30, 14)], margin=0.02)

    assert [g.group.name for g in verdict.fallen] == ["refund"]
    assert not verdict.result.passed
    assert verdict.result.message == (
        "label 'refund' fell from accuracy 1.00 to 0.53 on 30 rows (14 got worse, 0 better): the "
        "lower bound of the fall, 0.12, is above 0.02; rows row000, row001, row002, row003, "
        "row004, …"
    )


@pytest.mark.parametrize(("rows", "worse"), [(3, 3), (8, 8), (15, 8)])
def test_a_few_rows_trip_nothing_beside_twenty_labels(rows: int, worse: int) -> None:
    verdict = judge_forgetting([*others(), group(rows, worse)], margin=0.0)

    assert verdict.result.passed


def test_a_label_with_too_few_rows_to_judge_is_said_to_be_so() -> None:
    verdict = judge_forgetting([*others(), group(4, 4)], margin=0.0)

    assert [g.name for g in verdict.too_few] == ["refund"]
    assert "too few rows to judge label 'refund'" in verdict.result.message
    assert verdict.to_dict()["too_few_rows"] == {"label 'refund'": 4}


def test_known_rows_that_fell_by_seven_points_are_found_though_no_label_stands_out() -> None:
    whole = group(480, 50, 15, kind="all", name="the former test set")
    labels = [group(40, 4, 1, name=f"label {i}") for i in range(12)]
    verdict = judge_forgetting([whole, *labels], margin=0.02)

    assert [g.group.title for g in verdict.fallen] == ["the former test set"]


def test_a_fall_within_the_margin_is_accepted_however_sure_it_is() -> None:
    whole = group(4000, 60, 10, kind="all", name="the former test set")

    assert judge_forgetting([whole], margin=0.02).result.passed
    assert not judge_forgetting([whole], margin=0.0).result.passed


def test_a_verdict_says_how_many_rows_a_fall_would_have_taken() -> None:
    whole = group(36, 3, 2, kind="all", name="the former test set")
    verdict = judge_forgetting([whole], margin=0.02)

    assert verdict.result.message == (
        "nothing is shown to have fallen by more than 0.02 below the baseline, of the former test "
        "set; 6 of 36 rows would show"
    )


def test_rows_of_one_person_count_once() -> None:
    rows = group(40, 20).rows
    one = [PairedRow(r.id, r.baseline, r.candidate, "ada" if i < 20 else None)
           for i, r in enumerate(rows)]  # fmt: skip
    crowd = RowGroup("label", "refund", "accuracy", tuple(rows))
    person = RowGroup("label", "refund", "accuracy", tuple(one))

    assert not judge_forgetting([crowd], margin=0.02).result.passed
    assert judge_forgetting([person], margin=0.02).result.passed


def test_a_metric_of_texts_is_judged_by_its_mean_fall() -> None:
    rng = np.random.default_rng(1)
    before = rng.uniform(0.3, 0.6, 60)
    after = before - rng.uniform(0.0, 0.3, 60)
    rows = tuple(
        PairedRow(f"r{i}", *pair) for i, pair in enumerate(zip(before, after, strict=True))
    )
    verdict = judge_forgetting([RowGroup("slice", "by e-mail", "rouge_l", rows)], margin=0.02)

    assert verdict.result.slice == "by e-mail"
    assert not verdict.result.passed
    assert 0.05 < verdict.groups[0].bound < 0.15


def test_a_few_texts_that_got_much_worse_trip_nothing_whatever_the_bootstrap_says() -> None:
    falls = [0.30, 0.35, 0.4, 0.4, 0.45, 0.5, 0.5, -0.01]
    rows = tuple(PairedRow(f"r{i}", 0.5, 0.5 - fall) for i, fall in enumerate(falls))
    verdict = judge_forgetting([RowGroup("slice", "by e-mail", "rouge_l", rows)], margin=0.02)

    assert verdict.groups[0].bound > 0.02
    assert verdict.result.passed


def test_nothing_to_compare_passes_and_says_so() -> None:
    verdict = judge_forgetting([RowGroup("all", "the former test set", "accuracy", ())], margin=0)

    assert verdict.result.passed
    assert verdict.result.message == "no row to compare"


def test_of_two_equal_models_with_twenty_labels_at_most_one_in_twenty_is_refused() -> None:
    rng = np.random.default_rng(7)
    trials, alarms = 400, 0
    for _ in range(trials):
        error = rng.uniform(0.05, 0.4, (LABELS, 1))
        baseline, candidate = (rng.random((LABELS, ROWS)) > error for _ in range(2))
        alarms += not judge_forgetting(equal_models(baseline, candidate), margin=0.0).result.passed

    assert alarms / trials <= 0.05


def equal_models(baseline: np.ndarray, candidate: np.ndarray) -> list[RowGroup]:
    """The labels, and all of their rows as the former test set."""
    labels = []
    for label in range(LABELS):
        scores = zip(baseline[label].astype(float), candidate[label].astype(float), strict=True)
        rows = tuple(PairedRow(f"{label}-{i}", *pair) for i, pair in enumerate(scores))
        labels.append(RowGroup("label", str(label), "accuracy", rows))
    every = tuple(row for label in labels for row in label.rows)
    return [RowGroup("all", "the former test set", "accuracy", every), *labels]
