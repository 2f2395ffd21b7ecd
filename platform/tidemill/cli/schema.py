"""Write the JSON Schema that editors complete specs from.

It goes to schema.json in the specs folder, where the first line of each spec points to it.
"""

from __future__ import annotations

from pathlib import Path

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import CHANGES, example, leave, pass_settings


@click.command(epilog=example("tidemill schema", "tidemill schema --check", "tidemill schema -o -"))
@click.option("--check", is_flag=True, help="Write nothing; exit with 2 when the file is stale.")
@click.option("-o", "--output", metavar="FILE", help="Write there; - is standard output.")
@pass_settings
def command(settings: Settings, check: bool, output: str | None) -> None:
    """Write the JSON Schema that editors complete specs from, to specs/schema.json.

    The first line of a spec points its editor there:

    # yaml-language-server: $schema=../schema.json
    """
    from tidemill.spec.load import shown
    from tidemill.spec.schema import text

    if output == "-":
        click.echo(text(), nl=False)
        return
    path = Path(output) if output else settings.specs / "schema.json"
    wanted = text().encode()
    current = path.is_file() and path.read_bytes() == wanted
    if check and not current:
        click.echo(f"{shown(path)} is stale; run: tidemill schema", err=True)
        leave(CHANGES)
    if not current:
        _write(path, wanted)
    click.echo(f"{shown(path)} is current" if current else f"wrote {shown(path)}")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
