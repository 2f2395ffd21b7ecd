"""`tidemill notify test`, and what `up` and `doctor` say of a destination that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.adapters.webhook import TOKEN, webhook

from tidemill.cli import commands
from tidemill.errors import SettingsError
from tidemill.local.doctor import run_checks
from tidemill.local.stack import start_stack
from tidemill.progress import no_progress
from tidemill.settings import Settings
from tidemill.terminal.shell import run

WRONG = f"slak://{TOKEN}/{TOKEN}"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMILL_SPECS", str(tmp_path / "specs"))
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIDEMILL_NOTIFY_URLS", raising=False)
    return tmp_path / "home"


def test_a_test_message_goes_to_every_destination_and_each_says_how_it_went(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with webhook() as well, webhook() as ill:
        ill.status = 500
        monkeypatch.setenv("TIDEMILL_NOTIFY_URLS", f"{well.url} {ill.url}")
        assert run(commands, ["notify", "test"]) == 1
        out = capsys.readouterr().out
        monkeypatch.setenv("TIDEMILL_NOTIFY_URLS", well.url)
        assert run(commands, ["notify", "test", "--json"]) == 0
        values = json.loads(capsys.readouterr().out)

    first, second = out.splitlines()
    assert first == "sent to destination 1 (json)"
    assert second.startswith("not sent: destination 2 (json): Failed to send JSON POST")
    assert TOKEN not in out
    assert values == [{"destination": "destination 1 (json)", "error": ""}]
    assert [message["title"].endswith("this is a test") for message in well.messages] == [True] * 2


def test_without_a_destination_it_says_how_to_set_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(commands, ["notify", "test"]) == 1

    assert "set TIDEMILL_NOTIFY_URLS to apprise URLs" in capsys.readouterr().err


def test_up_refuses_a_destination_that_cannot_be_used_before_it_starts_anything(
    home: Path, free_port: int
) -> None:
    ports = {f"TIDEMILL_{name}_PORT": str(free_port) for name in ("GATEWAY", "DAGSTER", "BROKER")}
    settings = Settings.read({**ports, "TIDEMILL_HOME": str(home), "TIDEMILL_NOTIFY_URLS": WRONG})

    with pytest.raises(SettingsError) as caught:
        start_stack(settings, no_progress, 5)

    assert str(caught.value).endswith("apprise does not know; did you mean 'slack'?")
    assert TOKEN not in str(caught.value)
    assert not list((home / "run").glob("*.json"))


def test_doctor_names_the_destinations_and_the_wrong_ones(home: Path) -> None:
    def check(url: str) -> tuple[str, str]:
        environ = {"TIDEMILL_HOME": str(home), "TIDEMILL_NOTIFY_URLS": url}
        checks = {one.name: one for one in run_checks(Settings.read(environ))}
        return checks["notifications"].state, checks["notifications"].detail

    assert check("") == ("note", "nobody is notified")
    assert check("json://127.0.0.1:1, xml://127.0.0.1:1") == (
        "ok",
        "destination 1 (json), destination 2 (xml)",
    )
    state, detail = check(WRONG)
    assert state == "missing"
    assert TOKEN not in detail
