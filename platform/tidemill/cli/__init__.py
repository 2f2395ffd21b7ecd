"""The command line: one file per verb, found by its name, imported only when it is called."""

from __future__ import annotations

import ast
import pkgutil
import sys
from importlib import import_module
from pathlib import Path

import click

from tidemill import __version__
from tidemill.errors import suggest
from tidemill.terminal import shell


class Verbs(click.Group):
    """A group whose commands are the modules of this folder."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the files, without importing them."""
        modules = pkgutil.iter_modules(__path__)
        return sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one verb that was asked for."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command), f"cli/{cmd_name}.py has no `command`"
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolves a command; the error for an unknown one suggests the nearest."""
        names = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in names:
            raise click.UsageError(f"unknown command '{args[0]}'; {suggest(args[0], names)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs with the first line of each file's docstring."""
        rows = [(name, _summary(name)) for name in self.list_commands(ctx)]
        with formatter.section("Verbs"):
            formatter.write_dl(rows)


def _summary(verb: str) -> str:
    path = Path(__path__[0]) / verb.replace("-", "_")
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(source.read_bytes())) or ""
    return text.split("\n", 1)[0].rstrip(".;")


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 error, 2 changes or a gate failed, 3 needs approval or over "
    "budget. Each verb has its own --help with an example. Settings come from environment "
    "variables; `tidemill settings` lists them.",
)
@click.version_option(__version__, prog_name="tidemill", message="%(prog)s %(version)s")
def commands() -> None:
    """Git specs in, better models out; the stream of feedback turns the wheel."""


def main(args: list[str] | None = None) -> None:
    """The entry point of `tidemill`."""
    sys.exit(shell.run(commands, args))  # `run` here is a verb, once it is imported
