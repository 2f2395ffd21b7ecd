"""Start a project from a CSV or JSONL file: three questions, or flags.

Looks at the rows, guesses the columns, and writes a complete project with comments that teach:
dataset, model, fine-tune, compression, evaluation with gates taken from the data, rollout, stream
and trigger. Nothing is ever overwritten.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidemill.errors import TidemillError
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.data.file_profile import FileProfile
    from tidemill.engine.rollout_forecast import RolloutForecast
    from tidemill.init.column_inference import ColumnChoice
    from tidemill.init.project import WrittenProject

TASKS = ("generation", "classification", "ranking")
_QUESTION = (
    "What should the model do?\n"
    "  generation      write an answer\n"
    "  classification  choose one of a few labels\n"
    "  ranking         order a closed list, the best first\n"
)


@click.command(
    epilog=examples_epilog(
        "tidemill init",
        "tidemill init help-desk --data tickets.csv --yes",
        "tidemill init recs --data clicks.jsonl --task ranking --text query --label item",
        "tidemill init faq --data faq.csv --task generation --input question --output answer",
    )
)
@click.argument("name", required=False)
@click.option("--data", type=click.Path(path_type=Path), metavar="FILE", help="A .csv or .jsonl.")
@click.option("--task", type=click.Choice(TASKS), help="Default: inferred from the columns.")
@click.option("--text", "--input", "question", metavar="COLUMN", help="What the model is given.")
@click.option("--output", metavar="COLUMN", help="What it should write (generation).")
@click.option("--label", metavar="COLUMN", help="What it should choose; with --output: leads it.")
@click.option("--owner", default="", help="Owner of the project: a person or a team.")
@click.option("-y", "--yes", is_flag=True, help="Accept all defaults.")
@json_option
@pass_settings
def command(
    settings: Settings,
    name: str | None,
    data: Path | None,
    task: Any,
    question: str | None,
    output: str | None,
    label: str | None,
    owner: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Start a project from a CSV or JSONL file: three questions, or flags."""
    from tidemill.data.file_profile import profile_file
    from tidemill.init.data_warnings import data_warnings, profile_line
    from tidemill.init.project import write_project

    asks = _asks(yes, as_json)
    profile = profile_file(data or _file(asks))
    if asks:
        click.echo(f"{profile.path}: {profile_line(profile)}")
    choice = _choice(profile, task, question, output, label, asks=asks, sure=yes)
    project = _name(name, profile.path, asks)
    warnings = list(data_warnings(profile, choice))
    remote = settings.home / "remote"
    written = write_project(
        profile, choice, name=project, specs=settings.specs, owner=owner, remote=remote
    )
    if as_json:
        print_json(_plain(written, choice, warnings))
    else:
        _print_result(written, choice, warnings)


def _asks(yes: bool, as_json: bool) -> bool:
    """True where a person sits at a terminal and wants to be asked."""
    return not yes and not as_json and sys.stdin.isatty()


def _file(asks: bool) -> Path:
    if not asks:
        raise TidemillError(
            "there is no terminal to ask on, and no --data; try: "
            "tidemill init NAME --data FILE.csv --yes"
        )
    return Path(click.prompt("Which file holds your data (.csv or .jsonl)?"))


def _choice(
    profile: FileProfile,
    task: Any,
    question: str | None,
    output: str | None,
    label: str | None,
    *,
    asks: bool,
    sure: bool,
) -> ColumnChoice:
    """The task and its columns: given, or guessed and agreed to."""
    from tidemill.init.column_inference import choose_columns

    if output and task in ("classification", "ranking"):
        raise TidemillError(f"--output is for generation; {task} chooses a --label")
    if task is None and (output or label):
        task = "generation" if output else "classification"
    generates = task == "generation"
    target, leads = (output, label) if generates else (label, None)
    if not (task or asks or sure):
        raise TidemillError(
            f"what should the model do? add --task {'|'.join(TASKS)}, or --yes to take the guess"
        )
    if not asks:
        return choose_columns(profile, task, asked=question, answered=target, label=leads)
    if task is None:
        likely = choose_columns(profile, asked=question).task
        task = click.prompt(_QUESTION, type=click.Choice(TASKS), default=likely)
    guess = choose_columns(profile, task, asked=question, answered=target, label=leads)
    verb = "write" if task == "generation" else "choose"
    question = question or click.prompt(
        "Which column is the model's input?", default=guess.question
    )
    target = target or click.prompt(f"Which column should it {verb}?", default=guess.answer)
    return choose_columns(profile, task, asked=question, answered=target, label=leads)


def _name(name: str | None, path: Path, asks: bool) -> str:
    import re

    from tidemill.init.names import slug

    if name is None:
        guess = slug(path.stem) or "project"
        name = str(click.prompt("What is the project called?", default=guess)) if asks else guess
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
        hint = f" such as '{slug(name)}'" if slug(name) else ""
        raise TidemillError(
            f"'{name}' is no name for a project; use lower-case letters, digits and hyphens{hint}"
        )
    return name


def _next(written: WrittenProject) -> list[str]:
    from tidemill.spec.load import display_path

    return [
        f"tidemill validate {display_path(written.folder)}",
        f"tidemill run {written.project}",
        "tidemill up",
    ]


def _forecast(written: WrittenProject) -> RolloutForecast | None:
    """What the steps of the new rollout see at the expected traffic, and by when."""
    from tidemill.engine.rollout_forecast import rollout_forecast
    from tidemill.engine.service_traffic import service_traffic

    traffic = service_traffic(written.rollout.traffic, None, None)
    return rollout_forecast(written.rollout, traffic)


def _forecast_lines(written: WrittenProject) -> list[str]:
    from tidemill.cli._forecast_text import forecast_lines

    forecast, quality = _forecast(written), written.rollout.quality
    return forecast_lines(forecast, quality.metric if quality else None) if forecast else []


def _plain(written: WrittenProject, choice: ColumnChoice, warnings: list[str]) -> dict[str, object]:
    forecast = _forecast(written)
    return {
        "project": written.project,
        "task": choice.task,
        "columns": {"asked": choice.question, "answered": choice.answer, "label": choice.label},
        "files": [str(file) for file in written.files],
        "remarks": warnings,
        "rollout": forecast.to_dict() if forecast else None,
        "next": _next(written),
    }


def _print_result(written: WrittenProject, choice: ColumnChoice, warnings: list[str]) -> None:
    from tidemill.spec.load import display_path

    click.echo(f"{choice.task}: '{choice.answer}' from '{choice.question}'")
    for remark in warnings:
        click.echo(f"note: {remark}")
    rollout = display_path(written.folder / "rollout.yaml")
    click.echo(f"{rollout}, at the traffic that it expects (edit `traffic`):")
    for line in _forecast_lines(written):
        click.echo(f"  {line}")
    click.echo(f"Wrote {written.specs} valid specs to {display_path(written.folder)}. Next:")
    for line in _next(written):
        click.echo(f"  {line}")
