"""What a plan says of a dataset's rows is what a run then builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.adapters.repositories import Repo
from tests.adapters.streams import answer, contract, correct, take
from tests.spec.conftest import write_project

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.home import Home
from tidemill.planning.planner import plan_report
from tidemill.planning.revisions import open_revisions
from tidemill.settings import Settings

ROW = '{{"request": "ask {0}", "answer": "answer {0}", "intent": "track"}}\n'
ROWS = "".join(map(ROW.format, range(40)))
TOPIC = "chat-feedback"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    repo = Repo.new(tmp_path / "repo")
    write_project(repo.folder / "specs" / "chat", data__requests=None)
    repo.write("specs/chat/data/requests.jsonl", ROWS)
    repo.commit("base")
    repo.git("checkout", "--quiet", "-b", "edit")
    monkeypatch.chdir(repo.folder)
    return repo


def home_of(repo: Repo) -> Home:
    return Home(Settings.read({"TIDEMILL_HOME": "../home"}, specs=repo.folder / "specs"))


def give_feedback(home: Home, count: int) -> None:
    """Corrections that reach the ledger."""
    now = datetime.now(UTC)
    given = [answer(n, at=now) for n in range(count)]
    corrections = [replace(correct(n, at=now), topic=TOPIC) for n in range(count)]
    stream = contract(topic=TOPIC, name="stream")
    take(home.ledger.events, MemoryBus(), [*given, *corrections], now=now, stream=stream)
    assert home.ledger.feedback.frozen_offsets(TOPIC)


def planned_rows(home: Home) -> Mapping[str, int]:
    with open_revisions(home.settings, None, None) as revisions:
        report = plan_report(home.settings, revisions, SystemClock())
    (dataset,) = (asset for asset in report.assets if asset.entry.name == "requests")
    assert dataset.data is not None
    return {name: split.after for name, split in dataset.data.rows.splits.items()}


def test_a_dataset_that_was_frozen_before_any_feedback_stays_frozen_in_a_commit(repo: Repo) -> None:
    home = home_of(repo)
    home.builder("chat").materialise("requests")
    give_feedback(home, 12)
    repo.write("specs/chat/data/requests.jsonl", ROWS + ROW.format(40))
    repo.commit("one more row")
    promised = planned_rows(home)

    built = home.with_fresh_specs().builder("chat").materialise("requests")
    fresh = (
        home.with_fresh_specs()
        .builder("chat")
        .materialise("requests", offsets=home.ledger.feedback.frozen_offsets(TOPIC))
    )

    assert built.facts["rows"] == promised
    assert sum(built.facts["rows"].values()) == 41
    assert sum(fresh.facts["rows"].values()) == 53


def test_a_dataset_keeps_the_feedback_it_has_when_more_comes(repo: Repo) -> None:
    home = home_of(repo)
    give_feedback(home, 6)
    first = home.builder("chat").materialise("requests")
    frozen = home.ledger.feedback.frozen_offsets(TOPIC)
    give_feedback(home, 12)
    repo.edit("specs/chat/requests.yaml", "format:", "minimum_rows: 3\nformat:")
    second = home.with_fresh_specs().builder("chat").materialise("requests")

    assert (first.reused, second.reused) == (False, False)
    assert second.facts["offsets"] == first.facts["offsets"] == frozen
    assert second.facts["rows"] == first.facts["rows"]
