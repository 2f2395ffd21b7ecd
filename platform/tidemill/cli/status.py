"""What runs, where, what is live, how rollouts stand, and what ingest has taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tidemill.settings import Settings
from tidemill.terminal.amounts import plain
from tidemill.terminal.shell import (
    example,
    json_option,
    pass_settings,
    print_json,
    warn_of_unknown_variables,
)


@click.command(epilog=example("tidemill status", "tidemill status --json | jq .services"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """What runs, where, what is live, how rollouts stand, and what ingest has taken in."""
    from tidemill.local.stack import stack_status

    warn_of_unknown_variables()
    found = stack_status(settings)
    if as_json:
        print_json(found)
        return
    click.echo("\n".join(map(plain, _lines(found))))


def _lines(found: Mapping[str, Any]) -> list[str]:
    lines = [f"home {found['home']}", *_git(found["git"])]
    if not found["processes"]:
        lines.append("nothing runs; start it with `tidemill up`")
        return [*lines, *_standings(found)]
    for process in found["processes"]:
        state = "runs" if process["alive"] else "down"
        lines.append(f"  {state}  {process['name']:<34} {process['url']}")
    if not found["running"]:
        lines.append("no supervisor runs, so what is down stays down; `tidemill up` starts it")
    for service in found["services"]:
        lines += _service(service)
    if not found["services"]:
        lines.append("no release yet; `tidemill run` makes one")
    counts = found["ingest"]
    if counts:
        hidden = ("read", "trouble")
        said = [f"{name} {value}" for name, value in counts.items() if name not in hidden]
        lines.append(f"ingest  {', '.join(said)}")
        lines += [f"  trouble: {counts['trouble']}"] if counts["trouble"] else []
    return [*lines, *_standings(found)]


def _standings(found: Mapping[str, Any]) -> list[str]:
    """Git, ledger and live side by side, and where they differ."""
    lines = []
    if found["standings"]:
        lines.append(f"{'':24}{'Git':15}{'ledger':15}live")
    for one in found["standings"]:
        git = _digest(one["git"]["release"]) if one["git"]["commit"] else "no commit"
        live = one["live"]["shares"]
        shown = "not seen: " + one["live"]["why"] if live is None else _shares(live)
        row = f"{git:15}{_digest(one['ledger']['release']):15}{shown}"
        lines.append(f"{one['service']:24}{row}")
        lines += [f"  drift: {drift['said']}" for drift in one["drift"]]
    if found["standings"] and not any(one["drift"] for one in found["standings"]):
        lines.append("no drift")
    return [*lines, f"drift cannot be seen: {found['trouble']}"] if found["trouble"] else lines


def _shares(shares: Mapping[str, float]) -> str:
    busy = sorted(shares.items(), key=lambda one: -one[1])
    return ", ".join(f"{_digest(name)} {p:g} %" for name, p in busy if p > 0) or "nothing"


def _digest(release: str | None) -> str:
    return release.removeprefix("sha256:")[:12] if release else "nothing"


def _service(service: Mapping[str, Any]) -> list[str]:
    live = service["live"] or "nothing"
    lines = [f"service {service['service']}: {live[7:19] if service['live'] else live} is live"]
    lines += [f"  waits for a person: {service['asks']}"] if service["asks"] else []
    for rollout in service["open"]:
        approve = f"; waits for a person: `tidemill approve {service['service']}`"
        waits = approve if rollout["waits"] else ""
        lines.append(
            f"  {rollout['release'][7:19]} at {rollout['percent']:g} %: {rollout['reason']}{waits}"
        )
    return lines


def _git(git: Mapping[str, Any] | None) -> list[str]:
    """The followed branch: what is applied, and why the newest commit is not."""
    if git is None:
        return []
    seen, applied = git["seen"], git["applied"]
    lines = [f"git  {git['remote']} {git['branch']}: {_commit(applied) or 'nothing'} is applied"]
    lines += [f"  trouble: {git['trouble']}"] if git["trouble"] else []
    if seen and seen["state"] != "applied":
        lines.append(f"  {_commit(seen)} is {seen['state']} {seen['refusal']}: {seen['reason']}")
    for orphan in git["orphans"]:
        lines.append(
            f"  '{orphan['service']}' is live, and no spec of {orphan['project']} describes it any "
            "more; it stays so until it is taken down"
        )
    return lines


def _commit(commit: Mapping[str, Any] | None) -> str:
    return f"{commit['commit'][:10]} {commit['subject']}" if commit else ""
