"""Write the card of a release or a dataset: a README.md with the Hugging Face hub's metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.home import Home
    from tidemill.report.cards.hub_metadata import HubMetadata


@click.command(
    epilog=examples_epilog(
        "tidemill card support-chat",
        "tidemill card support-chat --out cards/",
        "tidemill card support-chat/requests --json | jq .metadata",
    )
)
@click.argument("name", metavar="RELEASE|SERVICE|DATASET")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for README.md; a release's dataset card goes into its folder `dataset`.",
)
@json_option
@pass_settings
def command(settings: Settings, name: str, out: Path | None, as_json: bool) -> None:
    """Write the card of a release or a dataset: a README.md with the Hugging Face hub's metadata.

    RELEASE is a digest, or a beginning of one that no other release has; a SERVICE stands for its
    live release, else for its newest; a DATASET is `project/name`, or a name only one project has.
    Without --out the card is printed.
    """
    from tidemill.home import Home
    from tidemill.report.write import write

    cards = _cards(Home(settings), name)
    first, metadata = next(iter(cards.values()))
    paths = {out / inside: text for inside, (text, _) in cards.items()} if out else {}
    for path, text in paths.items():
        write(path, text)
    if as_json:
        written = [str(path.resolve()) for path in paths]
        print_json({"metadata": metadata, "card": first, "paths": written})
    elif paths:
        click.echo("\n".join(map(str, paths)))
    else:
        click.echo(first, nl=False)


def _cards(home: Home, name: str) -> dict[str, tuple[str, HubMetadata]]:
    """File → its text and metadata, the one that was asked for first."""
    from tidemill.report import gather
    from tidemill.report.cards import dataset, model
    from tidemill.report.resolve_name import resolve_name

    target = resolve_name(home, name)
    if target.release is None:
        assert target.dataset is not None
        data = gather.gather_dataset(home, *target.dataset)
        return {"README.md": (dataset.card(data), dataset.metadata_values(data))}
    story = gather.gather_release(home, target.release)
    return {
        "README.md": (model.card(story), model.metadata_values(story)),
        "dataset/README.md": (dataset.card(story.data), dataset.metadata_values(story.data)),
    }
