"""The catalogue of a ranking dataset: the items there are to recommend, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tidemill.errors import DataError

FILE = "catalogue.jsonl"
"""Its name in artefacts."""
MOST_ID = 200


@dataclass(frozen=True)
class CatalogueItem:
    """One thing that can be recommended."""

    id: str
    title: str
    text: str = ""
    category: str = ""
    price: float | None = None

    @property
    def description(self) -> str:
        """The words that an encoder reads of it."""
        return f"{self.title}. {self.text}" if self.text else self.title


@dataclass(frozen=True)
class Catalogue:
    """Items in a fixed order; a place in it stands for an item in vectors and scores."""

    items: tuple[CatalogueItem, ...]

    @cached_property
    def place(self) -> dict[str, int]:
        """Id of an item → its place."""
        return {item.id: place for place, item in enumerate(self.items)}

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(item.id for item in self.items)

    def places(self, ids: Iterable[str]) -> list[int]:
        """The places of those ids that are in the catalogue, in their order."""
        return [self.place[item] for item in ids if item in self.place]

    @classmethod
    def read(cls, path: Path, name: str = "") -> Catalogue:
        """From JSON lines; raises DataError with every line that is no item, or has an id twice."""
        items: dict[str, CatalogueItem] = {}
        problems: list[str] = []
        for number, line in enumerate(_lines(path, name or str(path)), start=1):
            item = _item(line) if line.strip() else None
            if isinstance(item, str) or (item and item.id in items):
                cause = item if isinstance(item, str) else f"the id '{item.id}' is there twice"
                problems.append(f"{name or path}:{number}: {cause}")
            elif item:
                items[item.id] = item
        if problems:
            raise DataError("\n".join(problems))
        if len(items) < 2:
            raise DataError(f"{name or path}: a catalogue needs at least two items; add some")
        return cls(tuple(items.values()))

    def write(self, folder: Path) -> None:
        """As `catalogue.jsonl` of an artefact; equal catalogues give equal bytes."""
        lines = (json.dumps(asdict(item), ensure_ascii=False) for item in self.items)
        (folder / FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _lines(path: Path, name: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 (byte {error.start}); convert it first") from error
    except OSError as error:
        raise DataError(f"{name}: {error.strerror or error}; check the path") from error


def _item(line: str) -> CatalogueItem | str:
    """The item of a line, or why it is none."""
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({error}); write one object a line"
    if not isinstance(raw, dict):
        return "not a JSON object; write one item a line"
    texts = {name: _text(raw.get(name)) for name in ("id", "title", "text", "category")}
    if not texts["id"] or not texts["title"]:
        return "an item needs an `id` and a `title`; add them"
    if len(texts["id"]) > MOST_ID or any(sign.isspace() or sign == "," for sign in texts["id"]):
        return f"the id '{texts['id'][:40]}' has spaces or commas, or over {MOST_ID} letters"
    return CatalogueItem(**texts, price=_price(raw.get("price")))


def _price(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) else None


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())
