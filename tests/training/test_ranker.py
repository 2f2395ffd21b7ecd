"""`method: ranker`: what it recommends from visits, and what it does where it knows nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.rankings import DESK, SHOP, TEA, encode, rows, scorer

from tidemill.data.histories import sequences
from tidemill.data.visit_index import VisitIndex
from tidemill.errors import ArtefactError
from tidemill.runtimes.item_files import MEMORY, load_scorer, save_scorer
from tidemill.runtimes.item_scores import EXPERTS, ItemScorer
from tidemill.training.item_memory import find_lenders, remember

PLACE = {"a": 0, "b": 1, "c": 2}


@pytest.fixture(scope="module")
def fitted() -> ItemScorer:
    return scorer()


def best(fitted: ItemScorer, *history: str, count: int = 3) -> list[str]:
    order = np.argsort(-fitted.probabilities(SHOP.places(history)), kind="stable")
    return [SHOP.ids[place] for place in order[:count]]


def test_it_recommends_what_comes_next_and_nothing_of_the_other_kind(fitted: ItemScorer) -> None:
    assert best(fitted, "kettle", "teapot")[0] == "cups"
    assert set(best(fitted, "desk", "chair")) <= set(DESK)
    assert set(best(fitted, "kettle", "teapot")) <= {*TEA, "new-cups"}


def test_probabilities_add_up_to_1_and_the_history_has_none(fitted: ItemScorer) -> None:
    found = fitted.probabilities(SHOP.places(["kettle", "lamp"]))

    assert found.sum() == pytest.approx(1)
    assert found[SHOP.places(["kettle", "lamp"])].tolist() == [0, 0]


def test_who_is_unknown_gets_what_is_popular(fitted: ItemScorer) -> None:
    counts = fitted.memory.visits.counts

    assert best(fitted)[0] == SHOP.ids[int(counts.argmax())]
    assert fitted.probabilities([]).sum() == pytest.approx(1)


def test_an_item_that_nobody_had_is_recommended_as_those_whose_words_are_alike(
    fitted: ItemScorer,
) -> None:
    assert "new-cups" in best(fitted, "kettle", "teapot", count=4)
    assert "new-cups" not in best(fitted, "desk", "chair", count=4)
    assert best(fitted, "kettle", "new-cups")[0] in TEA


def test_items_with_visits_borrow_nothing_and_need_no_encoder() -> None:
    visits = [*sequences(rows(60)), ["new-cups", "tea"]]

    def refuse(texts: list[str]) -> np.ndarray:
        raise AssertionError(texts)

    assert find_lenders(visits, SHOP, refuse) == {}
    lenders = find_lenders(visits[:-1], SHOP, encode)
    assert {SHOP.ids[borrower] for borrower, _ in lenders} == {"new-cups"}
    assert sum(lenders.values()) == pytest.approx(1)


def test_every_expert_has_a_share_of_each_item(fitted: ItemScorer) -> None:
    experts = fitted.memory.experts(SHOP.places(["kettle"]), 0.9)

    assert experts is not None
    assert experts.shape == (len(EXPERTS), len(SHOP.items))
    assert np.exp(experts).sum(axis=1) == pytest.approx(1 + 1e-3 * len(SHOP.items), abs=0.2)


def test_similar_visits_are_those_that_share_rare_items() -> None:
    index = VisitIndex.of([["a", "b"], ["c", "b"], ["b"], ["gone"]], PLACE)
    nearest = index.nearest({0: 1.0, 1: 1.0}, 10)

    assert nearest.similarity == pytest.approx(
        [(np.log(4) + np.log(4 / 3)) / 2**0.5, np.log(4 / 3), np.log(4 / 3) / 2**0.5]
    )
    assert (nearest.items.tolist(), nearest.visit.tolist()) == ([0, 1, 1, 2, 1], [0, 0, 1, 2, 2])
    assert nearest.step.tolist() == [0, 1, 0, 0, 1]


def test_what_came_after_in_a_similar_visit_counts_from_the_last_shared_item() -> None:
    memory = remember([["kettle", "tray", "cups", "tea"], ["lamp"]], SHOP, {})
    history = {SHOP.place["tray"]: 1.0}
    after = memory._after(memory.visits.nearest(history, 5), history)

    found = {SHOP.ids[place]: after[place] for place in np.flatnonzero(after)}
    assert set(found) == {"cups", "tea"}
    assert found["tea"] == pytest.approx(0.9 * found["cups"])


def test_it_reads_back_as_it_was_written(fitted: ItemScorer, tmp_path: Path) -> None:
    save_scorer(fitted, tmp_path)
    read, places = load_scorer(tmp_path), SHOP.places(["kettle", "lamp"])

    assert np.array_equal(read.probabilities(places), fitted.probabilities(places))


def test_a_damaged_memory_says_what_to_do(fitted: ItemScorer, tmp_path: Path) -> None:
    save_scorer(fitted, tmp_path)
    (tmp_path / MEMORY).write_bytes(b"broken")

    with pytest.raises(ArtefactError, match="train it again"):
        load_scorer(tmp_path)
