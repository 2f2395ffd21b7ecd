"""The sections: what each says of a release, and what of one of which little is known."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
from tests.report.stories import (
    HOP,
    NOW,
    answered,
    empty,
    full,
    making,
    measure,
    record,
    rollout_record,
)

from tidemill.form import ModelForm
from tidemill.report import formatting
from tidemill.report.cards import model
from tidemill.report.evaluation_files import EvaluationReport, FailureReport
from tidemill.report.limits import limits
from tidemill.report.plots.chart import Frame, ticks
from tidemill.report.release_facts import ReleaseFacts
from tidemill.report.sections import (
    baseline,
    calibration,
    confusion,
    dataset,
    failures,
    gates,
    hops,
    latency,
    learning,
    metrics,
    provenance,
    rollout,
)
from tidemill.report.verdict import verdict


def test_the_verdict_names_gates_number_gain_and_state() -> None:
    said = verdict(full())

    assert said.sentence == (
        "Passed its gate with accuracy 0.80 (0.70–0.90) on 60 test rows, better than its baseline "
        "by 0.20 (0.10–0.30); live since 24 Nov 2026, 13:00 UTC."
    )
    assert said.tone == "good"


@pytest.mark.parametrize(
    ("gain", "said_so"),
    [
        (measure("accuracy", 0.05), "no significant difference from its baseline"),
        (measure("accuracy", -0.3), "worse than its baseline by 0.30 (0.20–0.40)"),
        (measure("accuracy", nan), "test rows; live"),
    ],
)
def test_a_gain_is_said_only_as_far_as_its_interval_goes(
    gain: dict[str, float], said_so: str
) -> None:
    said = verdict(replace(full(), report=EvaluationReport.from_dict({"gains": [gain]})))

    assert said_so in said.sentence


@pytest.mark.parametrize(
    ("state", "said_so", "tone"),
    [
        ("running", "meeting its users at 100 %, waiting for a person", "open"),
        ("rolled_back", "rolled back on 24 Nov 2026, 13:00 UTC: every step went well", "bad"),
        ("failed", "its rollout failed", "bad"),
        ("retired", "was live until", "good"),
        ("requested", "rollout not started", "open"),
        ("superseded", "superseded by a newer release", "open"),
    ],
)
def test_the_verdict_says_where_the_release_stands(state: str, said_so: str, tone: str) -> None:
    story = full()
    said = verdict(replace(story, rollout=rollout_record(state=state, awaits_person=True)))

    assert said_so in said.sentence
    assert said.tone == tone


def test_a_missed_gate_is_the_verdict() -> None:
    missed = [{"passed": False, "blocking": True, "message": "accuracy is too low", "name": "g"}]
    evaluation = {**record().to_dict()["evaluation"], "checks": missed}
    said = verdict(replace(full(), release=record(evaluation=evaluation)))

    assert said.sentence == "Missed 1 gate of 1: accuracy is too low."
    assert said.tone == "bad"


def test_a_bare_release_gets_a_verdict_too() -> None:
    assert verdict(empty()).sentence == "No gates; no rollout requested."


def test_metrics_show_value_interval_rows_and_the_gates_limit() -> None:
    shown = str(metrics.render(full()))

    assert "0.80" in shown
    assert "0.70–0.90" in shown
    assert "by e-mail" in shown
    assert "9 rows" in shown
    assert shown.count('class="mark"') == 1  # the limit of the gate on accuracy
    assert "250–350" in shown  # the value beside it says ms


def test_a_measure_without_a_value_is_a_dash_and_no_plot() -> None:
    evaluation = {**record().to_dict()["evaluation"], "measures": [measure("accuracy", nan)]}
    shown = str(metrics.render(replace(full(), release=record(evaluation=evaluation))))

    assert "–" in shown
    assert "<svg" not in shown


def test_metrics_and_gates_of_a_bare_release_say_so() -> None:
    assert "Nothing was measured" in str(metrics.render(empty()))
    assert "no gates" in str(gates.render(empty()))


def test_a_metric_that_exists_no_more_is_still_shown() -> None:
    evaluation = {**record().to_dict()["evaluation"], "measures": [measure("charm", 3.0)]}
    shown = str(metrics.render(replace(full(), release=record(evaluation=evaluation))))

    assert "charm" in shown
    assert "3.00" in shown


def test_gains_say_how_many_rows_were_compared() -> None:
    shown = str(baseline.render(full()))

    assert (
        "Compared on 60 rows that both answered; 4 of them were answered by the baseline again"
        in shown
    )
    assert "0.10–0.30" in shown
    assert "no release to compare with" in str(baseline.render(empty()))


def test_hops_show_agreement_size_and_what_was_not_run() -> None:
    shown = str(hops.render(full()))

    assert "95.0\N{NO-BREAK SPACE}%" in shown
    assert "accuracy +0.010" in shown
    assert "not run" in shown
    assert "of labels (79\N{NO-BREAK SPACE}%–99\N{NO-BREAK SPACE}%)" in shown
    assert "From 4.0 MB to 2.0 MB" in shown
    assert 'class="fill good"' in shown


def test_a_hop_below_its_limit_is_red() -> None:
    story = full()
    facts = {
        **story.materialisations["small"].facts,
        "hops": [{**HOP, "agreement": 0.5, "high": 0.7}],
    }
    broken = {**story.materialisations, "small": making("small", "Compression", facts=facts)}

    assert 'class="fill bad"' in str(hops.render(replace(story, materialisations=broken)))


def test_a_curve_is_drawn_with_its_words() -> None:
    shown = str(learning.render(full()))

    assert "<polyline" in shown
    assert "loss, nats per row" in shown
    assert "validation loss 1.200 at best" in shown


def test_the_candidates_of_a_fine_tune_stand_in_the_report_and_the_card_names_the_chosen() -> None:
    story = full()
    tried = {"name": "method head", "value": 0.9, "low": 0.8, "high": 0.95, "rows": 24,
             "seconds": 2.0, "chosen": True}  # fmt: skip
    diverged = {**tried, "name": "as the spec says", "value": None, "chosen": False}
    tune = story.materialisations["tune"]
    facts = {
        **tune.facts,
        "candidates": [tried, diverged],
        "candidates_metric": "accuracy",
        "candidates_passed": False,
        "candidates_skipped": ["base large"],
        "candidate": "method head",
        "candidate_base": "base",
        "still_improving": True,
    }
    makings = {**story.materialisations, "tune": replace(tune, facts=facts)}

    shown = str(learning.render(replace(story, materialisations=makings)))

    assert "method head, chosen" in shown
    assert "<td>0.900</td><td>0.800 to 0.950</td>" in shown
    assert "diverged" in shown
    assert "None reached the limit; the best was taken." in shown
    assert "Not tried, since a cheaper one passed: base large" in shown
    assert "the validation loss was still falling" in shown
    assert "candidate method head" in model.card(replace(story, materialisations=makings))


def test_a_run_without_points_says_that_they_were_not_kept() -> None:
    story = full()
    old = {**story.materialisations["tune"].facts, "curve": {}}
    makings = {"tune": making("tune", "FineTune", facts=old)}

    assert "not kept" in str(learning.render(replace(story, materialisations=makings)))


def test_a_head_without_steps_shows_the_regularisation_that_was_chosen() -> None:
    tried = [
        {"C": 3.0, "validation_loss": 0.4, "validation_accuracy": 0.9},
        {"C": 10.0, "validation_loss": 0.3, "validation_accuracy": 0.95},
    ]
    facts = {
        "C": 10.0, "C_chosen": True, "tried": tried, "train_loss": 0.1, "train_accuracy": 1.0,
        "validation_loss": 0.3, "validation_accuracy": 0.95, "rows": 60, "rows_validation": 20,
    }  # fmt: skip
    makings = {"tune": making("tune", "FineTune", facts=facts)}

    shown = str(learning.render(replace(full(), materialisations=makings)))

    assert "<tr><td>10, chosen</td><td>0.3000</td><td>95" in shown
    assert "<dt>C</dt><dd>10, chosen on the validation split</dd>" in shown
    assert "not kept" not in shown
    assert "steps</dt>" not in shown


def test_the_confusion_matrix_counts() -> None:
    shown = str(confusion.render(full()))

    assert "50 of 55 labels are right" in shown
    assert 'class="s2">5</td>' in shown  # refund taken for return: 5 of 30
    assert 'class="s7 right">25</td>' in shown
    assert 'class="s8 right">25</td>' in shown


def test_more_labels_than_a_page_holds_are_put_together() -> None:
    many = tuple(answered(n, f"label {n}", f"label {(n + 1) % 40}") for n in range(40))
    shown = str(confusion.render(replace(full(), answers=many)))

    assert "(other)" in shown
    assert shown.count('<th scope="row">') == 21


def test_calibration_of_a_classifier_is_a_diagram() -> None:
    shown = str(calibration.render(full()))

    assert "Expected calibration error" in shown
    assert "<circle" in shown


def test_calibration_does_not_apply_to_a_model_that_writes() -> None:
    silent = tuple(replace(one, scores={}) for one in full().answers)
    writes = replace(full(), answers=silent, form=ModelForm("genai", "causal-lm", "int8"))

    assert "does not apply" in str(calibration.render(writes))
    assert "kept no probabilities" in str(calibration.render(replace(full(), answers=silent)))


def test_latency_is_a_histogram_that_loses_no_answer() -> None:
    times = [0.1, 0.2, 0.2, 0.9]

    assert sum(latency.histogram(times, 24)) == 4
    assert latency.histogram(times, 3) == [3, 0, 1]
    shown = str(latency.render(full()))
    assert "median" in shown
    assert "Histogram of 55 answers" in shown


def test_latency_without_times_says_so() -> None:
    assert "No times were kept" in str(latency.render(empty()))


def test_failures_come_in_groups_with_examples() -> None:
    shown = str(failures.render(full()))

    assert "refund" in shown
    assert "where is my money" in shown
    assert "5 rows, 20" in shown
    assert "No test row lost a point" in str(
        failures.render(replace(full(), failures=FailureReport()))
    )


def test_groups_of_words_are_named_by_them() -> None:
    faults = {"clusters": [{"words": "late, parcel", "rows": 4, "examples": []}], "failures": []}

    assert "late, parcel" in str(
        failures.render(replace(full(), failures=FailureReport.from_dict(faults)))
    )


def test_the_dataset_shows_what_went_in_and_what_did_not() -> None:
    shown = str(dataset.render(full()))

    for part in (
        "40 rows",
        "no consent",
        "replaced by its kind",
        "0 up to 12",
        "a short text",
        "1 day",
    ):
        assert part in shown, part
    assert "broken, a warning" in shown


def test_an_unknown_dataset_says_what_it_does_not_know() -> None:
    shown = str(dataset.render(empty()))

    assert "Not known here" in shown
    assert "not known any more" in shown


def test_a_shadow_says_how_far_its_answers_agree() -> None:
    story = full()
    shadow = {
        "pairs": 200,
        "basis": "label",
        "agreement": 0.9,
        "low": 0.85,
        "high": 0.94,
        "metrics": {"latency_p50": {"live": 0.1, "candidate": 0.2}},
    }
    decision = replace(story.rollout_decisions[0], numbers={"shadow": shadow})
    shown = str(rollout.render(replace(story, rollout_decisions=[decision])))

    assert "200 answers beside the live ones: 90.0 % the same by label (85.0 to 94.0 %)" in shown
    assert "latency_p50 0.1 live, 0.2 shadow" in shown


def test_the_rollout_lists_its_decisions() -> None:
    shown = str(rollout.render(full()))

    assert "promote" in shown
    assert "3 looks" in shown
    assert "candidate: 5 requests, 0.0\N{NO-BREAK SPACE}% errors, p95 200 ms" in shown
    assert "No rollout" in str(rollout.render(empty()))


def test_provenance_gives_digests_in_full_and_the_author_without_address() -> None:
    shown = str(provenance.render(full()))

    assert record().model in shown
    assert "by Ada," in shown
    assert "ada@example.com" not in shown
    assert "not in Git" in str(provenance.render(empty()))


def test_a_spec_that_changed_since_is_named() -> None:
    shown = str(provenance.render(replace(full(), specs={})))

    assert "not found in Git here: base, canary, rows, small, tune" in shown


def test_limits_are_drawn_from_the_numbers() -> None:
    said = "\n".join(limits(full()))

    for part in (
        "known only to lie between 0.70 and 0.90",
        "does worst on 'by e-mail'",
        "Too few rows to judge a slice by itself: 'by e-mail' (9).",
        "It answers 'return' where 'refund' is right (5 test rows).",
        "have the label refund",
        "1 of 60 answers did not match the prompt's output format",
        "In training 'tune', 2 rows lost the beginning of their prompt.",
        "'quantise' changed 5.0\N{NO-BREAK SPACE}% of the labels on 24 compared rows.",
        "'engine': not run here.",
    ):
        assert part in said, part


def test_what_was_not_looked_at_is_a_limit_too() -> None:
    alone = {**record().to_dict()["evaluation"], "measures": [measure("accuracy", 0.8)]}
    said = limits(replace(full(), release=record(evaluation=alone), report=EvaluationReport()))

    assert "No slices were measured: performance for user groups is unknown." in said
    assert "It was not compared with another release: there was no baseline." in said


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (formatting.seconds(0.0042), "4.2 ms"),
        (formatting.seconds(0.298), "298 ms"),
        (formatting.seconds(75), "1 min 15 s"),
        (formatting.seconds(7500), "2 h 5 min"),
        (formatting.format_duration("2592000s"), "30 days"),
        (formatting.format_duration("5400s"), "1 h 30 min"),
        (formatting.format_time("last week"), "last week"),
        (formatting.format_time(None), ""),
        (formatting.size(3.2e9), "3.2 GB"),
        (formatting.format_measure(-0.5, "accuracy"), "−0.50"),
        (formatting.author_name("Ada <ada@example.com>"), "Ada"),
        (formatting.join_names(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_words_are_those_of_people(said: str, wanted: str) -> None:
    assert said == wanted


def test_a_lone_failure_is_no_limit() -> None:
    one = {"wanted": "refund", "given": "return", "rows": 1, "examples": []}

    assert not any(
        "It takes" in said
        for said in limits(replace(full(), failures=FailureReport.from_dict({"clusters": [one]})))
    )


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0, 1, [0, 0.5, 1]), (0, 10, [0, 5, 10]), (-0.4, 0.4, [-0.4, -0.2, 0, 0.2, 0.4]), (2, 2, [2])],
)
def test_ticks_are_round_numbers_within_the_scale(
    low: float, high: float, wanted: list[float]
) -> None:
    assert ticks(low, high) == wanted


def test_a_chart_of_one_value_has_room_all_the_same() -> None:
    assert "<svg" in str(Frame((0, 0), (0, 0), "x", "y").picture("nothing"))


def test_a_story_knows_its_base_and_its_task_without_the_bytes() -> None:
    bare = replace(full(), form=None)

    assert bare.base is not None
    assert bare.base.name == "base"
    assert bare.task == "sequence-classification"
    assert ReleaseFacts(record(), full().data, NOW).base == record().bases[0]
