"""`tidemill validate`, `schema` and `render`: what a newcomer reads first."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.adapters.streams import answer, take
from tests.spec.conftest import COMPLETE, write_project

from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.cli import commands
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("SPECS", "HOME", "LEDGER_URL"):
        monkeypatch.delenv(f"TIDEMILL_{name}", raising=False)
    return write_project(tmp_path / "specs" / "support-chat").parent


VALID = """9 specs in 1 project: valid
chat: how long a rollout takes is unknown without a day of traffic; say what you expect by \
'traffic: {requests_per_day: 100, rating_rate: 0.05}'
"""


def test_good_specs_are_one_line_and_one_about_their_rollouts(
    specs: Path, capsys: Captured
) -> None:
    code = run(commands, ["validate"])

    assert code == 0
    assert capsys.readouterr().out == VALID


EXPECTED = "traffic: {requests_per_day: 100, rating_rate: 0.05}\n"


def _write_rollout(specs: Path, text: str) -> None:
    path = specs / "support-chat" / "rollout.yaml"
    path.write_text(COMPLETE["rollout.yaml"].replace("percent: 10\n", "percent: 50\n") + text)


def test_expected_traffic_says_what_each_step_sees_and_by_when(
    specs: Path, capsys: Captured
) -> None:
    limit = "guardrails: [{signal: error_rate, at_most: 0.02}]\non_no_data: {after: 1d}\n"
    _write_rollout(specs, EXPECTED + limit)
    code = run(commands, ["validate"])
    lines = capsys.readouterr().out.splitlines()
    run(commands, ["validate", "--json"])
    report = json.loads(capsys.readouterr().out)

    assert code == 0
    assert lines[1:] == [
        "chat",
        "  expected: 100 requests and 5 ratings a day",
        "  at 50 %: less than a day; 10 answers show an error rate of 20 %",
        "  at 100 %: less than a day; 10 answers show an error rate of 20 %",
        "  watch: about 1 day; 100 answers show an error rate of 6 %",
        "  the last step is over after less than a day",
    ]
    assert report["rollouts"][0]["service"] == "chat"
    assert report["rollouts"][0]["forecast"]["days"] == pytest.approx(0.3)


def test_a_rollout_that_cannot_finish_is_refused_with_the_numbers_and_the_way_out(
    specs: Path, capsys: Captured
) -> None:
    _write_rollout(specs, EXPECTED + "quality: {margin: 0.05}\non_inconclusive: hold\n")
    code = run(commands, ["validate"])

    assert code == 1
    assert capsys.readouterr().err == (
        "specs/support-chat/rollout.yaml:12: at 50 %: 3,905 ratings are needed to show thumbs "
        "within 0.05, about 781 days at 5 a day, and finish_within is 28 days; let the "
        "guardrails decide with 'on_inconclusive: promote', or widen the margin to 0.31\n"
        "1 problem in 1 file\n"
    )


def test_measured_traffic_counts_more_than_what_is_expected(specs: Path, capsys: Captured) -> None:
    _write_rollout(specs, EXPECTED + "quality: {margin: 0.05}\non_inconclusive: hold\n")
    ledger = Ledger.open(f"sqlite:///{Path('.tidemill/ledger.db').absolute()}")
    begun = datetime.now(UTC) - timedelta(days=2)
    take(ledger.events, MemoryBus(), [answer(n, at=begun) for n in range(60)], now=begun)
    ledger.engine.dispose()
    code = run(commands, ["validate"])

    assert code == 1
    assert "about 2,604 days at 1.5 a day" in capsys.readouterr().err


def test_problems_are_lines_and_a_count_and_exit_1(specs: Path, capsys: Captured) -> None:
    text = COMPLETE["rollout.yaml"].replace("reply-int8", "repy-int8")
    (specs / "support-chat" / "rollout.yaml").write_text(text)
    code = run(commands, ["validate"])

    assert code == 1
    assert capsys.readouterr().err == (
        "specs/support-chat/rollout.yaml:4: 'of: repy-int8' names no spec;"
        " did you mean 'reply-int8'?\n1 problem in 1 file\n"
    )


def test_json_has_every_problem_in_parts(specs: Path, capsys: Captured) -> None:
    (specs / "support-chat" / "rollout.yaml").write_text("")
    code = run(commands, ["validate", "--json"])
    told = json.loads(capsys.readouterr().out)

    assert code == 1
    assert told["ok"] is False
    assert told["problems"] == [
        {
            "path": "specs/support-chat/rollout.yaml",
            "line": 1,
            "cause": "the file is empty",
            "way_out": "write a spec or delete the file",
        }
    ]


def test_a_project_and_a_file_can_be_asked_about(specs: Path, capsys: Captured) -> None:
    (specs / "support-chat" / "rollout.yaml").write_text("")
    whole = run(commands, ["validate", "specs/support-chat"])
    broken = run(commands, ["validate", "specs/support-chat/rollout.yaml"])
    good = run(commands, ["validate", "specs/support-chat/tune.yaml"])

    assert (whole, broken, good) == (1, 1, 0)
    assert capsys.readouterr().out == "1 spec in 1 project: valid\n"


def test_a_folder_that_is_not_there_is_told_with_the_way_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run(commands, ["validate"])

    assert code == 1
    assert capsys.readouterr().err == (
        "specs: there is no such folder; a project is a folder of .yaml files below it that begin "
        "with 'apiVersion: tidemill/v1'; name another folder, or begin with "
        "`tidemill init --data FILE.csv`\n"
    )


def test_a_folder_without_specs_is_told(tmp_path: Path, capsys: Captured) -> None:
    code = run(commands, ["validate", "--specs", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err.startswith(f"{tmp_path} holds no specs; a project is a folder")


def test_the_schema_is_written_checked_and_found_stale(specs: Path, capsys: Captured) -> None:
    missing = run(commands, ["schema", "--check"])
    written = run(commands, ["schema"])
    current = run(commands, ["schema", "--check"])
    (specs / "schema.json").write_text("{}")
    stale = run(commands, ["schema", "--check"])

    assert (missing, written, current, stale) == (2, 0, 0, 2)
    assert (
        capsys.readouterr().err == "specs/schema.json is out of date; run `tidemill schema`\n" * 2
    )


def test_render_fills_every_default_in_and_loads_again(specs: Path, capsys: Captured) -> None:
    code = run(commands, ["render", "tune"])
    values = yaml.safe_load(capsys.readouterr().out)

    assert code == 0
    assert values["train"]["learning_rate"] == 0.0002
    assert values["base"] == "base"


def test_a_rendered_project_is_the_same_project(specs: Path, capsys: Captured) -> None:
    run(commands, ["render", "support-chat"])
    documents = list(yaml.safe_load_all(capsys.readouterr().out))
    folder = write_project(specs / "support-chat")
    for old in folder.glob("*.yaml"):
        old.unlink()
    for values in documents:
        (folder / f"{values['name']}.yaml").write_text(yaml.safe_dump(values, sort_keys=False))

    assert run(commands, ["validate"]) == 0


def test_render_suggests_the_nearest_name(specs: Path, capsys: Captured) -> None:
    code = run(commands, ["render", "tone"])

    assert code == 1
    assert capsys.readouterr().err == "no spec is called 'tone'; did you mean 'tune'?\n"


@pytest.mark.parametrize("verb", ["run", "render"])
def test_where_there_are_no_specs_a_verb_says_how_to_begin(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIDEMILL_SPECS", raising=False)
    missing = run(commands, [verb, "support-chat"])
    Path("specs").mkdir()
    empty = run(commands, [verb, "support-chat"])

    assert (missing, empty) == (1, 1)
    assert capsys.readouterr().err == (
        "specs:1: there is no such folder; name another one, or begin with "
        "`tidemill init --data FILE.csv`\n"
        "specs holds no specs; begin with `tidemill init --data FILE.csv`, or name another folder "
        "with --specs\n"
    )


def test_a_name_of_two_projects_is_asked_about(specs: Path, capsys: Captured) -> None:
    changes = {"rollout_yaml": None, "stream_yaml": None, "retrain_yaml": None}
    quality = COMPLETE["quality.yaml"].replace("baseline:\n  type: live\n  service: chat\n", "")
    rows = COMPLETE["requests.yaml"].replace("  - type: feedback\n    of: stream\n", "")
    write_project(specs / "second", quality_yaml=quality, requests_yaml=rows, **changes)
    code = run(commands, ["render", "tune"])

    assert code == 1
    assert capsys.readouterr().err == (
        "several projects have a spec called 'tune'; name one: second/tune, support-chat/tune\n"
    )


def test_the_entry_point_is_the_module(specs: Path) -> None:
    found = subprocess.run([sys.executable, "-m", "tidemill", "validate"], capture_output=True)

    assert found.returncode == 0
    assert found.stdout == VALID.encode()
