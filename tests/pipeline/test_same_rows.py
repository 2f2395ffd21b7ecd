"""A dataset is its rows: moved offsets alone change nothing that is built from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.pipeline.test_builder import FED, ROWS, Stream, Workshop, fed, home

from tidemill.data.rows_digest import read_rows_digest, rows_digest
from tidemill.engine.staleness import Fresh, InputChanged
from tidemill.pipeline.same_rows import ROWS as ROWS_FACT
from tidemill.pipeline.same_rows import SAME_ROWS_AS

__all__ = ["FED", "home"]
ASK = """apiVersion: tidemill/v1
kind: Prompt
name: ask
template: ask.j2
inputs: [text]
output: {type: label}
technique: few-shot
examples: {source: rows, k: 2}
"""


class Offsets(Stream):
    """A stream whose feedback becomes no row; it says up to where it was read."""

    def rows(self, feedback: object, kinds: object, since: object, until: object) -> object:
        assert isinstance(until, dict)
        return [], {partition: (0, end) for partition, end in until.items()}


@pytest.fixture
def workshop(home: Path) -> Workshop:
    """A dataset that reads feedback, and a prompt with examples of it; both built once."""
    folder = home / "specs" / "shop"
    (folder / "ask.yaml").write_text(ASK)
    (folder / "ask.j2").write_text("{{ text }}\n")
    workshop = fed(home, Offsets())
    workshop.builder.materialise("rows")
    workshop.builder.materialise("ask")
    return workshop


def read_on(workshop: Workshop, end: int) -> None:
    """Build the dataset with the feedback up to an offset."""
    workshop.builder.materialise("rows", offsets={"shop.said/0": end})


def test_moved_offsets_without_a_changed_row_leave_everything_fresh(workshop: Workshop) -> None:
    messages: list[str] = []

    def note(message: str, **_amounts: object) -> None:
        messages.append(message)

    first = workshop.ledger.latest("shop", "rows")
    built = workshop.builder.materialise("rows", offsets={"shop.said/0": 9}, progress=note)
    newest = workshop.ledger.latest("shop", "rows")

    assert not built.reused
    assert newest is not None
    assert first is not None
    assert newest.artefact != first.artefact
    assert newest.facts["offsets"] == {"shop.said/0": 9}
    assert workshop.builder.staleness("ask") == {"rows": Fresh(), "ask": Fresh()}
    assert workshop.builder.materialise("ask").reused
    assert any("no row changed since the build of" in message for message in messages)


def test_a_changed_row_makes_stale_what_was_built_from_it(workshop: Workshop, home: Path) -> None:
    (home / "specs" / "shop" / "rows.csv").write_text(ROWS + "one more request,a\n")
    workshop.builder.materialise("rows")

    assert isinstance(workshop.builder.staleness("ask")["ask"], InputChanged)
    assert not workshop.builder.materialise("ask").reused


def test_rows_that_come_back_bring_back_what_was_built_from_them(
    workshop: Workshop, home: Path
) -> None:
    path = home / "specs" / "shop" / "rows.csv"
    first = workshop.ledger.latest("shop", "ask")
    path.write_text(ROWS.replace("request", "demand"))
    workshop.builder.materialise("rows")
    other = workshop.builder.materialise("ask")
    path.write_text(ROWS)
    read_on(workshop, 9)

    again = workshop.builder.materialise("ask")

    assert first is not None
    assert again.reused
    assert other.artefact.digest != again.artefact.digest == first.artefact


def test_datasets_of_an_older_version_are_compared_by_their_files(workshop: Workshop) -> None:
    former = workshop.ledger.latest("shop", "rows")
    prompt = workshop.ledger.latest("shop", "ask")
    assert former is not None
    assert prompt is not None
    later = Workshop(workshop.home)
    later.store, later.feedback = workshop.store, workshop.feedback
    facts = {name: fact for name, fact in former.facts.items() if name != ROWS_FACT}
    later.ledger.add(replace(former, id=0, facts=facts))
    later.ledger.add(replace(prompt, id=0))

    read_on(later, 9)
    read_on(later, 12)

    newest = later.ledger.latest("shop", "rows")
    assert newest is not None
    assert newest.facts[SAME_ROWS_AS] == former.artefact
    assert later.builder.staleness("ask")["ask"] == Fresh()


def test_the_digest_is_of_rows_weights_and_splits_in_any_order(workshop: Workshop) -> None:
    row, other = {"id": "a", "weight": 1.0}, {"id": "b", "weight": 1.0}
    digest = rows_digest({"train": [row, other]})

    assert rows_digest({"train": [other, row]}) == digest
    assert rows_digest({"train": [row, {**other, "weight": 0.9}]}) != digest
    assert rows_digest({"train": [row], "test": [other]}) != digest
    record = workshop.ledger.latest("shop", "rows")
    assert record is not None
    folder = workshop.store.get(record.artefact).path
    assert read_rows_digest(folder) == record.facts[ROWS_FACT]
