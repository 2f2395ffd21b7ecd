"""Show and control rollouts: status, render, promote, pause, rollback, retry."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidemill.cli._rollout_retry import by_option, retry
from tidemill.errors import ServiceError, UnknownName
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.adapters.kserve.inference_service import Manifest
    from tidemill.adapters.ledger.rollouts import RolloutLedger
    from tidemill.records import RolloutCommand, RolloutRecord

PATIENCE = 15.0
"""Seconds until the controller has to have done what it was told."""


@click.group(
    epilog=examples_epilog(
        "tidemill rollout status support-chat",
        "tidemill rollout rollback support-chat",
        "tidemill rollout render support-chat/reply-rollout --driver kserve-standard",
    )
)
def command() -> None:
    """See and steer how a release meets its users."""


@command.command(
    epilog=examples_epilog("tidemill rollout status", "tidemill rollout status chat --json")
)
@click.argument("service", required=False)
@json_option
@pass_settings
def status(settings: Settings, service: str | None, as_json: bool) -> None:
    """Every rollout of a service, with its decisions and what they were taken on; of one that is
    under way also what its steps can see at this traffic, and by when."""
    from tidemill.adapters.clock import SystemClock
    from tidemill.cli._rollout_text import rollout_lines, rollout_reports
    from tidemill.home import Home

    if service is not None:
        _check_service(settings, _ledger(settings), service)
    rollouts = rollout_reports(Home(settings).ledger, service, SystemClock().now())
    if as_json:
        print_json([rollout.to_dict() for rollout in rollouts])
        return
    if not rollouts:
        click.echo("No rollout yet. Create a release with `tidemill run`.")
    for line in (line for rollout in rollouts for line in rollout_lines(rollout)):
        click.echo(line)


@command.command(epilog=examples_epilog("tidemill rollout promote support-chat"))
@click.argument("service")
@by_option
@pass_settings
def promote(settings: Settings, service: str, by: str) -> None:
    """Let a paused rollout go on, agree to what one asks for, or accept a live release that asks.

    To agree counts as an approval without a signature, by the same rules: `tidemill approve` signs.
    """
    _send_and_wait(settings, service, "promote", by)


@command.command(epilog=examples_epilog("tidemill rollout pause support-chat"))
@click.argument("service")
@by_option
@pass_settings
def pause(settings: Settings, service: str, by: str) -> None:
    """Keep the traffic as it is until `promote` or `rollback`."""
    _send_and_wait(settings, service, "pause", by)


@command.command(epilog=examples_epilog("tidemill rollout rollback support-chat"))
@click.argument("service")
@by_option
@pass_settings
def rollback(settings: Settings, service: str, by: str) -> None:
    """Take the candidate's traffic away; with none under way, go back to the previous release."""
    _send_and_wait(settings, service, "rollback", by)


@command.command(
    epilog=examples_epilog(
        "tidemill rollout render support-chat/reply-rollout --driver kserve-knative"
    )
)
@click.argument("name")
@click.option(
    "--driver",
    type=click.Choice(["kserve-standard", "kserve-knative"]),
    help="Which KServe mode; default the rollout's own driver.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write one file for each step into this folder."
)
@json_option
@pass_settings
def render(settings: Settings, name: str, driver: Any, out: Path | None, as_json: bool) -> None:
    """Write the InferenceService of each step for a cluster."""
    steps = _manifests(settings, name, driver)
    if as_json:
        print_json([{"percent": percent, "manifest": manifest} for percent, manifest in steps])
        return
    import yaml

    texts = [(p, yaml.safe_dump(m, sort_keys=False, width=100)) for p, m in steps]
    if out is None:
        click.echo("".join(f"---\n# {percent} %\n{text}" for percent, text in texts), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for number, (percent, text) in enumerate(texts, 1):
        path = out / f"{number}-{percent}-percent.yaml"
        path.write_text(text)
        click.echo(str(path))


command.add_command(retry)


def _manifests(settings: Settings, name: str, driver: Any) -> list[tuple[int, Manifest]]:
    from tidemill.adapters.kserve import render_steps
    from tidemill.home import Home
    from tidemill.spec.rollout import Rollout

    home = Home(settings)
    project, spec_name = home.find_spec(name)
    spec = home.project(project).specs[spec_name].spec
    if not isinstance(spec, Rollout):
        raise ServiceError(f"'{name}' is a {spec.kind}; name a Rollout")
    records = home.ledger.materialisations.releases(spec.service)
    if not records:
        raise ServiceError(f"'{spec.service}' has no release yet; run `tidemill run {name}`")
    live = home.live_record(spec.service)
    newest = records[-1]
    other = live if live and live.digest != newest.digest else None
    return render_steps(spec, newest, other, driver=driver)


def _send_and_wait(settings: Settings, service: str, do: RolloutCommand, by: str) -> None:
    """Leave the command and wait until the controller has done it."""
    ledger = _ledger(settings)
    walking = _target(ledger, service, do)
    ledger.send_command(walking.id, do, by)
    until = time.monotonic() + PATIENCE
    while ledger.get(walking.id).command:
        if time.monotonic() > until:
            raise ServiceError(
                f"the controller did not act within {PATIENCE:g} s; it will when it runs. "
                "See `tidemill status`"
            )
        time.sleep(0.05)
    done = ledger.get(walking.id)
    click.echo(f"{service} {done.release[7:19]}: {done.reason}")


def _target(ledger: RolloutLedger, service: str, do: str) -> RolloutRecord:
    if service not in ledger.services():
        raise UnknownName("service", service, ledger.services())
    under_way = ledger.in_progress(service)
    serving = ledger.live_rollout(service)
    if under_way:
        return under_way[-1]
    if serving is not None and (do == "rollback" or (do == "promote" and serving.awaits_person)):
        return serving
    raise ServiceError(f"'{service}' has no rollout in progress; see `tidemill rollout status`")


def _check_service(settings: Settings, ledger: RolloutLedger, service: str) -> None:
    """A service that had a rollout, or that a spec promises; raises UnknownName for another."""
    from tidemill.spec.load import read
    from tidemill.spec.rollout import Rollout

    if service in ledger.services():
        return
    projects = read(settings.specs).workspace.projects.values()
    specs = [loaded.spec for project in projects for loaded in project.specs.values()]
    promised = [spec.service for spec in specs if isinstance(spec, Rollout)]
    if service not in promised:
        raise UnknownName("service", service, [*ledger.services(), *promised])


def _ledger(settings: Settings) -> RolloutLedger:
    from tidemill.home import Home

    return Home(settings).ledger.rollouts
