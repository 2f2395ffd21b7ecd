"""How the demo waits and how it ends: with progress, with its logs, with the reason last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.demo import stage as stages
from tidemill.demo.stage import Pulse, Stage
from tidemill.demo.story import stopped_afterwards
from tidemill.engine.standstill import Signs
from tidemill.errors import GateFailed, ServiceError, TidemillError
from tidemill.progress import no_progress
from tidemill.settings import Settings


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage whose services never ran."""
    settings = Settings.read({"TIDEMILL_HOME": str(tmp_path / "home")}, specs=tmp_path / "specs")
    return Stage(tmp_path, settings, no_progress)


def test_a_step_that_fails_says_where_the_logs_are_and_last_why(stage: Stage) -> None:
    log = stage.settings.home / "run" / "code.log"
    log.parent.mkdir(parents=True)
    log.write_text("kept")
    with pytest.raises(TidemillError) as caught, stopped_afterwards(stage, keep=False):  # noqa: SIM117
        with stage.step("build the first release"):
            raise GateFailed("reply-quality: accuracy 0.4 is below 0.6")
    first, last = str(caught.value).splitlines()

    assert first.startswith("the demo stopped at 'build the first release'; its logs are kept in ")
    assert str(log.parent) in first
    assert log.read_text() == "kept"
    assert last == "reply-quality: accuracy 0.4 is below 0.6"


def test_a_command_that_fails_is_quoted_with_its_last_words(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(stage.settings.home))
    monkeypatch.setenv("TIDEMILL_SPECS", str(stage.folder))

    with pytest.raises(TidemillError, match="holds no specs; begin with"):
        stage.tidemill("run", "nobody")


def test_what_moves_is_waited_for_and_what_stands_still_is_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(stages, "STILL", 300.0)
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    steps = [0]
    pulse = Pulse("the retrain", lambda: Signs(steps[0]))
    for _ in range(20):
        now[0] += 250
        steps[0] += 1
        pulse.check()
    now[0] += 300

    with pytest.raises(ServiceError, match="waiting for the retrain: nothing has moved for 300 s"):
        pulse.check()


def test_signs_of_a_home_change_with_its_records_and_not_by_themselves(stage: Stage) -> None:
    first, again = stage.signs(), stage.signs()
    checkpoint = stage.settings.home / "scratch" / "p" / "step-4"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")

    assert first == again
    assert stage.signs() != first
