"""One contract for every metric, and the figures some are known to give."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tidemill.answer import Answer
from tidemill.catalog import METRICS
from tidemill.engine.estimate import estimate, gain
from tidemill.metrics import Scored, measure

NAMES = METRICS.names()
COMPARED = [name for name in NAMES if METRICS.load(name).NEEDS_REFERENCE]
KINDS = {"proportion", "rows", "corpus", "quantile", "speed", "size"}
TEXTS = [
    "your parcel is on its way to you",
    "we pay it back within five days",
    "hello there",
    "yes",
]
LABELS = ["shipping", "refund", "greeting", "other"]


def perfect(n: int = 24) -> list[Scored]:
    answers = [Answer(TEXTS[i % 4], LABELS[i % 4]) for i in range(n)]
    return [Scored(one, one, 0.1 + i / 100, 5 + i % 3) for i, one in enumerate(answers)]


def spoilt(n: int = 24, seed: int = 1) -> list[Scored]:
    rng = random.Random(seed)
    right = perfect(n)
    given = [one.answer for one in right]
    rng.shuffle(given)
    return [replace(one, answer=answer) for one, answer in zip(right, given, strict=True)]


def folder_of(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "form.json").write_bytes(b"{}")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_declares_what_it_is(name: str) -> None:
    metric = METRICS.load(name)

    assert metric.KIND in KINDS
    assert metric.BETTER in ("higher", "lower")
    assert metric.RANGE[0] == 0.0
    assert isinstance(metric.VERSION, int)
    assert metric.__doc__
    assert metric.UNIT in ("", "s", "tokens/s", "bytes")
    assert isinstance(metric.NEEDS_REFERENCE, bool)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_a_metric_stays_in_its_range(name: str, seed: int, tmp_path: Path) -> None:
    low, high = METRICS.load(name).RANGE
    value = measure(name, spoilt(seed=seed), folder_of(tmp_path))

    assert low <= value
    assert high is None or value <= high


@pytest.mark.parametrize("name", COMPARED)
def test_right_answers_score_best_and_wrong_ones_less(name: str) -> None:
    metric = METRICS.load(name)
    best = metric.RANGE[1 if metric.BETTER == "higher" else 0]

    assert measure(name, perfect()) == pytest.approx(best)
    assert abs(measure(name, spoilt()) - best) > 0.1


@pytest.mark.parametrize("name", [name for name in NAMES if not METRICS.load(name).NEEDS_REFERENCE])
def test_a_metric_without_a_reference_gives_the_same_whatever_the_reference_is(
    name: str, tmp_path: Path
) -> None:
    answers, folder = spoilt(), folder_of(tmp_path)
    others = [replace(one, reference=Answer("something else", "none")) for one in answers]

    assert measure(name, others, folder) == measure(name, answers, folder)


@pytest.mark.parametrize("name", COMPARED)
def test_a_metric_with_a_reference_looks_at_it(name: str) -> None:
    others = [replace(one, reference=Answer("something else", "none")) for one in perfect()]

    assert measure(name, others) != measure(name, perfect())


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_rows_does_not_matter(name: str, tmp_path: Path) -> None:
    answers = spoilt()
    folder = folder_of(tmp_path)
    forwards, backwards = (measure(name, way, folder) for way in (answers, answers[::-1]))

    assert forwards == pytest.approx(backwards)


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_lies_between_its_bounds(name: str) -> None:
    found = estimate(name, spoilt(), size=1000.0)

    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(measure(name, spoilt()), nan_ok=True) or name == "size"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "size"])
def test_without_rows_a_metric_is_unknown_rather_than_zero(name: str) -> None:
    found = estimate(name, [])

    assert found.value != found.value
    assert found.rows == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_gains_nothing_on_itself(name: str) -> None:
    found = gain(name, spoilt(), spoilt(), sizes=(5.0, 5.0))

    assert found.value == 0
    assert found.low <= 0 <= found.high
    assert found.low == -found.high


def test_less_latency_and_less_size_are_gains() -> None:
    slow = [replace(one, seconds=one.seconds * 3) for one in perfect()]
    faster = gain("latency_p95", perfect(), slow)
    smaller = gain("size", perfect(), slow, sizes=(100.0, 400.0))

    assert faster.low > 0
    assert smaller.value == 300


def test_bleu_is_sacrebleus_with_effective_order() -> None:
    from sacrebleu.metrics.bleu import BLEU

    answers = [
        Scored(Answer("the cat sat on the mat today"), Answer("the cat sat on a mat")),
        Scored(Answer("we will refund you soon"), Answer("we will call you soon")),
        Scored(Answer("good morning"), Answer("good evening to you")),
    ]
    given, wanted = [[getattr(a, k).text for a in answers] for k in ("answer", "reference")]
    theirs = BLEU(effective_order=True).corpus_score(given, [wanted]).score / 100

    assert measure("bleu", answers) == pytest.approx(theirs, abs=1e-9)


def test_rouge_l_is_that_of_the_reference_package() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    wanted, given = "Your money is back within 5 days, promised.", "The money is with you in 5 days"
    theirs = RougeScorer(["rougeL"]).score(wanted, given)["rougeL"].fmeasure

    assert measure("rouge_l", [Scored(Answer(wanted), Answer(given))]) == pytest.approx(theirs)


def test_macro_f1_and_recall_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score, recall_score

    answers = spoilt(60, seed=3)
    wanted = [one.reference.label for one in answers]
    given = [one.answer.label for one in answers]

    assert measure("macro_f1", answers) == pytest.approx(f1_score(wanted, given, average="macro"))
    assert measure("recall", answers) == pytest.approx(recall_score(wanted, given, average="macro"))


def test_accuracy_judges_the_label_and_exact_match_the_text_too() -> None:
    answers = [Scored(Answer("It is on its way.", "shipping"), Answer("no idea", "shipping"))]

    assert measure("accuracy", answers) == 1.0
    assert measure("exact_match", answers) == 0.0


def test_accuracy_judges_the_text_where_there_is_no_label() -> None:
    assert measure("accuracy", [Scored(Answer("yes"), Answer(" yes "))]) == 1.0


def test_an_answer_without_a_label_is_never_right() -> None:
    assert measure("accuracy", [Scored(Answer("", "refund"), Answer("refund", None))]) == 0.0


def test_latency_quantiles_are_values_that_occurred() -> None:
    answers = [Scored(Answer("a"), Answer("a"), seconds=float(s)) for s in range(1, 101)]

    assert measure("latency_p50", answers) == 50.0
    assert measure("latency_p95", answers) == 95.0


def test_speed_is_all_tokens_over_all_seconds() -> None:
    answers = [Scored(Answer("a"), Answer("a"), 1.0, 10), Scored(Answer("a"), Answer("a"), 3.0, 50)]

    assert measure("tokens_per_second", answers) == pytest.approx(15.0)


def test_size_counts_every_file_below_the_folder(tmp_path: Path) -> None:
    assert measure("size", [], folder_of(tmp_path)) == 1002
