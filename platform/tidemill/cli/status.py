"""What runs, where, what is live, how rollouts stand, and what ingest has taken in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tidemill.cli._shell import example, json_option, pass_settings, print_json
from tidemill.settings import Settings


@click.command(epilog=example("tidemill status", "tidemill status --json | jq .services"))
@json_option
@pass_settings
def command(settings: Settings, as_json: bool) -> None:
    """What runs, where, what is live, how rollouts stand, and what ingest has taken in."""
    from tidemill.serving.operate import report

    found = report(settings)
    if as_json:
        print_json(found)
        return
    click.echo("\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> list[str]:
    lines = [f"home {found['home']}", *_git(found["git"])]
    if not found["processes"]:
        return [*lines, "nothing runs; start it with `tidemill up`"]
    for process in found["processes"]:
        state = "runs" if process["alive"] else "down"
        lines.append(f"  {state}  {process['name']:<34} {process['url']}")
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
    return lines


def _service(service: Mapping[str, Any]) -> list[str]:
    live = service["live"] or "nothing"
    lines = [f"service {service['service']}: {live[7:19] if service['live'] else live} is live"]
    for rollout in service["open"]:
        waits = "; waits for a person: `tidemill rollout promote`" if rollout["waits"] else ""
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
