"""A candidate that forgot a label or a slice is stopped, though its average is fine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.evaluations import Place, answer_all, spec

from tidemill.answer import Answer
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline import Baseline
from tidemill.pipeline.checks import declared_checks
from tidemill.pipeline.context import BuildResult
from tidemill.pipeline.forgetting import compare_groups

RULES: dict[str, Any] = {
    "baseline": {"type": "live", "service": "support"},
    "gates": [],
    "metrics": ["accuracy"],
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def forgets(n: int, every: int) -> list[EvaluatedRow]:
    """Right but for refunds, of which it gets one in `every` right."""
    return answer_all(n, wrong=lambda i: i % 4 == 1 and (i // 4) % every > 0)


def names(built: BuildResult) -> dict[str, bool]:
    return {check.name: check.passed for check in built.checks}


def test_a_forgotten_label_stops_a_model_without_any_gate_in_its_spec(place: Place) -> None:
    live = place.conclude(answer_all(160, wrong=lambda i: i % 4 == 2), **RULES).artefact
    built = place.conclude(forgets(160, 4), live, **RULES)
    forgetting = next(check for check in built.checks if check.name == "forgetting")

    assert forgetting.blocking
    assert not forgetting.passed
    assert forgetting.message.startswith(
        "label 'refund' fell from accuracy 1.00 to 0.25 on 40 rows (30 got worse, 0 better): the "
        "lower bound of the fall, 0.5"
    )
    assert "rows row0005, row0009, row0013," in forgetting.message
    assert built.facts["passed"] is False


def test_the_report_keeps_every_group_with_its_rows(place: Place) -> None:
    live = place.conclude(answer_all(160), **RULES).artefact
    built = place.conclude(forgets(160, 4), live, **RULES)
    report = json.loads((built.artefact.path / "report.json").read_text())
    groups = {group["name"]: group for group in report["forgetting"]["groups"]}

    assert set(groups) == {
        "the former test set", "order status", "refund", "delivery change", "goodbye"
    }  # fmt: skip
    assert len(groups["refund"]["got_worse"]) == 30
    assert not groups["goodbye"]["fell"]


def test_the_same_model_again_passes(place: Place) -> None:
    live = place.conclude(answer_all(), **RULES).artefact

    assert names(place.conclude(answer_all(), live, **RULES))["forgetting"]


def test_a_slice_that_fell_is_named(place: Place) -> None:
    rows = [
        replace(a, row={**a.row, "channel": "app" if i % 3 else "email"})
        for i, a in enumerate(answer_all(180, wrong=lambda _: False))
    ]
    worse = [
        replace(a, answer=Answer(a.answer.text, "x")) if a.row["channel"] == "email" and i % 2
        else a for i, a in enumerate(rows)
    ]  # fmt: skip
    rules = {**RULES, "slices": [{"name": "by e-mail", "column": "channel", "equals": "email"}]}
    live = place.conclude(rows, **rules).artefact
    built = place.conclude(worse, live, **rules)

    assert "slice 'by e-mail' fell from accuracy 1.00 to 0.50" in built.checks[0].message


def test_a_label_that_live_was_never_tested_on_is_no_group_and_new_rows_are_not_former() -> None:
    every = answer_all(160, wrong=lambda _: False)
    former = [a for a in every[:80] if a.reference.label != "refund"]
    recorded = {a.id: a for a in former}
    live = Baseline({a.id: a for a in every}, recorded, None, {"name": "support"})
    groups = {
        g.group.name: len(g.group.rows)
        for g in compare_groups(spec(**RULES), forgets(160, 4), live, ()).groups
    }

    assert groups == {
        "the former test set": 60, "the rows with known labels": 120,
        "order status": 40, "delivery change": 40, "goodbye": 40,
    }  # fmt: skip


def test_the_former_test_set_is_judged_by_the_rows_that_are_still_there(place: Place) -> None:
    live = place.conclude(answer_all(160), **RULES).artefact
    built = place.conclude(forgets(160, 4)[40:], live, **RULES)
    report = json.loads((built.artefact.path / "report.json").read_text())
    former = report["forgetting"]["groups"][0]

    assert (former["name"], former["rows"]) == ("the former test set", 120)


def test_the_spec_sets_the_margin_and_turns_the_gate_into_a_warning(place: Place) -> None:
    live = place.conclude(answer_all(160), **RULES).artefact
    wide = place.conclude(forgets(160, 4), live, **RULES, forgetting={"margin": 0.9})
    warned = place.conclude(forgets(160, 4), live, **RULES, forgetting={"gate": False})

    assert names(wide)["forgetting"]
    assert not names(warned)["forgetting"]
    assert warned.facts["passed"] is True
    assert "label 'refund' fell" in str(warned.facts["warnings"])
    assert any("warning: the former test set fell" in line for line in place.said)


def test_with_nothing_live_yet_it_passes_and_says_so(place: Place) -> None:
    built = place.conclude(answer_all(), None, **RULES)

    assert built.checks[0].message == "skipped: first release, no baseline"
    assert built.checks[0].passed


def test_without_a_baseline_in_the_spec_there_is_no_such_check() -> None:
    assert [check.name for check in declared_checks(spec(gates=[]))] == ["trivial_baselines"]
    assert declared_checks(spec(**RULES))[0].added_later
