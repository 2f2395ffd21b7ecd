"""From visits and a catalogue to a recommender that is judged beside trivial ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.streams import answer, contract, take, thumb
from tests.pipeline.rankings import API, SHOP, Bench, rows

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.data import read_split, summary
from tidemill.data.catalogue import FILE, Catalogue, CatalogueItem
from tidemill.form import ModelForm
from tidemill.pipeline import evaluation
from tidemill.pipeline.answers import answer_rows
from tidemill.pipeline.same_rows import ROWS
from tidemill.runtimes import open_runtime
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.feedback import Feedback

METRICS = ["ndcg_at_10", "recall_at_10", "mrr", "coverage_at_10"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def taken_up(item: str | None, answer: str, subject: str = "ann", value: float = 1.0) -> Any:
    """Feedback as the ledger joins it: the item that was taken up, or the answer's own."""
    return {
        "input": {"history": '["kettle", "gone"]'},
        "output": item or '{"items": []}',
        "label": None if item else "honey",
        "kind": "outcome",
        "rating": value,
        "subject": subject,
        "consent": True,
        "response_id": answer,
        "event_id": f"e-{answer}-{item}",
    }


def fed(bench: Bench, *signals: Any) -> Any:
    """The dataset with rows from feedback."""
    stream = Feedback.model_validate(
        {**API, "kind": "Feedback", "name": "clicks", "topic": "clicks", "kinds": ["outcome"],
         "service": "shop"}
    )  # fmt: skip
    source = {"type": "feedback", "of": "clicks", "kinds": ["outcome"]}
    context = bench.context(
        read_feedback=lambda *_: (list(signals), {"clicks/0": (0, len(signals))}),
        specs={"clicks": stream},
    )
    file = {"type": "file", "path": "visits.jsonl"}
    return bench.build_dataset(context, sources=[file, source])


def test_a_visitor_is_in_one_split_and_the_catalogue_comes_along(bench: Bench) -> None:
    bench.write([*rows(200), *rows(200, seed=1)])  # each visitor comes twice
    folder = bench.build_dataset().artefact.path

    splits = {name: read_split(folder, name) for name in ("train", "validation", "test")}
    visitors = [{row["subject"] for row in part} for part in splits.values()]
    assert Catalogue.read(folder / FILE) == SHOP
    assert all(len(part) > 10 for part in splits.values())
    assert not visitors[0] & visitors[2] | visitors[0] & visitors[1]
    assert isinstance(splits["train"][0]["history"], list)


def test_visits_that_begin_alike_are_no_leak(bench: Bench) -> None:
    bench.write([{"history": ["kettle"], "label": "tea", "subject": str(n)} for n in range(80)])
    built = bench.build_dataset()

    assert {check.name: check.passed for check in built.checks}["leakage"]
    assert built.facts["rows"]["test"] > 2


def test_rows_that_cannot_be_recommended_are_in_quarantine(bench: Bench) -> None:
    odd = [{"history": [], "label": "sofa"}, {"history": ["tea"], "label": "tea"}]
    bench.write([*rows(40), *odd])

    counts = summary(bench.build_dataset().artefact.path)["quarantined"]
    assert counts == {"repeated": 1, "unknown item": 1}


def test_another_catalogue_is_another_dataset(bench: Bench) -> None:
    before = bench.build_dataset().facts[ROWS]
    again = bench.build_dataset().facts[ROWS]
    Catalogue((*SHOP.items, CatalogueItem("vase", "Vase"))).write(bench.root)

    assert before == again
    assert bench.build_dataset().facts[ROWS] != before


def test_a_click_becomes_a_row_of_the_history_and_that_item_and_never_a_test_row(
    bench: Bench,
) -> None:
    signals = [taken_up("tea", f"a{n}", subject=f"s{n}") for n in range(40)]
    built = fed(bench, *signals, taken_up("tea", "a0", "s0"), taken_up(None, "b", "bob"))
    folder = built.artefact.path

    train, test = read_split(folder, "train"), read_split(folder, "test")
    clicks = [row for row in train if row["source"] == "feedback:clicks"]
    assert {(tuple(row["history"]), row["label"]) for row in clicks} >= {
        (("kettle", "gone"), "tea")
    }
    assert not [row for row in test if row["source"] == "feedback:clicks"]
    assert [row["label"] for row in clicks if row["subject"] == "bob"] in (["honey"], [])
    assert summary(folder)["quarantined"]["counted as a vote"] == 1


def test_a_purchase_goes_from_its_event_into_the_training_rows(bench: Bench) -> None:
    shop = contract(name="clicks", kinds=("outcome",))
    asked = answer(1, input={"history": ["kettle"]}, output='{"items": []}', label="teapot")
    bought = thumb(1, kind="outcome", value=1.0, output="honey", consent=True)
    ledger = Ledger.open("sqlite://")
    take(ledger.events, MemoryBus(), [asked, bought], shop=shop)
    read = ledger.feedback.rows
    context = bench.context(
        read_feedback=lambda _name, kinds, since: read(shop, kinds, since), specs={"clicks": shop}
    )
    source = {"type": "feedback", "of": "clicks", "kinds": ["outcome"]}
    built = bench.build_dataset(
        context, sources=[{"type": "file", "path": "visits.jsonl"}, source],
        split={"by": "group", "key": "subject", "ratios": {"train": 1, "validation": 0, "test": 0}},
    )  # fmt: skip
    ledger.engine.dispose()

    row = read_split(built.artefact.path, "train")[-1]
    assert (row["history"], row["label"], row["subject"]) == (["kettle"], "honey", "u1")
    assert row["source"] == "feedback:clicks"


def test_what_was_not_taken_up_and_what_is_not_sold_is_no_row(bench: Bench) -> None:
    built = fed(bench, taken_up("tea", "a", value=0.0), taken_up("sofa", "b"))

    counts = summary(built.artefact.path)["quarantined"]
    assert counts == {"rated bad": 1, "unknown item": 1}


def test_the_recommender_is_its_catalogue_and_its_visits(bench: Bench, tiny_encoder: Path) -> None:
    built = bench.build_ranker(tiny_encoder)
    form = ModelForm.read(built.artefact.path)

    assert (form.form, form.task, form.labels) == ("safetensors", "ranking", SHOP.ids)
    assert sorted(path.name for path in built.artefact.path.iterdir()) == [
        "catalogue.jsonl",
        "form.json",
        "ranking.json",
        "ranking.safetensors",
    ]
    assert built.facts["items_without_visits"] == 1
    assert [measure.metric for measure in built.measures] == ["validation_ndcg_at_10"]


def test_the_same_visits_give_the_same_bytes(bench: Bench, tiny_encoder: Path) -> None:
    first, second = (bench.build_ranker(tiny_encoder).artefact for _ in range(2))

    assert first.digest == second.digest


def test_a_runtime_leaves_out_the_history_and_ignores_unknown_ids(
    bench: Bench, tiny_encoder: Path
) -> None:
    runtime: Any = open_runtime(bench.build_ranker(tiny_encoder).artefact.path, resolve=Path)
    known, unknown, new = runtime.rank([["kettle"], ["gone"], []])

    assert "kettle" not in known.ids
    assert unknown.ids == new.ids
    assert list(known.scores) == sorted(known.scores, reverse=True)
    assert len(new.ids) == len(SHOP.items)


def evaluate(bench: Bench, encoder: Path, live: Any = None, **fields: Any) -> Any:
    """The evaluation of a recommender on the test visits."""
    model = bench.build_ranker(encoder).artefact
    inputs = {"visits": bench.build_dataset().artefact, "ranker": model}
    given = {"kind": "Evaluation", "name": "judge", "of": "ranker", "dataset": "visits"}
    spec = Evaluation.model_validate({**API, **given, "metrics": METRICS, **fields})
    return evaluation.build(spec, inputs, bench.context(baseline_report=lambda _name: live))


def test_items_are_no_labels_that_could_be_forgotten(bench: Bench, tiny_encoder: Path) -> None:
    first = evaluate(bench, tiny_encoder)
    again = evaluate(
        bench, tiny_encoder, first.artefact, baseline={"type": "live", "service": "shop"}
    )
    report = json.loads((again.artefact.path / "report.json").read_text())

    assert {group["kind"] for group in report["forgetting"]["groups"]} == {"all"}
    assert report["forgetting"]["too_few_rows"] == {}
    assert {gain["value"] for gain in report["gains"]} == {0.0}


def test_the_report_has_ranking_metrics_and_the_baselines_of_recommendations(
    bench: Bench, tiny_encoder: Path
) -> None:
    gates = [{"type": "at_least", "metric": "mrr", "value": 0.2}]
    built = evaluate(bench, tiny_encoder, gates=gates)
    report = json.loads((built.artefact.path / "report.json").read_text())

    values = {
        (score["baseline"], score["measure"]["metric"]): score["measure"]["value"]
        for score in report["trivial_baselines"]["scores"]
    }
    mine = {measure.metric: measure.value for measure in built.measures}
    assert {name for name, _ in values} == {"popularity", "item-to-item"}
    assert mine["ndcg_at_10"] > values["popularity", "ndcg_at_10"] + 0.1
    assert 0 < values["popularity", "coverage_at_10"] <= mine["coverage_at_10"] <= 1
    assert built.facts["passed"] is True


def test_answers_are_the_same_one_by_one(bench: Bench, tiny_encoder: Path) -> None:
    folder = bench.build_ranker(tiny_encoder).artefact.path
    test = read_split(bench.build_dataset().artefact.path, "test")
    together = answer_rows(folder, test, None, resolve=Path)
    alone = [answer_rows(folder, [row], None, resolve=Path)[0] for row in test]

    assert [a.answer for a in together] == [a.answer for a in alone]
    assert together[0].answer.candidates == len(SHOP.items)
