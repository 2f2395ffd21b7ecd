"""Simulates the visits of the shop in `specs/product-recs`: nobody's clicks are in this repository.

python -m tests.recs.simulate_visits

A visitor shops for one or two of the projects in `projects.txt`, which people wrote by hand: items
in a typical order, some left out, some swapped. What every shop sees comes in between: popular
items, things of the same category, and things that have to do with nothing. Some projects are
common, most are rare. A visit ends at a random item, which is the one to recommend. Items marked
`new` in the catalogue are in no history; a few visits end at one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "specs" / "product-recs" / "data"
VISITORS = 3000
SEED = 20

TWO_PROJECTS = 0.4
SWAPPED = 0.25
"""Chance that an item of a project comes before its neighbour."""
BROWSED = 0.12
"""Chance that another item of the same category follows."""
ENDS_NEW = 0.06
"""Chance that a visit ends at a new item of its project, where that has one."""
LONGEST = 14
POPULAR = (
    "tealights", "hooks-set", "cleaning-cloths", "mug-set", "smart-bulb", "cotton-throw",
    "scented-cedar", "dish-brush", "string-lights", "seagrass-basket", "monstera", "felt-box",
    "water-glasses", "hangers", "candle-holders", "hand-towels", "notebook-set", "wall-plugs",
    "tea-sampler", "kettle-electric", "desk-lamp", "pothos", "wool-blanket", "doormat-coir",
    "poster-abstract", "cutting-board", "bath-salts", "ceramic-pot", "power-strip", "linen-napkins",
)  # fmt: skip
"""What everybody buys, most first."""


@dataclass(frozen=True)
class Shop:
    """What there is to buy and to do."""

    category: dict[str, str]
    new: frozenset[str]
    projects: list[list[str]]

    @property
    def stocked(self) -> list[str]:
        """The items that histories may hold."""
        return [item for item in self.category if item not in self.new]


def read_shop() -> Shop:
    """The catalogue and the projects."""
    lines = (DATA / "catalogue.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    projects = (HERE / "projects.txt").read_text(encoding="utf-8").splitlines()
    return Shop(
        {item["id"]: item["category"] for item in items},
        frozenset(item["id"] for item in items if item.get("new")),
        [line.split(":")[1].split() for line in projects],
    )


def visits(shop: Shop, count: int = VISITORS, seed: int = SEED) -> Iterator[dict[str, object]]:
    """One visit for each visitor, always the same ones."""
    draw = Random(seed)
    order = list(range(len(shop.projects)))
    draw.shuffle(order)
    common = [1 / (order.index(place) + 1) ** 0.6 for place in range(len(order))]
    number = 0
    while number < count:
        chosen = draw.choices(range(len(order)), common, k=1 + (draw.random() < TWO_PROJECTS))
        projects = [shop.projects[place] for place in dict.fromkeys(chosen)]
        path = _path(shop, projects, draw)
        if len(path) < 3:
            continue
        number += 1
        yield _visit(shop, projects, path, number, draw)


def _visit(
    shop: Shop, projects: Sequence[list[str]], path: Sequence[str], number: int, draw: Random
) -> dict[str, object]:
    end = draw.randint(2, len(path) - 1)
    arrived = [item for project in projects for item in project if item in shop.new]
    last = draw.choice(arrived) if arrived and draw.random() < ENDS_NEW else path[end]
    return {
        "visitor": f"v{number:04}",
        "history": list(path[:end]),
        "next": last,
        "stage": "early" if end <= 3 else "late",
        "arrival": "new" if last in shop.new else "stocked",
        "device": draw.choice(("phone", "phone", "desktop")),
    }


def _path(shop: Shop, projects: Sequence[list[str]], draw: Random) -> list[str]:
    """The items that one visitor looks at, in order."""
    queues = [_part(project, shop, draw) for project in projects]
    popular, other = draw.betavariate(2, 8), draw.betavariate(2, 10)
    weights = [1 / (rank + 2) ** 0.8 for rank in range(len(POPULAR))]
    path: list[str] = []
    while any(queues):
        item = draw.choice([queue for queue in queues if queue]).pop(0)
        path.append(item)
        if draw.random() < BROWSED:
            path.append(draw.choice(_alike(shop, item)))
        if draw.random() < popular:
            path.append(draw.choices(POPULAR, weights)[0])
        if draw.random() < other:
            path.append(draw.choice(shop.stocked))
    return list(dict.fromkeys(path))[:LONGEST]


def _part(project: Sequence[str], shop: Shop, draw: Random) -> list[str]:
    """What this visitor takes of a project."""
    share = draw.betavariate(4, 3)
    part = [item for item in project if item not in shop.new and draw.random() < share]
    for place in range(len(part) - 1):
        if draw.random() < SWAPPED:
            part[place : place + 2] = part[place + 1], part[place]
    return part


def _alike(shop: Shop, item: str) -> list[str]:
    """The stocked items of the same category."""
    return [other for other in shop.stocked if shop.category[other] == shop.category[item]]


def main() -> None:
    """Write `visits.jsonl` anew."""
    lines = (json.dumps(visit) + "\n" for visit in visits(read_shop()))
    (DATA / "visits.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
