"""Walk from an answer back to commit, data, weights, evaluation and rollout step."""

from __future__ import annotations

from typing import Any

import click

from tidemill.adapters.home import Home
from tidemill.adapters.trace import trace
from tidemill.cli._shell import example, json_option, leave, pass_settings, print_json
from tidemill.settings import Settings


@click.command(epilog=example("tidemill why 01J8ZC…", "tidemill why 01J8ZC… --json | jq .links"))
@click.argument("response_id")
@json_option
@pass_settings
def command(settings: Settings, response_id: str, as_json: bool) -> None:
    """Walk from an answer back to commit, data, weights, evaluation and rollout step.

    RESPONSE_ID is in the header `x-tidemill-response-id` of every answer. The bytes on disk are
    compared with every digest; exit code 1 where one does not match.
    """
    found = trace(Home(settings), response_id)
    if as_json:
        print_json(found)
    else:
        for link in found["links"]:
            click.echo(line(link))
    leave(0 if found["verified"] else 1)


def line(link: dict[str, Any]) -> str:
    """One link as a person reads it."""
    mark = {True: "✓", False: "✗", None: " "}[link["bytes_match"]]
    digest = (link["digest"] or "").removeprefix("sha256:")[:12]
    facts = link["facts"]
    return f"{mark} {link['what']:13} {link['name']:28} {digest:13} {said(link['what'], facts)}"


def said(what: str, facts: dict[str, Any]) -> str:
    """The facts of a link worth a person's line."""
    if what == "answer":
        latency = f"{facts.get('latency', 0):.2f} s"
        return f"{facts.get('time', '')} in {latency}: {str(facts.get('output', ''))[:60]!r}"
    if what == "commit":
        dirty = ", with uncommitted changes" if facts.get("dirty") else ""
        return f"“{facts.get('subject', '')}” by {facts.get('author', '')}{dirty}"
    if what == "dataset":
        spans = ", ".join(f"{key} up to {offset}" for key, offset in facts["offsets"].items())
        return f"{facts['rows']} {spans}".strip()
    if what == "base model":
        return f"sha256 {facts['sha256']}"
    if what == "evaluation":
        parts = [
            f"{m['metric']} {m['value']:.3g} ({m['low']:.3g}–{m['high']:.3g})"
            for m in facts["measures"]
        ]
        return "; ".join(parts)
    if what == "rollout step":
        return f"{facts['decision']}: {facts['reason']}"
    if "bytes" in facts:
        return f"{facts['bytes'] / 1e6:.1f} MB"
    return ""
