"""What every search method keeps to: budget, rows, seed. A new file is tested at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.search.planted import Ground, Planted, Teacher

from tidemill.catalog import SEARCH
from tidemill.data import read_split
from tidemill.engine.search_budget import Limits
from tidemill.errors import MissingExtra, OverBudget

Plant = Callable[[Planted], Planted]
METHODS = SEARCH.names()
TEACHER = "Answer with one of: refund, track, cancel, other.\n```\nOne of refund, track.\n```"


def searched(ground: Ground, method: str, **more: object) -> object:
    try:
        return ground.run(method, reflection=Teacher(TEACHER), **more)  # type: ignore[arg-type]
    except MissingExtra as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("method", METHODS)
def test_a_method_stays_within_calls_and_tokens(method: str, ground: Ground, plant: Plant) -> None:
    model = plant(Planted(0.2, each=0.1, told=0.1))
    for limits in (Limits(calls=150), Limits(tokens=30_000), Limits(calls=400, tokens=60_000)):
        ground.memory.answers.clear()
        model.asked.clear()
        found = searched(ground, method, limits=limits)
        spent = found.spent  # type: ignore[attr-defined]

        assert spent.calls <= (limits.calls or spent.calls)
        assert spent.tokens <= (limits.tokens or spent.tokens)
        assert len(model.asked) <= spent.calls


@pytest.mark.parametrize("method", METHODS)
def test_a_method_looks_at_no_test_row_and_at_deciding_rows_last(
    method: str, ground: Ground, plant: Plant
) -> None:
    model = plant(Planted(0.2, each=0.1, told=0.1))
    found = searched(ground, method)
    folder = ground.inputs["rows"].path
    test = {row["text"] for row in read_split(folder, "test")}
    held_out = {row["text"] for row in read_split(folder, "validation")}
    seen = [[one["content"] for one in messages] for messages in model.asked]
    deciding = [bool(held_out & set(texts)) for texts in seen]

    assert not test & {text for texts in seen for text in texts}
    assert deciding == sorted(deciding)
    assert not held_out & {text for texts in seen for text in texts[:-1]}
    assert found.decision is None or sum(deciding) <= 2 * len(held_out)  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_takes_the_same_way_and_pays_once(
    method: str, ground: Ground, plant: Plant
) -> None:
    model = plant(Planted(0.2, each=0.1, told=0.1))
    first = searched(ground, method, seed=3)
    asked = len(model.asked)
    again = searched(ground, method, seed=3)

    assert [t.candidate for t in again.trials] == [t.candidate for t in first.trials]  # type: ignore[attr-defined]
    assert again.decision == first.decision  # type: ignore[attr-defined]
    assert again.spent == first.spent  # type: ignore[attr-defined]
    assert again.spent_now.calls == 0  # type: ignore[attr-defined]
    assert len(model.asked) == asked


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_search_goes_on_where_it_was(
    method: str, tmp_path: Path, tiny_encoder: Path, plant: Plant
) -> None:
    whole = Ground(tmp_path / "whole", tiny_encoder)
    killed = Ground(tmp_path / "killed", tiny_encoder)
    model = plant(Planted(0.2, each=0.1, told=0.1))
    wanted = searched(whole, method)
    asked = len(model.asked)
    model.asked.clear()
    model.die_after = 48
    with pytest.raises(KeyboardInterrupt):
        searched(killed, method)
    model.die_after = None
    found = searched(killed, method)

    assert replace(found, spent_now=wanted.spent_now) == wanted  # type: ignore[type-var, attr-defined]
    assert len(model.asked) == asked


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_that_reaches_for_nothing_says_what_is_needed(
    method: str, ground: Ground, plant: Plant
) -> None:
    plant(Planted())

    with pytest.raises(
        (OverBudget, MissingExtra), match=r"final comparison needs|is not installed"
    ):
        ground.run(method, limits=Limits(calls=20), reflection=Teacher(TEACHER))
