"""An evaluation measures, compares, judges and reports; a planted regression is stopped."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pipeline.evaluations import Place, answer_all, dataset, spec

from tidemill.answer import Answer
from tidemill.errors import ArtefactError, DataError
from tidemill.form import ModelForm
from tidemill.pipeline import answers as answering
from tidemill.pipeline import evaluation, failures, pictures
from tidemill.pipeline.answer_file import read_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.context import Measure
from tidemill.pipeline.sampling import sample_order, sample_rows
from tidemill.spec.base import Spec
from tidemill.spec.neighbours import prompt_name

PNG = b"\x89PNG\r\n"


def shuffled(answers: list[EvaluatedRow]) -> list[EvaluatedRow]:
    """What a model trained on shuffled labels gives."""
    given = [one.answer for one in answers]
    random.Random(0).shuffle(given)
    return [replace(one, answer=answer) for one, answer in zip(answers, given, strict=True)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_good_model_passes_with_its_bounds_in_the_report(place: Place) -> None:
    made = place.conclude(answer_all())
    report = json.loads((made.artefact.path / "report.json").read_text())
    accuracy = made.measures[0]

    assert [(check.name, check.passed) for check in made.checks] == [
        ("accuracy_at_least", True),
        ("trivial_baselines", True),
    ]
    assert accuracy.value == pytest.approx(0.95)
    assert 0.88 < accuracy.low < 0.95 < accuracy.high < 0.99
    assert report["passed"] is True
    assert report["rows"] == made.facts["rows"] == 120
    assert made.artefact.kind == "report"


def test_a_model_trained_on_shuffled_labels_is_stopped_and_told_by_how_much(place: Place) -> None:
    made = place.conclude(shuffled(answer_all()))

    assert not made.checks[0].passed
    assert made.checks[0].blocking
    assert "the lower bound 0.20 is 0.60" in made.checks[0].message
    assert "below 0.80" in made.checks[0].message
    assert made.facts["passed"] is False


def test_a_regression_on_one_slice_is_found_there_and_named(place: Place) -> None:
    given = answer_all(200, wrong=lambda i: i % 4 == 1 and i % 8 == 1)
    gate = {"type": "at_least", "metric": "accuracy", "value": 0.75}
    made = place.conclude(
        given,
        slices=[{"name": "refunds", "column": "label", "equals": "refund"}],
        gates=[gate, {**gate, "slice": "refunds"}],
    )
    whole, part, _ = made.checks

    assert whole.passed
    assert not part.passed
    assert part.message.startswith("accuracy 0.50 (0.37–0.63) on slice 'refunds': the lower bound")
    assert {m.slice for m in made.measures if m.metric == "accuracy"} == {None, "refunds"}
    assert {m.slice for m in made.measures if m.metric == "size"} == {None}


def test_a_candidate_worse_than_live_on_the_same_rows_is_stopped(place: Place) -> None:
    live = place.conclude(answer_all()).artefact
    gate = {"type": "no_worse_than_baseline", "metric": "accuracy", "margin": 0.02}
    rules = {"baseline": {"type": "live", "service": "support"}, "gates": [gate]}
    same = place.conclude(answer_all(), live, **rules)
    worse = place.conclude(answer_all(wrong=lambda i: i % 5 == 0), live, **rules)

    assert same.checks[0].passed
    assert not worse.checks[0].passed
    assert "gain of -0.15 on the baseline (120 rows answered by both)" in worse.checks[0].message
    assert same.facts["baseline"]["paired"] == 120


def test_rows_that_live_never_saw_are_counted_and_left_out(place: Place) -> None:
    live = place.conclude(answer_all(100)).artefact
    gate = {"type": "no_worse_than_baseline", "metric": "accuracy", "margin": 0.05}
    rules = {"baseline": {"type": "live", "service": "support"}, "gates": [gate]}
    made = place.conclude(answer_all(120), live, **rules)

    assert made.checks[0].passed
    assert "100 rows answered by both" in made.checks[0].message
    assert made.facts["baseline"]["unpaired"] == 20


def test_with_nothing_live_yet_the_gate_against_it_passes_and_says_so(place: Place) -> None:
    gate = {"type": "no_worse_than_baseline", "metric": "accuracy"}
    rules = {"baseline": {"type": "pinned", "release": "sha256:0"}, "gates": [gate]}
    made = place.conclude(answer_all(), None, **rules)

    assert made.checks[0].passed
    assert "skipped: first release, no baseline" in made.checks[0].message


def test_a_metric_named_only_by_a_gate_is_measured_too(place: Place) -> None:
    made = place.conclude(
        answer_all(),
        metrics=["accuracy"],
        gates=[{"type": "at_most", "metric": "size", "value": 10}],
    )

    assert not made.checks[0].passed
    assert "MB above" in made.checks[0].message


def test_an_adapter_weighs_as_much_as_it_does_with_its_base(place: Place) -> None:
    adapter = place.put("adapter", {"a.txt": "y" * 100}, form="adapter", base=place.model.digest)
    weight = answering.served_bytes(adapter.path, resolve=lambda d: place.store.get(d).path)

    assert weight > place.model.bytes + 100


def test_the_same_answers_give_the_same_report(place: Place) -> None:
    first, second = (place.conclude(answer_all()) for _ in range(2))

    assert first.artefact.digest == second.artefact.digest


def test_answers_survive_the_report(place: Place) -> None:
    made = place.conclude(answer_all(5))
    kept = read_answers(made.artefact.path)

    assert list(kept.values()) == answer_all(5)


def test_the_worst_failures_are_shown_and_grouped_by_confusion(place: Place) -> None:
    made = place.conclude(answer_all(wrong=lambda i: i % 4 == 1))
    worst, groups = made.tables["Worst rows"], made.tables["Groups of failures"]

    assert len(worst) == 20
    assert worst[0]["asked"].startswith("request")
    assert worst[0]["wanted"].startswith("refund | ")
    assert (groups[0]["wanted"], groups[0]["given"]) == ("refund", "delivery change")
    assert groups[0]["rows"] == 30


def test_failures_without_labels_are_grouped_by_their_words() -> None:
    topics = ["refund of the broken lamp", "delivery to another street"]
    given = [
        EvaluatedRow(
            f"r{i}",
            Answer("yes"),
            Answer("no"),
            "no",
            0.1,
            1,
            1,
            "stop",
            {"text": f"{topics[i % 2]} {i}"},
        )
        for i in range(12)
    ]
    failed = failures.worst_rows(given, ["rouge_l"])
    groups = failures.failure_groups(given, failed)

    assert [group.rows for group in groups] == [6, 6]
    words = ", ".join(group.words for group in groups if isinstance(group, failures.WordGroup))
    assert {"refund", "street"} <= set(words.split(", "))
    assert failures.failure_groups(given, []) == []
    assert failures.failure_groups(given[:2], failed[:2]) == []


def test_pictures_are_made_of_labels_and_of_slices(place: Place) -> None:
    made = place.conclude(
        answer_all(), slices=[{"name": "refunds", "column": "label", "one_of": ["refund"]}]
    )

    assert set(made.charts) == {"Confusion matrix", "Slices"}
    assert all(png.startswith(PNG) for png in made.charts.values())
    assert (made.artefact.path / "confusion.png").read_bytes() == made.charts["Confusion matrix"]


def test_a_matrix_of_many_labels_puts_the_rest_together() -> None:
    many = [
        replace(one, reference=Answer("", f"label {i % 30}"), answer=Answer("", f"label {i % 31}"))
        for i, one in enumerate(answer_all(120))
    ]
    unread = [replace(one, answer=Answer("?", None, valid=False)) for one in many[:3]]
    png = pictures.confusion_chart([*many, *unread])

    assert png is not None
    assert png.startswith(PNG)


def test_without_labels_and_slices_there_is_nothing_to_draw() -> None:
    plain = [replace(one, reference=Answer("a"), answer=Answer("b")) for one in answer_all(4)]

    assert pictures.confusion_chart(plain) is None
    assert pictures.slice_chart([Measure("rouge_l", 0.5, 0.4, 0.6, 4)], "rouge_l") is None


def test_an_engine_cannot_be_evaluated_here_and_the_way_out_is_told(place: Place) -> None:
    engine = place.put("engine", {"model.engine": "e"}, form="engine")

    with pytest.raises(ArtefactError, match="evaluate the ONNX Runtime form"):
        answering.answer_rows(engine.path, [{"text": "x"}], None, resolve=lambda _: engine.path)


def test_the_sample_of_rows_is_fixed_by_the_seed_and_keeps_their_order(place: Place) -> None:
    rows = [{"id": f"r{i:03}", "text": f"t{i}", "label": "a"} for i in range(50)]
    place.inputs["requests"] = dataset(place, rows)
    ten, again, other = (
        [row["id"] for row in evaluation.evaluation_rows(spec(rows=10, seed=seed), place.inputs)]
        for seed in (1, 1, 2)
    )

    assert ten == again == sorted(ten)
    assert len(ten) == 10
    assert ten != other
    assert len(evaluation.evaluation_rows(spec(rows=999), place.inputs)) == 50


def test_a_longer_sample_begins_with_every_shorter_one() -> None:
    rows = [{"id": f"r{i:03}", "text": f"t{i}", "label": "a"} for i in range(50)]
    order = sample_order(rows, 3)

    assert sorted(order) == list(range(50))
    assert order != sorted(order)
    for most in (1, 7, 20):
        ids = {row["id"] for row in sample_rows(rows, most, 3)}
        assert ids == {rows[at]["id"] for at in order[:most]}


def test_a_dataset_without_test_rows_is_a_message(place: Place) -> None:
    place.inputs["requests"] = dataset(place, [])

    with pytest.raises(DataError, match="'requests' has no test rows"):
        evaluation.build(spec(), place.inputs, place.bench())


class Named(Spec):
    """As much of a spec as finding its prompt needs."""

    of: str = ""
    base: str = ""
    prompt: str = ""


def named(name: str, **fields: str) -> Named:
    return Named.model_validate(
        {"apiVersion": "tidemill/v1", "kind": "Any", "name": name, **fields}
    )


def test_the_prompt_is_the_evaluations_own_or_that_of_the_fine_tune_behind_it() -> None:
    tune = named("tune", base="smol", prompt="ask")
    specs = {s.name: s for s in (tune, named("small", of="tune"), named("smol"))}

    assert prompt_name(spec(of="small"), specs) == "ask"
    assert prompt_name(spec(of="smol"), specs) is None
    assert prompt_name(spec(of="small", prompt="other"), specs) == "other"


@pytest.fixture
def real(place: Place, tiny_llm: Path) -> Place:
    """A tiny model with random weights, a prompt, and test rows of which two ask the same."""
    from tidemill.prompts import PromptProgram
    from tidemill.spec.prompt import TextOutput

    copy = place.tmp / "copy"
    shutil.copytree(tiny_llm, copy)
    output = TextOutput(type="text", column="reply", label="label", max_tokens=6)
    program = PromptProgram("zero-shot", "Customer: {{ text }}", ("text",), output)
    program.save(place.tmp / "prompt")
    rows = [
        {"id": f"r{i}", "text": text, "label": "refund", "reply": "It is on its way."}
        for i, text in enumerate(["where is my order", "I want a refund", "where is my order"])
    ]
    folder = place.tmp / "rows"
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "test.parquet")
    place.inputs = {
        "reply": place.store.put(copy, kind="model"),
        "ask": place.store.put(place.tmp / "prompt", kind="prompt"),
        "requests": place.store.put(folder, kind="dataset"),
    }
    return place


def test_a_real_model_answers_every_row_and_the_same_question_once(real: Place) -> None:
    made = evaluation.build(spec(prompt="ask"), real.inputs, real.bench())
    kept = read_answers(made.artefact.path)

    assert list(kept) == ["r0", "r1", "r2"]
    assert kept["r0"].output == kept["r2"].output
    assert kept["r0"].seconds == kept["r2"].seconds > 0
    assert kept["r0"].tokens_out <= 6
    assert not made.checks[0].passed
    assert any("answering 3 test rows" in line for line in real.said)


def test_the_live_model_answers_the_rows_that_it_never_saw(real: Place) -> None:
    check = spec(
        prompt="ask",
        baseline={"type": "live", "service": "support"},
        gates=[{"type": "no_worse_than_baseline", "metric": "rouge_l", "margin": 0.01}],
    )
    first = evaluation.build(check, real.inputs, real.bench())
    lines = (first.artefact.path / "answers.jsonl").read_text().splitlines(keepends=True)
    old = real.tmp / "old"
    shutil.copytree(first.artefact.path, old)
    (old / "answers.jsonl").write_text(lines[0])
    live = real.store.put(old, kind="report")
    real.inputs |= {
        "live:support": real.inputs["reply"],
        "live-prompt:support": real.inputs["ask"],
    }
    made = evaluation.build(check, real.inputs, real.bench(live))

    assert made.facts["baseline"]["asked_again"] == 2
    assert made.facts["baseline"]["paired"] == 3
    assert made.checks[0].passed


def test_a_language_model_without_a_prompt_is_a_message(real: Place) -> None:
    with pytest.raises(ArtefactError, match="needs a prompt"):
        evaluation.build(spec(), real.inputs, real.bench())


def test_a_classifier_is_asked_for_labels_without_a_prompt(
    place: Place, tiny_tokenizer: Path
) -> None:
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = place.tmp / "classifier"
    tokenizer = AutoTokenizer.from_pretrained(tiny_tokenizer)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    config = BertConfig(
        vocab_size=len(tokenizer), num_attention_heads=1, num_labels=2, pad_token_id=0, **sizes
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ModelForm(form="safetensors", task="sequence-classification", labels=("a", "b")).write(folder)
    rows = [{"id": f"r{i}", "text": f"request {i}", "label": "ab"[i % 2]} for i in range(4)]
    place.inputs = {
        "reply": place.store.put(folder, kind="model"),
        "requests": dataset(place, rows),
    }
    made = evaluation.build(spec(), place.inputs, place.bench())
    kept = read_answers(made.artefact.path)

    assert {one.answer.label for one in kept.values()} <= {"a", "b"}
    assert set(kept["r0"].scores) == {"a", "b"}
    assert set(made.charts) == {"Confusion matrix"}

    with pytest.raises(DataError, match="have no label\\. Name them in the Dataset's `map`"):
        answering.answer_rows(folder_of(place), [{"text": "x"}], None, resolve=lambda _: folder)


def folder_of(place: Place) -> Path:
    return place.inputs["reply"].path
