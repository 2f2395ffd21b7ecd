"""A report says where a release loses: to what costs nothing, and to the release before it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.report.stories import FELL, FORGETTING, TRIVIAL, baseline_score, empty, full, measure

from tidemill.engine.measurement import Check
from tidemill.report.cards import model
from tidemill.report.evaluation_files import EvaluationReport
from tidemill.report.limits import limits
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.sections import forgetting, gates, trivial_baselines
from tidemill.report.verdict import verdict

BEATEN = {**TRIVIAL, "scores": [baseline_score("nearest-neighbour", 0.92, -0.12)]}
FORGOT = {**FORGETTING, "groups": [*FORGETTING["groups"], FELL]}  # type: ignore[misc]


def story(**report: Any) -> ReleaseFacts:
    return replace(full(), report=EvaluationReport.from_dict(report))


def test_a_release_that_a_trivial_baseline_beats_says_so_first() -> None:
    facts = story(trivial_baselines=BEATEN)
    words = "does not beat the nearest-neighbour baseline"

    assert f"; {words} (0.80 against 0.92); live since" in verdict(facts).sentence
    assert limits(facts)[0].startswith(f"The release {words}: accuracy 0.80 vs 0.92 (difference")
    assert words in model.card(facts)
    assert words in str(trivial_baselines.render(facts))


def test_a_release_that_beats_them_shows_the_table_and_boasts_nowhere() -> None:
    shown = str(trivial_baselines.render(full()))

    assert "beats the majority baseline: accuracy 0.80 vs 0.30" in shown
    assert "live" in shown
    assert "Not compared: linear head on the frozen encoder (it has no tokenizer)" in shown
    assert "| majority (always refund) | accuracy | 0.30 (0.20–0.40) |" in model.card(full())
    assert "baseline (" not in verdict(full()).sentence
    assert not any("majority" in sentence for sentence in limits(full()))


def test_a_label_that_fell_is_named_in_verdict_limits_and_section_with_its_rows() -> None:
    facts = story(forgetting=FORGOT)
    shown = str(forgetting.render(facts))

    assert "; worse on label 'refund'; live since" in verdict(facts).sentence
    assert (
        "Label 'refund' got worse than in the release before it: accuracy 0.40 against 0.90 on 30 "
        "rows, of which 16 got worse and 1 better."
    ) in limits(facts)
    assert "1 fell by more than 0.02" in shown
    assert "matter 4" in shown
    assert "label &#39;lost&#39;" in shown


def test_a_slice_whose_interval_lies_below_zero_is_named_too() -> None:
    facts = story(gains=[measure("accuracy", 0.1), measure("accuracy", -0.3, slice="by e-mail")])

    assert "; worse on slice 'by e-mail'" in verdict(facts).sentence
    assert "It is worse than the release before it on slice 'by e-mail'." in limits(facts)


def test_how_small_a_fall_would_have_been_seen_is_a_limit() -> None:
    whole = {**FELL, "kind": "all", "name": "the former test set", "fell": False, "visible": 7}
    facts = story(forgetting={**FORGETTING, "groups": [whole]})

    assert (
        "Of the former test set, 7 of 30 rows would have to get worse for a fall below the release "
        "before it to be seen."
    ) in limits(facts)


def test_what_did_not_fall_is_no_news() -> None:
    assert "worse" not in verdict(full()).sentence
    assert "none is shown to have fallen by more than 0.02" in str(forgetting.render(full()))


@pytest.mark.parametrize("section", [forgetting, trivial_baselines])
def test_a_report_of_an_earlier_version_has_no_such_section(section: Any) -> None:
    assert str(section.render(empty())) == ""


def test_a_check_that_stops_nothing_is_no_gate_of_the_verdict() -> None:
    facts = full()
    warning = Check("trivial_baselines", False, "does not beat", blocking=False)
    evaluation = facts.release.evaluation
    release = replace(
        facts.release, evaluation=replace(evaluation, checks=(*evaluation.checks, warning))
    )
    warned = replace(facts, release=release)

    assert verdict(warned).sentence.startswith("Passed its gate")
    assert "missed, not blocking" in str(gates.render(warned))
    assert "- missed, not blocking: does not beat" in model.card(warned)
