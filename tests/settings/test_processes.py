"""Every process of ours ends with one line where a variable cannot be used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tidemill import entry_points
from tidemill.cli import commands

MESSAGE = (
    "TIDEMILL_GATEWAY_PORT is 'abc', not a port from 1 to 65535; correct it, or unset it for 8600"
)
SPECS = Path(__file__).parents[2] / "specs"
ARGUMENTS = {
    entry_points.CLI: ["status"],
    entry_points.GATEWAY: ["--home", "/nowhere", "--port", "1"],
    entry_points.MODEL_SERVER: ["--release-folder", "/nowhere", "--port", "1"],
    entry_points.LAUNCH: ["shop", "requests"],
    entry_points.RUN_DECISION: ["key", "commit"],
}
MODULES = sorted(
    module
    for name, module in vars(entry_points).items()
    if name.isupper() and module != entry_points.DEFINITIONS  # Dagster loads it
)


@pytest.mark.parametrize("module", MODULES)
def test_a_port_that_is_none_ends_the_process_with_one_line(module: str, tmp_path: Path) -> None:
    bad = {"TIDEMILL_GATEWAY_PORT": "abc", "TIDEMILL_HOME": str(tmp_path / "home")}
    ended = subprocess.run(
        [sys.executable, "-m", module, *ARGUMENTS.get(module, [])],
        env={**os.environ, **bad},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{MESSAGE}\n"


def test_the_demo_is_refused_as_any_verb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIDEMILL_PRICE_PER_HOUR", "cheap")
    monkeypatch.chdir(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--specs", str(SPECS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == (
        "TIDEMILL_PRICE_PER_HOUR is 'cheap', not a price of 0 or more, such as 1.20; "
        "correct it, or unset it\n"
    )


def test_settings_lists_each_variable_with_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", "9000")
    monkeypatch.setenv("TIDEMILL_SUBJECT_KEY", "hush")
    listed = CliRunner().invoke(commands, ["settings", "--json"])
    rows = {row["name"]: row for row in json.loads(listed.stdout)}

    assert rows["TIDEMILL_GATEWAY_PORT"] == {
        "name": "TIDEMILL_GATEWAY_PORT",
        "meaning": "Port of the gateway, where users' requests come in.",
        "default": "8600",
        "is_secret": False,
        "fallbacks": [],
        "value": "9000",
    }
    assert rows["TIDEMILL_SUBJECT_KEY"]["value"] == "set"
    assert "hush" not in listed.output


def test_settings_still_lists_where_a_variable_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", "abc")
    monkeypatch.setenv("TIDEMILL_GATEWAY_PRT", "9000")
    listed = CliRunner().invoke(commands, ["settings"])

    assert listed.exit_code == 1
    assert "TIDEMILL_FORGE_TOKEN\n    The token that writes" in listed.stdout
    assert listed.stderr.splitlines()[0] == MESSAGE
    assert listed.stderr.splitlines()[1].startswith("TIDEMILL_GATEWAY_PRT is no setting; did you")


@pytest.mark.parametrize("verb", ["status", "doctor"])
def test_a_misspelt_variable_is_never_silent(
    verb: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path))
    monkeypatch.setenv("TIDEMILL_GATEWAY_PRT", "9000")
    output = CliRunner().invoke(commands, [verb]).output

    assert "TIDEMILL_GATEWAY_PRT" in output
    assert "did you mean TIDEMILL_GATEWAY_PORT?" in output
