"""The line: what is made, what is reused, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.git import GitRepository
from tidemill.adapters.ledger.assets import MaterialisationLedger
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.store import MemoryStore
from tidemill.engine.release_record import SpecCommit
from tidemill.engine.staleness import reason
from tidemill.errors import MissingArtefact
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.spec.load import read

DATASET = """apiVersion: tidemill/v1
kind: Dataset
name: rows
description: {description}
format: classification
sources: [{{type: file, path: rows.csv}}]
split: {{by: random, seed: {seed}}}
"""
ROWS = "text,label\n" + "".join(f"request number {n},{'ab'[n % 2]}\n" for n in range(40))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    project = tmp_path / "specs" / "shop"
    project.mkdir(parents=True)
    (project / "rows.csv").write_text(ROWS)
    write(tmp_path)
    return tmp_path


def write(home: Path, *, seed: int = 0, description: str = "requests") -> None:
    text = DATASET.format(seed=seed, description=description)
    (home / "specs" / "shop" / "rows.yaml").write_text(text)


class Workshop:
    """A builder whose specs are read anew, over one ledger and one store."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ledger = MaterialisationLedger(open_engine("sqlite://"))
        self.store = MemoryStore()
        self.feedback: Stream | None = None

    @property
    def builder(self) -> ProjectBuilder:
        return ProjectBuilder(
            project=read(self.home / "specs").workspace.projects["shop"],
            home=self.home / ".tidemill",
            cache=self.home / "cache",
            store=self.store,
            records=self.ledger,
            repository=GitRepository(self.home / "specs"),
            clock=SystemClock(),
            keep=self.ledger.add_artefacts,
            feedback=self.feedback,
        )


def test_the_same_spec_and_rows_are_made_once(home: Path) -> None:
    workshop = Workshop(home)

    first, second = workshop.builder.materialise("rows"), workshop.builder.materialise("rows")

    assert not first.reused
    assert second.reused
    assert second.artefact.digest == first.artefact.digest


def test_a_new_description_makes_nothing(home: Path) -> None:
    workshop = Workshop(home)
    workshop.builder.materialise("rows")

    write(home, description="what shoppers ask")

    assert workshop.builder.materialise("rows").reused


def test_going_back_to_an_earlier_spec_brings_its_artefact_back(home: Path) -> None:
    workshop = Workshop(home)
    first = workshop.builder.materialise("rows")
    write(home, seed=1)
    other = workshop.builder.materialise("rows")
    write(home, seed=0)

    again = workshop.builder.materialise("rows")

    assert other.artefact.digest != first.artefact.digest
    assert again.reused
    assert workshop.builder.current("rows").artefact == first.artefact.digest


def test_a_changed_data_file_is_made_anew(home: Path) -> None:
    workshop = Workshop(home)
    workshop.builder.materialise("rows")

    (home / "specs" / "shop" / "rows.csv").write_text(ROWS + "one more request,a\n")

    assert not workshop.builder.materialise("rows").reused


def test_what_was_never_made_says_how_to_make_it(home: Path) -> None:
    with pytest.raises(MissingArtefact) as caught:
        Workshop(home).builder.current("rows")

    assert str(caught.value) == "'rows' was never built here; run `tidemill run shop/rows`"


def test_what_is_stale_says_so(home: Path) -> None:
    workshop = Workshop(home)
    workshop.builder.materialise("rows")
    write(home, seed=1)

    with pytest.raises(MissingArtefact, match="is stale: its spec changed since it was built"):
        workshop.builder.current("rows")


def test_the_record_says_what_went_in_and_with_which_tools(home: Path) -> None:
    workshop = Workshop(home)
    made = workshop.builder.materialise("rows", run="run-1")

    making = workshop.ledger.latest("shop", "rows")

    assert making is not None
    assert making.artefact == made.artefact.digest
    assert making.run_id == "run-1"
    assert {"tidemill", "numpy"} <= set(making.tools)
    assert making.commit == SpecCommit()
    assert making.seconds > 0


class Stream:
    """A stream that stands where the test puts it."""

    def __init__(self) -> None:
        self.end = 3
        self.withdrawn = ""

    def frozen_offsets(self, topic: str) -> dict[str, int]:
        return {f"{topic}/0": self.end}

    def rows(self, feedback: object, kinds: object, since: object, until: object) -> object:
        return [], {}

    def withdrawn_digest(self, topics: object, frozen: object) -> str:
        return self.withdrawn


FED = """apiVersion: tidemill/v1
kind: Feedback
name: said
topic: shop.said
service: shop
kinds: [correction]
"""


def fed(home: Path, stream: Stream) -> Workshop:
    folder = home / "specs" / "shop"
    (folder / "said.yaml").write_text(FED)
    text = (folder / "rows.yaml").read_text()
    source = "sources: [{type: feedback, of: said}, {type: file"
    (folder / "rows.yaml").write_text(text.replace("sources: [{type: file", source))
    workshop = Workshop(home)
    workshop.feedback = stream
    return workshop


def test_feedback_that_came_since_waits_for_somebody_to_ask(home: Path) -> None:
    stream = Stream()
    workshop = fed(home, stream)
    first = workshop.builder.materialise("rows")
    stream.end = 9

    again = workshop.builder.materialise("rows")
    asked = workshop.builder.materialise("rows", offsets={"shop.said/0": 9})

    assert first.facts["offsets"] == {"shop.said/0": 3}
    assert again.reused
    assert not asked.reused
    assert asked.facts["offsets"] == {"shop.said/0": 9}


def test_an_edited_dataset_keeps_the_feedback_it_has(home: Path) -> None:
    stream = Stream()
    workshop = fed(home, stream)
    workshop.builder.materialise("rows")
    stream.end = 9
    path = home / "specs" / "shop" / "rows.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))

    edited = workshop.builder.materialise("rows")

    assert not edited.reused
    assert edited.facts["offsets"] == {"shop.said/0": 3}


def test_a_withdrawal_makes_a_dataset_stale_and_its_undoing_brings_the_former_one_back(
    home: Path,
) -> None:
    stream = Stream()
    workshop = fed(home, stream)
    first = workshop.builder.materialise("rows")
    stream.withdrawn = "two rows"
    (state,) = workshop.builder.staleness("rows").values()
    without = workshop.builder.materialise("rows")
    again = workshop.builder.materialise("rows")
    stream.withdrawn = ""
    back = workshop.builder.materialise("rows")

    assert reason(state) == "its set of withdrawn feedback is another one now"
    assert not without.reused
    assert without.facts["offsets"] == first.facts["offsets"]
    assert again.reused
    assert back.reused
    assert back.artefact.digest == first.artefact.digest
