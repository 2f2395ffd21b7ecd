"""Write the JSON Schema that editors complete specs from.

It goes to schema.json in the specs folder, where the first line of each spec points to it.
"""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import CHANGES, examples_epilog, exit_with, pass_settings


@click.command(
    epilog=examples_epilog("tidemill schema", "tidemill schema --check", "tidemill schema -o -")
)
@click.option("--check", is_flag=True, help="Only check; exit with 2 if the file is out of date.")
@click.option("-o", "--output", metavar="FILE", help="Write there; - is standard output.")
@pass_settings
def command(settings: Settings, check: bool, output: str | None) -> None:
    """Write the JSON Schema that editors complete specs from, to specs/schema.json.

    The first line of a spec points its editor there:

    # yaml-language-server: $schema=../schema.json
    """
    from tidemill.spec.load import display_path
    from tidemill.spec.schema import text

    if output == "-":
        click.echo(text(), nl=False)
        return
    path = Path(output) if output else settings.specs / "schema.json"
    expected = text().encode()
    current = path.is_file() and path.read_bytes() == expected
    if check and not current:
        click.echo(f"{display_path(path)} is out of date; run `tidemill schema`", err=True)
        exit_with(CHANGES)
    if not current:
        _write(path, expected)
    click.echo(f"{display_path(path)} is current" if current else f"wrote {display_path(path)}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
