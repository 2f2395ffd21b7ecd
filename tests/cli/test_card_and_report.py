"""The verbs `card` and `report`: what they write, where, and what they say where they cannot."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard
from tests.report.homes import fresh, release

from tidemill.cli import commands
from tidemill.home import Home
from tidemill.terminal.shell import run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return fresh(tmp_path)


def call(home: Home, *arguments: str) -> Any:
    environment = {"TIDEMILL_HOME": str(home.settings.home)}
    told = [*arguments, "--specs", str(home.settings.specs)]
    return CliRunner().invoke(commands, told, env=environment)


def test_the_card_is_printed_or_written_with_that_of_its_dataset(
    home: Home, tmp_path: Path
) -> None:
    release(home)

    printed = call(home, "card", "desk").output
    assert ModelCard(printed).data.license == "cc0-1.0"
    assert call(home, "card", "desk", "--out", str(tmp_path / "cards")).exit_code == 0
    assert (tmp_path / "cards" / "README.md").read_text() == printed
    assert "pretty_name" in (tmp_path / "cards" / "dataset" / "README.md").read_text()


def test_the_card_of_a_dataset_is_its_own(home: Home) -> None:
    home.builder("shop").materialise("rows")
    said = json.loads(call(home, "card", "rows", "--json").output)

    assert said["metadata"]["size_categories"] == ["n<1K"]
    assert said["card"].startswith("---\npretty_name: 'shop: rows'")
    assert said["paths"] == []


def test_the_report_is_one_file_and_says_where(home: Home, tmp_path: Path) -> None:
    record = release(home)
    said = json.loads(call(home, "report", "desk", "--json").output)
    path = Path(said["path"])

    assert path.parent == home.settings.home / "reports"
    assert path.stat().st_size == said["bytes"] < 1_500_000
    assert said["release"] == record.digest
    assert said["verdict"].startswith("Passed its gate with accuracy 0.80")
    assert "<!doctype html>" in path.read_text()
    assert call(home, "report", "desk", "--out", str(tmp_path / "r.html")).exit_code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("browser", "words"), [(True, ""), (False, "no browser")])
def test_the_report_can_be_opened_at_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: bool, words: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or browser)
    release(home)

    said = call(home, "report", "desk", "--out", str(tmp_path / "r.html"), "--open")
    assert opened == [(tmp_path / "r.html").as_uri()]
    assert words in said.stderr


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release(home)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TIDEMILL_HOME", str(home.settings.home))
    told = ["report", "desk", "--specs", str(home.settings.specs)]

    assert run(commands, [*told, "--out", str(tmp_path / "file" / "report.html")]) == 1
    assert "report.html" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("verb", ["card", "report"])
def test_a_verb_ends_with_one_message_where_there_is_no_release(
    home: Home, verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(home.settings.home))
    specs = ["--specs", str(home.settings.specs)]

    assert run(commands, [verb, "desk", *specs]) == 1
    assert capsys.readouterr().err == "'desk' has no release yet; create one with `tidemill run`\n"
    assert not (home.settings.home / "reports").exists()
