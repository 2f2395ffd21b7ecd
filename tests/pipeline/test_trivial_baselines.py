"""Every evaluation says how far answers get that cost next to nothing, on the same rows."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.evaluations import INTENTS, Place, answer_all, dataset, spec

from tidemill.answer import Answer
from tidemill.form import ModelForm
from tidemill.pipeline import baseline_inputs
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.baseline_task import BaselineTask, LabelledExample
from tidemill.pipeline.context import BuildResult, Check
from tidemill.pipeline.evaluation import score_answers
from tidemill.pipeline.trivial_baselines import TRIVIAL_BASELINES, few_shot, trivial_baselines
from tidemill.prompts import PromptProgram
from tidemill.spec.base import Spec
from tidemill.spec.finetune import FineTune
from tidemill.spec.model import Model
from tidemill.spec.prompt import TextOutput

API = {"apiVersion": "tidemill/v1"}
Rows = list[dict[str, str]]


def model_spec(name: str, task: str) -> Spec:
    source = {"type": "path", "path": "weights"}
    fields = {"kind": "Model", "name": name, "source": source, "task": task, "licence": "MIT"}
    return Model.model_validate({**API, **fields})


def tuned(base: str, **fields: Any) -> Spec:
    given = {"kind": "FineTune", "name": "reply", "base": base, "dataset": "requests", **fields}
    return FineTune.model_validate({**API, "method": "full", **given})


def labelled(n: int, mark: str) -> Rows:
    """Rows whose text is a near copy of a test row's; one intent is the commonest by far."""
    labels = [INTENTS[i % 4] if i % 2 else INTENTS[0] for i in range(n)]
    return [
        {"id": f"{mark}{i}", "text": f"request about {label}", "label": label}
        for i, label in enumerate(labels)
    ]


def as_answers(rows: Rows, wrong: int) -> list[EvaluatedRow]:
    """What a model answers that gets one row in `wrong` wrong."""
    given = ("other" if i % wrong == 0 else row["label"] for i, row in enumerate(rows))
    blank = answer_all(1)[0]
    return [
        replace(
            blank, id=row["id"], row=row, reference=Answer(row["label"], row["label"]),
            answer=Answer(label, label),
        )
        for row, label in zip(rows, given, strict=True)
    ]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def encoder(place: Place, tiny_encoder: Path) -> Place:
    """A classifier's base, with labelled rows of four intents."""
    copy = place.tmp / "encoder"
    shutil.copytree(tiny_encoder, copy)
    place.inputs |= {
        "mini": place.store.put(copy, kind="model"),
        "requests": dataset(
            place, labelled(80, "t"), train=labelled(120, "x"), validation=labelled(20, "v")
        ),
    }
    return place


def judged(place: Place, answers: list[EvaluatedRow], base: str, **fields: Any) -> BuildResult:
    specs = {"mini": model_spec("mini", base), "reply": tuned("mini")}
    context = place.bench(fields.pop("live", None), specs)
    given = {"metrics": ["accuracy", "macro_f1", "latency_p95"], "gates": [], **fields}
    return score_answers(spec(**given), place.inputs, context, answers)


def table(built: BuildResult) -> dict[str, Any]:
    report = json.loads((built.artefact.path / "report.json").read_text())
    content: dict[str, Any] = report["trivial_baselines"]
    return content


def values(built: BuildResult, metric: str) -> dict[str, float]:
    return {
        score["baseline"]: score["measure"]["value"]
        for score in table(built)["scores"]
        if score["measure"]["metric"] == metric
    }


def only(built: BuildResult) -> Check:
    return next(check for check in built.checks if check.name == "trivial_baselines")


def test_a_classifier_stands_beside_majority_neighbour_and_linear_head(encoder: Place) -> None:
    built = judged(encoder, as_answers(labelled(80, "t"), 4), "sequence-classification")

    wanted = {"majority": 0.5, "nearest-neighbour": 1.0, "linear-head": 1.0}
    assert values(built, "accuracy").items() >= wanted.items()
    assert set(values(built, "macro_f1")) >= set(wanted)
    assert "latency_p95" not in {score["measure"]["metric"] for score in table(built)["scores"]}
    assert table(built)["scores"][0]["note"] == "always order status"


def test_without_an_encoder_words_stand_in_for_it(encoder: Place) -> None:
    built = judged(encoder, as_answers(labelled(80, "t"), 4), "causal-lm")
    notes = {score["baseline"]: score["note"] for score in table(built)["scores"]}

    assert values(built, "accuracy")["linear-head"] == 1.0
    assert notes["nearest-neighbour"] == "TF-IDF"
    assert notes["linear-head"].startswith("TF-IDF, C ")


def test_texts_without_words_are_the_reason_for_what_is_missing(place: Place) -> None:
    rows = [{"id": str(i), "text": "?!", "label": "ab"[i % 2]} for i in range(4)]
    place.inputs["requests"] = dataset(place, rows, train=rows)
    built = judged(place, as_answers(rows, 2), "causal-lm")

    assert "nearest-neighbour" not in values(built, "accuracy")
    assert "hold no words" in table(built)["absent"]["nearest labelled neighbour"]


def test_a_model_that_a_neighbour_beats_is_warned_of_and_released(encoder: Place) -> None:
    built = judged(encoder, as_answers(labelled(80, "t"), 4), "sequence-classification")

    assert only(built).message.startswith(
        "does not beat the nearest-neighbour baseline: accuracy 0.75 vs 1.00 (difference -0.25, "
    )
    assert (only(built).passed, only(built).blocking) == (False, False)
    assert built.facts["passed"] is True
    assert any("warning: does not beat the nearest" in line for line in encoder.said)


def test_the_spec_makes_it_a_gate(encoder: Place) -> None:
    answers = as_answers(labelled(80, "t"), 4)
    built = judged(encoder, answers, "sequence-classification", trivial_baselines={"gate": True})

    assert (only(built).passed, only(built).blocking) == (False, True)
    assert built.facts["passed"] is False


def test_a_linear_head_is_not_measured_against_itself(encoder: Place) -> None:
    form = ModelForm("safetensors", "sequence-classification", pooling="mean-normalised")
    folder = encoder.tmp / "head"
    folder.mkdir()
    form.write(folder)
    encoder.inputs["reply"] = encoder.store.put(folder, kind="model")
    built = judged(encoder, as_answers(labelled(80, "t"), 4), "sequence-classification")

    assert "linear-head" not in values(built, "accuracy")
    assert table(built)["absent"] == {}


def test_a_baseline_that_cannot_be_made_is_named_and_stops_nothing(encoder: Place) -> None:
    broken = encoder.put("broken", {"config.json": "{}"}, form="safetensors")
    encoder.inputs["mini"] = broken
    built = judged(encoder, as_answers(labelled(80, "t"), 4), "sequence-classification")

    assert "majority" in values(built, "accuracy")
    assert "has no tokenizer" in table(built)["absent"]["nearest labelled neighbour"]


def test_the_live_release_stands_in_the_same_table(encoder: Place) -> None:
    live = judged(encoder, as_answers(labelled(80, "t"), 2), "sequence-classification").artefact
    built = judged(
        encoder,
        as_answers(labelled(80, "t"), 4),
        "sequence-classification",
        live=live,
        baseline={"type": "live", "service": "support"},
    )
    row = next(s for s in table(built)["scores"] if s["baseline"] == "live")

    assert (row["trivial"], row["note"], row["measure"]["value"]) == (False, "support", 0.5)
    assert row["gain"]["value"] == 0.25


def text_rows(n: int, mark: str) -> Rows:
    """Clauses with a summary; the train rows have the same words."""
    topics = ("rent", "notice", "deposit", "repair")
    return [
        {
            "id": f"{mark}{i}",
            "text": f"The clause on {topics[i % 4]} says what is due and when, number {i}",
            "summary": f"It is about {topics[i % 4]}",
        }
        for i in range(n)
    ]


@pytest.fixture
def summaries(place: Place) -> Place:
    """A prompt for free text, and rows with summaries."""
    output = TextOutput(type="text", column="summary", max_tokens=6)
    program = PromptProgram("zero-shot", "Clause: {{ text }}", ("text",), output)
    program.save(place.tmp / "prompt")
    place.inputs |= {
        "ask": place.store.put(place.tmp / "prompt", kind="prompt"),
        "requests": dataset(place, text_rows(12, "t"), train=text_rows(24, "x")),
    }
    return place


def written(rows: Rows) -> list[EvaluatedRow]:
    blank = answer_all(1)[0]
    return [
        replace(blank, id=row["id"], row=row, reference=Answer(row["summary"]), answer=Answer("It"))
        for row in rows
    ]


TEXTS: dict[str, Any] = {"prompt": "ask", "metrics": ["rouge_l"]}


def test_a_text_task_stands_beside_a_copy_of_its_input_and_its_neighbour(summaries: Place) -> None:
    built = judged(summaries, written(text_rows(12, "t")), "causal-lm", **TEXTS)
    rouge = values(built, "rouge_l")

    assert "majority" not in rouge
    assert rouge["nearest-neighbour"] == 1.0
    assert 0 < rouge["copy-input"] < 0.5
    assert {s["note"] for s in table(built)["scores"] if s["baseline"] == "nearest-neighbour"} == {
        "TF-IDF"
    }


def test_the_base_model_answers_with_few_shots_where_the_spec_asks(
    summaries: Place, tiny_llm: Path
) -> None:
    copy = summaries.tmp / "llm"
    shutil.copytree(tiny_llm, copy)
    summaries.inputs["mini"] = summaries.store.put(copy, kind="model")
    answers = written(text_rows(12, "t"))
    quiet = judged(summaries, answers, "causal-lm", **TEXTS)
    asked = judged(summaries, answers, "causal-lm", **TEXTS, trivial_baselines={"few_shot": 1})

    assert "few-shot" not in values(quiet, "rouge_l")
    assert table(asked)["absent"] == {}
    assert "few-shot" in values(asked, "rouge_l")
    assert any("asking the base model with few-shot" in line for line in summaries.said)


def example(label: str, text: str = "text") -> LabelledExample:
    return LabelledExample(text, Answer(label, label), {"label": label})


def test_few_shot_examples_cover_the_labels_before_one_comes_twice() -> None:
    rows = [example("a"), example("a"), example("b"), example("a"), example("c")]
    chosen = few_shot.spread_over_labels(rows, 4)

    assert [e.answer.label for e in chosen] == ["a", "b", "c", "a"]


def test_rows_of_weight_zero_teach_a_baseline_nothing(place: Place) -> None:
    rows = [{"id": f"x{i}", "text": "t", "label": "a", "weight": str(i % 2)} for i in range(4)]
    folder = dataset(place, rows, train=rows).path
    examples = baseline_inputs._examples(folder, "train", None, 0)

    assert [e.row["id"] for e in examples] == ["x1", "x3"]


@pytest.mark.parametrize("name", TRIVIAL_BASELINES.names())
def test_every_baseline_answers_each_row_or_says_that_it_does_not_fit(name: str) -> None:
    test = [example("a", "one"), example("b", "two"), example("a", "three")]
    train = [example("a", "one"), example("b", "two")]
    module = TRIVIAL_BASELINES.load(name)
    answers = module.answer(BaselineTask(train, (), test, is_free_text=True))

    assert answers is None or len(answers.answers) == 3
    assert module.answer(BaselineTask((), (), test, is_free_text=False)) is None


RANKING = [name for name, _ in trivial_baselines(ranks=True)]


@pytest.mark.parametrize("name", RANKING)
def test_a_baseline_of_recommendations_ranks_what_the_visitor_has_not_had(name: str) -> None:
    items = ("a", "b", "c", "d")
    visits = [
        LabelledExample("", Answer(label, label), {"history": history, "label": label})
        for history, label in ((["a", "b"], "c"), (["a"], "c"), (["b"], "d"), ([], "a"))
    ]
    module = TRIVIAL_BASELINES.load(name)
    found = module.answer(BaselineTask(visits, (), visits, is_free_text=False, items=items))
    unknown = module.answer(BaselineTask((), (), visits, is_free_text=False, items=items))

    for visit, answer in zip(visits, found.answers, strict=True):
        assert set(answer.ranking) == set(items) - set(visit.row["history"])
        assert answer.label == answer.ranking[0]
    assert unknown is None


def test_recommendations_are_compared_with_recommendations_only() -> None:
    others = [name for name, _ in trivial_baselines(ranks=False)]

    assert RANKING == ["popularity", "item-to-item"]
    assert not set(RANKING) & set(others)
    assert len(trivial_baselines()) == len(RANKING) + len(others)


def test_tables_have_them_in_order_with_a_name_for_people() -> None:
    orders = [module.ORDER for _, module in trivial_baselines()]

    assert orders == sorted(set(orders))
    assert all(module.TITLE and module.__doc__ for _, module in trivial_baselines())
