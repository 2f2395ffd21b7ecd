"""The shell around every verb: fast help, near names, and errors that a person can use."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from tidemill.cli import Verbs, commands
from tidemill.errors import GateFailed, NeedsApproval, TidemillError, UnknownName
from tidemill.settings import Settings
from tidemill.terminal.shell import (
    exit_with,
    json_option,
    pass_settings,
    print_json,
    run,
    storage_error,
)

BLOCKED = ("pydantic", "yaml", "torch", "dagster", "sqlalchemy", "numpy", "httpx", "rich")


def raising(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIDEMILL_DEBUG", raising=False)
    return tmp_path / "home"


def test_help_is_there_in_less_than_two_fifths_of_a_second() -> None:
    def once() -> float:
        start = time.perf_counter()
        command_line = [sys.executable, "-m", "tidemill", "--help"]
        subprocess.run(command_line, check=True, capture_output=True)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.4


def test_help_imports_no_verb_and_nothing_heavy() -> None:
    code = (
        "import sys\nfrom tidemill.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([m for m in {BLOCKED!r} if m in sys.modules])\n"
        "print([m for m in sys.modules if m.startswith('tidemill.cli.') and '_' not in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.splitlines()[-2:] == ["[]", "[]"]


def test_every_file_is_a_verb_with_a_summary_and_an_example() -> None:
    context = click.Context(commands, info_name="tidemill")
    verbs = {name: commands.get_command(context, name) for name in commands.list_commands(context)}

    assert "validate" in verbs
    assert [
        name for name, verb in verbs.items() if verb is None or not verb.get_short_help_str()
    ] == []
    assert [
        name
        for name, verb in verbs.items()
        if not isinstance(verb, click.Group) and "Example" not in str(verb and verb.epilog)
    ] == []


def test_help_lists_each_verb_with_the_first_line_of_its_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run(commands, ["--help"])

    assert code == 0
    assert "  validate  Check specs: every problem of every file at once" in capsys.readouterr().out


def test_an_unknown_verb_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(commands, ["valdate"])

    assert code == 1
    assert "unknown command 'valdate'; did you mean 'validate'?" in capsys.readouterr().err


def test_of_many_names_that_might_be_meant_only_some_are_listed_and_each_once() -> None:
    names = [f"project-{number:02}" for number in range(40)]

    said = str(UnknownName("spec", "zzz", names * 2))

    assert said.endswith("project-28, project-29, … and 10 more")
    assert said.count("project-07") == 1


def test_a_wrong_option_is_an_error_not_a_failed_gate(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(commands, ["validate", "--jsn"])

    assert code == 1
    assert "No such option" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code = run(commands, ["--version"])

    assert code == 0
    assert capsys.readouterr().out.startswith("tidemill 0.")


@pytest.mark.parametrize(
    ("error", "code"),
    [(TidemillError("a"), 1), (GateFailed("b"), 2), (NeedsApproval("c"), 3)],
)
def test_an_error_for_a_person_is_its_message_and_its_code(
    error: TidemillError, code: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(raising(error), []) == code
    assert capsys.readouterr().err == f"{error}\n"


def test_control_c_leaves_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(KeyboardInterrupt()), []) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "/x/y: there is no space left on the disk; free some"),
        (
            errno.EROFS,
            "/x/y: the file system is read-only; set TIDEMILL_HOME to a folder that is not",
        ),
        (
            errno.EACCES,
            "/x/y: permission denied; change the owner or mode, or set TIDEMILL_HOME elsewhere",
        ),
    ],
)
def test_a_disk_that_refuses_is_told_without_a_traceback(
    number: int, message: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(raising(OSError(number, os.strerror(number), "/x/y")), [])

    assert code == 1
    assert capsys.readouterr().err == f"{message}\n"


def test_another_fault_of_the_system_is_no_storage_error() -> None:
    assert storage_error(OSError(errno.ECONNREFUSED, "refused")) is None


def test_a_bug_is_one_line_and_the_way_to_its_traceback(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(raising(ZeroDivisionError("by zero")), [])
    log = home / "logs" / "errors.log"

    assert code == 1
    assert capsys.readouterr().err == (
        "tidemill failed: ZeroDivisionError: by zero\n"
        f"this is a bug; the traceback is in {log}, TIDEMILL_DEBUG=1 shows it\n"
    )
    assert "raise error" in log.read_text()


def test_a_bug_shows_its_traceback_when_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMILL_DEBUG", "1")
    run(raising(ZeroDivisionError("by zero")), [])

    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_is_told_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("a file where the folder should be")
    run(raising(ZeroDivisionError("by zero")), [])

    assert "the traceback could not be saved" in capsys.readouterr().err


def test_a_port_that_is_no_number_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMILL_GATEWAY_PORT", "http")
    code = run(commands, ["validate"])

    assert code == 1
    assert "TIDEMILL_GATEWAY_PORT is 'http', not a port" in capsys.readouterr().err


def test_a_verb_gets_settings_and_json_and_leaves_with_its_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    @json_option
    @pass_settings
    def command(settings: Settings, as_json: bool) -> None:
        print_json({"specs": settings.specs, "json": as_json})
        exit_with(2)

    code = run(command, ["--specs", str(tmp_path), "--json"])

    assert code == 2
    assert capsys.readouterr().out == f'{{\n  "specs": "{tmp_path}",\n  "json": true\n}}\n'


def test_a_closed_pipe_ends_quietly() -> None:
    command_line = f"{sys.executable} -m tidemill schema -o - | head -c 10"
    found = subprocess.run(["bash", "-c", command_line], capture_output=True, text=True, check=True)

    assert found.stderr == ""


def test_the_group_is_the_folder() -> None:
    assert isinstance(commands, Verbs)
