"""What every verb shares: settings, `--json`, and how an error reaches a person.

A verb is a file of this folder: a docstring whose first line is its help in `tidemill --help`, and
a click command (or group) named `command`. It raises `TidemillError` for what a person can mend,
and calls `leave(code)` for any exit code that is not an error:

    @click.command(epilog=example("tidemill plan", "tidemill plan --json | jq .changes"))
    @json_option
    @pass_settings
    def command(settings: Settings, as_json: bool) -> None: ...

Exit codes: 0 done, 1 error, 2 changes or a gate failed, 3 needs approval or over budget.
"""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from tidemill.errors import StorageError, TidemillError
from tidemill.terminal.amounts import strip_control_lines

if TYPE_CHECKING:  # a help text is printed without pydantic
    from tidemill.settings import Settings

DONE, ERROR, CHANGES, NEEDS_PERSON, INTERRUPTED = 0, 1, 2, 3, 130
_STORAGE = {
    errno.ENOSPC: "there is no space left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; set TIDEMILL_HOME to a folder that is not",
    errno.EACCES: "permission denied; change the owner or mode, or set TIDEMILL_HOME elsewhere",
    errno.EPERM: "permission denied; change the owner or mode, or set TIDEMILL_HOME elsewhere",
}


def pass_settings(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give the verb `settings` (by keyword) and the option `--specs DIR`."""

    @click.option(
        "--specs",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder of the projects; default $TIDEMILL_SPECS, else ./specs.",
    )
    @functools.wraps(verb)
    def with_settings(*args: Any, specs: Path | None, **options: Any) -> Any:
        return verb(*args, settings=read_settings(specs), **options)

    return with_settings


def read_settings(specs: Path | None = None) -> Settings:
    """The settings of the environment; raises SettingsError."""
    from tidemill.settings import Settings

    return Settings.read(specs=specs)


def warn_of_unknown_variables() -> None:
    """Say on standard error which TIDEMILL_* variables are no settings: a typing error in a name
    would otherwise have no effect and no message."""
    from tidemill.settings.variables import unknown_variables

    for sentence in unknown_variables(os.environ):
        click.echo(f"warning: {sentence}", err=True)


def json_option(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give the verb `as_json: bool` and the option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")(verb)


def examples_epilog(*lines: str) -> str:
    """The `epilog=` of a command: example calls, one a line."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:
    """Write a value to standard output as JSON; paths, times and dataclasses become strings."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_plain)
    # A file name that is not UTF-8 holds lone surrogates; this writes them as JSON escapes.
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def exit_with(code: int) -> NoReturn:
    """End the verb with an exit code; nothing more is printed."""
    raise click.exceptions.Exit(code)


def run(group: click.Command, args: list[str] | None = None) -> int:
    """Run the command line and give its exit code; every error ends as a message here."""
    try:
        code = group.main(args, prog_name="tidemill", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.ClickException as error:
        error.show()
        return ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except TidemillError as error:
        click.echo(strip_control_lines(str(error)), err=True)
        _debug()
        return error.exit_code
    except BrokenPipeError:
        # The reader (head, less) has gone: point stdout elsewhere so that the exit stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:  # noqa: BLE001 - the outermost frame: a person sees a message
        return _unforeseen(error)


def _unforeseen(error: Exception) -> int:
    storage = storage_error(error)
    if storage is not None:
        click.echo(str(storage), err=True)
    else:
        click.echo(f"tidemill failed: {type(error).__name__}: {error}", err=True)
        click.echo(_log(error), err=True)
    _debug()
    return ERROR


def storage_error(error: BaseException) -> StorageError | None:
    """A full disk, a read-only or a forbidden folder as a message; None for anything else."""
    if not isinstance(error, OSError) or error.errno not in _STORAGE:
        return None
    folder = f"{error.filename}: " if error.filename else ""
    return StorageError(f"{folder}{_STORAGE[error.errno]}")


def _debug() -> None:
    with suppress(TidemillError):
        if read_settings().debug:
            traceback.print_exc()


def _log(error: Exception) -> str:
    """Append the traceback to the log below home; says where, and how to see it at once."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    report = "".join(traceback.format_exception(error))
    try:
        path = read_settings().home / "logs" / "errors.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"--- {now} {' '.join(sys.argv)}\n{report}\n")
    except (OSError, TidemillError) as trouble:
        return f"the traceback could not be saved ({trouble}); set TIDEMILL_DEBUG=1 to see it"
    return f"this is a bug; the traceback is in {path}, TIDEMILL_DEBUG=1 shows it"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
