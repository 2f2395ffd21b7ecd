"""The catalogue: items in a fixed order, and a line for everything that is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidemill.data.catalogue import FILE, Catalogue, CatalogueItem
from tidemill.errors import DataError

LINES = [
    {"id": "lamp", "title": "Desk lamp", "text": "Bends.", "price": 20, "colour": "red"},
    {"id": "chair", "title": "Chair", "category": "desk"},
    {"id": "desk", "title": "Desk"},
]


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_items_keep_their_order_and_what_is_known_of_them(tmp_path: Path) -> None:
    catalogue = Catalogue.read(written(tmp_path, *LINES))

    assert catalogue.ids == ("lamp", "chair", "desk")
    assert catalogue.items[0] == CatalogueItem("lamp", "Desk lamp", "Bends.", "", 20.0)
    assert catalogue.items[0].description == "Desk lamp. Bends."
    assert catalogue.places(["desk", "gone", "lamp"]) == [2, 0]


def test_what_an_artefact_holds_reads_back_the_same(tmp_path: Path) -> None:
    catalogue = Catalogue.read(written(tmp_path, *LINES))
    catalogue.write(tmp_path)

    assert Catalogue.read(tmp_path / FILE) == catalogue


def test_every_wrong_line_is_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, LINES[0], {"id": "x"}, ["lamp"], LINES[0], {"id": "a b", "title": "A"})

    with pytest.raises(DataError) as raised:
        Catalogue.read(path, "items.jsonl")

    assert str(raised.value).splitlines() == [
        "items.jsonl:2: an item needs an `id` and a `title`; add them",
        "items.jsonl:3: not a JSON object; write one item a line",
        "items.jsonl:4: the id 'lamp' is there twice",
        "items.jsonl:5: the id 'a b' has spaces or commas, or over 200 letters",
    ]


def test_one_item_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least two items"):
        Catalogue.read(written(tmp_path, LINES[0]), "items.jsonl")
