"""Several ways to make a fine-tune: validation rows choose, and the table of all is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.test_finetune import TRAIN, Shop, rows

from tidemill.errors import DataError
from tidemill.form import ModelForm
from tidemill.pipeline.context import BuildResult

HEAD = {"method": "head"}
LONG = {"settings": {"train.epochs": 14}}


@pytest.fixture
def shop(tmp_path: Path, tiny_encoder: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    shop.put_rows(rows(60), rows(84)[60:])
    return shop


def build(shop: Shop, *alternatives: Any, **rule: Any) -> BuildResult:
    candidates = {"metric": "accuracy", "alternatives": alternatives, **rule}
    train = {**TRAIN, "epochs": 1, "learning_rate": 1e-6}
    return shop.train(method="full", train=train, candidates=candidates)


def table(built: BuildResult) -> list[dict[str, Any]]:
    found = built.facts["candidates"]
    assert isinstance(found, list)
    return found


def test_the_best_on_validation_rows_is_taken_the_cheapest_tried_first(shop: Shop) -> None:
    built = build(shop, HEAD)

    head, own = table(built)
    assert [head["name"], own["name"]] == ["method head", "as the spec says"]
    assert (head["chosen"], own["chosen"]) == (True, False)
    assert head["value"] > own["value"]
    assert head["low"] <= head["value"] <= head["high"]
    assert head["rows"] == 24
    assert ModelForm.read(built.artefact.path).pooling == "mean-normalised"
    assert "C" in built.facts
    assert built.tables["Candidates"] == table(built)
    assert (built.facts["candidate"], built.facts["candidate_base"]) == ("method head", "base")


def test_the_first_that_passes_ends_the_search(shop: Shop) -> None:
    built = build(shop, LONG, HEAD, choose="first_passing", at_least=0.5)

    assert [tried["name"] for tried in table(built)] == ["method head"]
    assert built.facts["candidates_skipped"] == ["as the spec says", "train.epochs 14"]
    assert built.facts["candidates_passed"]


def test_where_none_passes_the_best_is_taken_and_it_is_said(shop: Shop) -> None:
    built = build(shop, HEAD, choose="first_passing", at_least=1.0)

    assert [tried["chosen"] for tried in table(built)] == [True, False]
    assert not built.facts["candidates_passed"]


def test_a_build_that_was_killed_trains_no_finished_candidate_again(shop: Shop) -> None:
    first = build(shop, HEAD)
    shop.said.clear()
    again = build(shop, HEAD)

    assert again.artefact == first.artefact
    assert table(again) == table(first)
    assert again.measures == first.measures
    assert not any("loading" in message or "step" in message for message in shop.said)


def test_a_candidate_whose_weights_were_collected_is_trained_again(shop: Shop) -> None:
    first = build(shop, HEAD)
    shop.store.drop(first.artefact.digest)

    assert build(shop, HEAD).artefact.digest == first.artefact.digest


def test_candidates_need_validation_rows(tmp_path: Path, tiny_encoder: Path) -> None:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    shop.put_rows(rows(60), [])

    with pytest.raises(DataError, match="no validation rows to compare candidates on"):
        build(shop, HEAD)
