"""The way back from one answer to the commit, the data and the weights behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Link:
    """One thing on the way: what it is, its name, its digest where it has one, and its facts."""

    what: str
    name: str
    digest: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def trail(
    inference: Mapping[str, Any],
    release: Mapping[str, Any],
    steps: Sequence[Mapping[str, Any]],
) -> list[Link]:
    """Links from the answer backwards.

    `inference` is the answer's event, `release` the record of the release that gave it, `steps`
    the decisions of that release's rollout (each with `at`, `decision`, `percent`, `reason`).
    """
    return [
        _answer(inference),
        Link("release", release["service"], release["digest"], {"created": release["created"]}),
        *_step(inference, steps),
        *_approvals(release),
        _commit(release),
        *_specs(release),
        _dataset(release),
        *(_base(base) for base in release["bases"]),
        *_artefacts(release),
        _evaluation(release),
        Link("seed", str(release["seed"])),
        Link("tools", f"{len(release['tools'])} packages", None, release["tools"]),
    ]


def as_json(links: Sequence[Link]) -> list[dict[str, Any]]:
    """The trail for machines."""
    return [asdict(link) for link in links]


def _answer(inference: Mapping[str, Any]) -> Link:
    known = ("time", "latency", "tokens_in", "tokens_out", "cached", "arm", "label", "output")
    facts = {key: inference[key] for key in known if inference.get(key) is not None}
    return Link("answer", inference["response_id"], None, facts)


def _step(inference: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> list[Link]:
    """The decision in force when the answer was given: the newest one before it."""
    when = inference.get("time")
    before = [step for step in steps if when is None or _time(step["at"]) <= _time(when)]
    if not before:
        return []
    step = before[-1]
    facts = {key: step[key] for key in ("at", "decision", "reason", "numbers") if key in step}
    return [Link("rollout step", f"{step['percent']:g} %", None, facts)]


def _time(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _approvals(release: Mapping[str, Any]) -> list[Link]:
    return [Link("approval", str(who)) for who in release["approved_by"]]


def _commit(release: Mapping[str, Any]) -> Link:
    commit = release["commit"]
    if not commit:
        return Link("commit", "none: the specs were not in Git")
    return Link("commit", commit["sha"], None, {k: v for k, v in commit.items() if k != "sha"})


def _specs(release: Mapping[str, Any]) -> list[Link]:
    return [Link("spec", name, digest) for name, digest in release["specs"].items()]


def _dataset(release: Mapping[str, Any]) -> Link:
    dataset = release["dataset"]
    facts = {"rows": dataset["rows"], "offsets": dataset["offsets"]}
    return Link("dataset", dataset["name"], dataset["digest"], facts)


def _base(base: Mapping[str, Any]) -> Link:
    facts = {"sha256": base["sha256"], "source": base["source"]}
    return Link("base model", base["name"], base["digest"], facts)


def _artefacts(release: Mapping[str, Any]) -> list[Link]:
    told = {release["dataset"]["digest"], *(base["digest"] for base in release["bases"])}
    return [
        Link(item["kind"], name, item["digest"], {"bytes": item["bytes"]})
        for name, item in release["artefacts"].items()
        if item["digest"] not in told and item["kind"] != "report"
    ]


def _evaluation(release: Mapping[str, Any]) -> Link:
    found = release["evaluation"]
    facts = {
        "measures": [m for m in found["measures"] if not m["slice"]],
        "gates": [check["message"] for check in found["checks"]],
    }
    return Link("evaluation", found["name"], found["digest"], facts)
