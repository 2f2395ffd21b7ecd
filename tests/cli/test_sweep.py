"""`tidemill sweep` trains for real, keeps within its hours, and lets half of validation decide."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.cli.test_optimise import FILES, Shop, git

from tidemill.cli import commands
from tidemill.home import Home
from tidemill.pipeline import finetune
from tidemill.settings import Settings
from tidemill.terminal.shell import run

TUNE = """\
apiVersion: tidemill/v1
kind: FineTune
name: tune # the name
base: tiny
dataset: rows
prompt: ask
method: full
train:
  epochs: 100
  max_steps: {steps}
  learning_rate: {rate} # too small to learn
  batch_tokens: 1024
early_stop: null
watchdog: {{max_ratio: 50}}
sweep:
  metric: {metric}
  space:
    train.learning_rate: [{rate}, 0.005]
    train.seed: [0]
  trials: 3
"""


@pytest.fixture
def shop(tmp_path: Path, tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    return Shop(tmp_path, tiny_llm)


def sweep(shop: Shop, *arguments: str) -> int:
    return run(commands, ["sweep", "tune", "--specs", str(shop.clone / "specs"), *arguments])


def write(
    shop: Shop, *, rate: str = "1.0e-7", steps: int = 120, metric: str = "accuracy", more: str = ""
) -> None:
    text = TUNE.format(rate=rate, steps=steps, metric=metric)
    (shop.project / "tune.yaml").write_text(text + more)
    shop.commit()


@pytest.mark.slow
def test_a_setting_that_learns_is_proposed_in_the_place_of_one_that_does_not(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write(shop)

    assert sweep(shop, "--open-pr") == 2
    branch = "tidemill/sweep/shop/tune"
    changed = git(shop.bare, "diff", "--unified=0", "main", branch).splitlines()
    assert "-  learning_rate: 1.0e-7 # too small to learn" in changed
    assert "+  learning_rate: 0.005 # too small to learn" in changed
    assert (
        len([line for line in changed if line[:1] in "+-" and line[:3] not in ("+++", "---")]) == 2
    )
    assert "opened pull request" in capsys.readouterr().out


def test_a_sweep_that_was_killed_trains_nothing_twice(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shop, steps=1)
    assert sweep(shop, "--json") == 0
    first = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(finetune, "run_training", None)  # training again would fall over it

    assert sweep(shop, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["trials"] == first["trials"]
    assert again["cost"][0] == "trainings: 2, 0 of them in this run"


def test_hours_that_are_used_up_start_no_other_trial(
    shop: Shop,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(shop, steps=1)
    assert sweep(shop) == 0
    notes = [json.loads(note.read_text()) for note in (tmp_path / "home").rglob("trial.json")]
    taken = next(note["seconds"] for note in notes if not note["setting"])
    capsys.readouterr()
    write(shop, steps=1, more=f"budget: {{hours: {(taken + 0.01) / 3600:.9f}}}\n")
    monkeypatch.setattr(finetune, "run_training", None)  # no other is trained

    assert sweep(shop) == 0
    shown = capsys.readouterr().out
    assert "stopped: the search budget is exhausted (seconds: " in shown
    assert "trainings: 1, 0 of them in this run" in shown


def test_a_training_is_stopped_where_the_hours_end(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write(shop, steps=100_000, more="budget: {hours: 0.0005}\n")  # 1.8 s
    began = time.monotonic()

    assert sweep(shop) == 3
    assert time.monotonic() - began < 30
    said = capsys.readouterr().err
    assert "the search budget is exhausted" in said
    assert "before the current setting was trained; raise `budget.hours`" in said


def test_another_run_does_not_begin_the_hours_anew(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(shop, steps=100_000, more="budget: {hours: 0.0005}\n")
    assert sweep(shop) == 3
    monkeypatch.setattr(finetune, "run_training", None)  # training on would fall over it

    assert sweep(shop) == 3
    assert "raise `budget.hours`" in capsys.readouterr().err


def test_too_few_validation_rows_say_so(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    rows = FILES["rows.yaml"].replace(
        "train: 0.5, validation: 0.25", "train: 0.7, validation: 0.05"
    )
    (shop.project / "rows.yaml").write_text(rows)
    write(shop)
    home = Home(Settings.read(specs=shop.clone / "specs"))
    for name in ("rows", "ask"):
        home.builder("shop").materialise(name)

    assert sweep(shop) == 1
    assert "a sweep needs 6 to rank on and 6 more to decide on" in capsys.readouterr().err


def test_a_metric_of_speed_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    write(shop, metric="latency_p50")

    assert sweep(shop) == 1
    assert "'sweep.metric: latency_p50' does not look at answers" in capsys.readouterr().err
