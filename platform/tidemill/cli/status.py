"""What runs and where, what is live, how rollouts go, which assets are stale, what ingest reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import click

from tidemill.settings import Settings
from tidemill.terminal.amounts import strip_control
from tidemill.terminal.shell import (
    examples_epilog,
    json_option,
    pass_settings,
    print_json,
    warn_of_unknown_variables,
)


@click.command(epilog=examples_epilog("tidemill status", "tidemill status --json | jq .services"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """What runs and where, what is live, how rollouts go, which assets are stale, what ingest
    reads."""
    from tidemill.local.stack import stack_status

    warn_of_unknown_variables()
    status = stack_status(settings)
    if as_json:
        print_json(status)
        return
    click.echo("\n".join(map(strip_control, _lines(status))))


def _lines(status: Mapping[str, Any]) -> list[str]:
    lines = [f"home {status['home']}", *_git_lines(status["git"])]
    if not status["processes"]:
        lines.append("nothing runs; start it with `tidemill up`")
        return [*lines, *_asset_lines(status["assets"]), *_drift_lines(status)]
    for process in status["processes"]:
        state = "runs" if process["alive"] else "down"
        lines.append(f"  {state}  {process['name']:<34} {process['url']}")
    if not status["running"]:
        lines.append("no supervisor runs, so what is down stays down; `tidemill up` starts it")
    for service in status["services"]:
        lines += _service_lines(service)
    if not status["services"]:
        lines.append("no release yet; `tidemill run` makes one")
    counts = status["ingest"]
    if counts:
        hidden = ("read", "trouble")
        parts = [f"{name} {value}" for name, value in counts.items() if name not in hidden]
        lines.append(f"ingest  {', '.join(parts)}")
        lines += [f"  trouble: {counts['trouble']}"] if counts["trouble"] else []
    return [*lines, *_asset_lines(status["assets"]), *_drift_lines(status)]


def _asset_lines(assets: Sequence[Mapping[str, str]]) -> list[str]:
    """How many assets of each project are not up to date."""
    from tidemill.cli._plan_words import STATE_WORDS

    lines = []
    for project in dict.fromkeys(asset["project"] for asset in assets):
        states = Counter(asset["state"] for asset in assets if asset["project"] == project)
        counts = [f"{states[state]} {word}" for state, word in STATE_WORDS.items() if states[state]]
        lines.append(f"assets  {project}: {', '.join(counts)}; `tidemill plan` says why")
    return lines


def _drift_lines(status: Mapping[str, Any]) -> list[str]:
    """Git, ledger and live side by side, and where they differ."""
    lines = []
    if status["standings"]:
        lines.append(f"{'':24}{'Git':15}{'ledger':15}live")
    for service in status["standings"]:
        git = _digest(service["git"]["release"]) if service["git"]["commit"] else "no commit"
        shares = service["live"]["shares"]
        live = "not known: " + service["live"]["why"] if shares is None else _shares(shares)
        row = f"{git:15}{_digest(service['ledger']['release']):15}{live}"
        lines.append(f"{service['service']:24}{row}")
        lines += [f"  drift: {drift['said']}" for drift in service["drift"]]
    if status["standings"] and not any(service["drift"] for service in status["standings"]):
        lines.append("no drift")
    trouble = status["trouble"]
    return [*lines, f"drift cannot be detected: {trouble}"] if trouble else lines


def _shares(shares: Mapping[str, float]) -> str:
    busy = sorted(shares.items(), key=lambda one: -one[1])
    return ", ".join(f"{_digest(name)} {p:g} %" for name, p in busy if p > 0) or "nothing"


def _digest(release: str | None) -> str:
    return release.removeprefix("sha256:")[:12] if release else "nothing"


def _service_lines(service: Mapping[str, Any]) -> list[str]:
    live = _digest(service["live"])
    lines = [f"service {service['service']}: {live} is live"]
    lines += [f"  waits for a person: {service['asks']}"] if service["asks"] else []
    for rollout in service["open"]:
        approve = f"; waits for a person: `tidemill approve {service['service']}`"
        waits = approve if rollout["waits"] else ""
        share = f"{_digest(rollout['release'])} at {rollout['percent']:g} %"
        lines.append(f"  {share}: {rollout['reason']}{waits}")
    return lines


def _git_lines(git: Mapping[str, Any] | None) -> list[str]:
    """The followed branch: what is applied, and why the newest commit is not."""
    if git is None:
        return []
    newest, applied = git["seen"], git["applied"]
    lines = [f"git  {git['remote']} {git['branch']}: {_commit(applied) or 'nothing'} is applied"]
    lines += [f"  trouble: {git['trouble']}"] if git["trouble"] else []
    if newest and newest["state"] != "applied":
        state = f"{newest['state']} {newest['refusal']}"
        lines.append(f"  {_commit(newest)} is {state}: {newest['reason']}")
    for orphan in git["orphans"]:
        lines.append(
            f"  '{orphan['service']}' is live, but no spec of {orphan['project']} describes it any "
            "more; it stays live until you take it down"
        )
    return lines


def _commit(commit: Mapping[str, Any] | None) -> str:
    return f"{commit['commit'][:10]} {commit['subject']}" if commit else ""
