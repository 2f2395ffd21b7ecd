"""The simulated visits: always the same, of the catalogue's items, with the noise that is said."""

from __future__ import annotations

import json
from collections import Counter

from tests.recs.simulate_visits import DATA, POPULAR, VISITORS, read_shop, visits


def written() -> list[dict[str, object]]:
    lines = (DATA / "visits.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_file_is_what_the_simulation_gives() -> None:
    assert list(visits(read_shop())) == written()
    assert len({visit["visitor"] for visit in written()}) == VISITORS


def test_projects_and_popular_items_are_of_the_catalogue() -> None:
    shop = read_shop()

    named = {item for project in shop.projects for item in project} | set(POPULAR)
    assert named <= set(shop.category)
    assert len(shop.projects) >= 80


def test_no_history_has_a_new_item_or_the_one_that_comes_next() -> None:
    shop = read_shop()
    for visit in written():
        history = visit["history"]
        assert isinstance(history, list)
        assert not set(history) & shop.new
        assert visit["next"] not in history


def test_a_few_items_are_common_and_many_are_rare() -> None:
    counts = Counter(item for visit in written() for item in (*visit["history"], visit["next"]))  # type: ignore[misc]

    top = sum(count for _, count in counts.most_common(40))
    assert 0.2 < top / counts.total() < 0.5
    assert sum(visit["arrival"] == "new" for visit in written()) > 50
