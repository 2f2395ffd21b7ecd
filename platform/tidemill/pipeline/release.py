"""A release: everything that made a service's answers what they are, under one digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tidemill.errors import GateFailed
from tidemill.pipeline.builder import Line, tool_versions
from tidemill.ports import Materialisation
from tidemill.spec.rollout import Rollout


def compose(line: Line, rollout: Rollout) -> dict[str, Any]:
    """The record of the release that a rollout would bring out now, as a JSON-able dictionary.

    The digest covers specs, artefacts and evaluation, not the commit, the time or the tools: the
    same content is the same release. Raises `GateFailed` where a blocking check of its evaluation
    failed, and `MissingArtefact` where something is stale or not made.
    """
    _passed(line.current(rollout.judged_by))
    return candidate(line, rollout)


def candidate(line: Line, rollout: Rollout) -> dict[str, Any]:
    """The same record whether the gates passed or not, for people to look at."""
    evaluation = line.current(rollout.judged_by)
    makings = {name: line.current(name) for name in behind(line, rollout)}
    by_kind = {kind: [m for m in makings.values() if m.kind == kind] for kind in _KINDS}
    served = makings[rollout.of]
    content: dict[str, Any] = {
        "project": line.project.name,
        "service": rollout.service,
        "rollout": rollout.name,
        "specs": spec_digests(line, rollout),
        "model": served.artefact,
        "prompt": next((m.artefact for m in by_kind["Prompt"]), None),
        "artefacts": _artefacts(line, makings),
        "bases": [_base(line, making) for making in by_kind["Model"]],
        "dataset": _dataset(line, makings, evaluation),
        "seed": _seed(line, by_kind["FineTune"]),
    }
    digest = _digest(content)
    commit = line.repository.head()
    return {
        "digest": digest,
        **content,
        "commit": {
            "sha": commit.sha,
            "author": commit.author,
            "when": commit.committed_at.isoformat(),
            "subject": commit.subject,
            "dirty": commit.dirty,
        }
        if commit
        else {},
        "evaluation": {
            "name": evaluation.name,
            "digest": evaluation.artefact,
            "measures": list(evaluation.measures),
            "checks": list(evaluation.checks),
        },
        "tools": tool_versions(),
        "approved_by": [],
        "created": line.clock.now().isoformat(),
    }


def behind(line: Line, rollout: Rollout) -> list[str]:
    """Everything that is made for a rollout's releases, in the order of making."""
    names = dict.fromkeys([*line.upstream(rollout.name), *line.upstream(rollout.judged_by)])
    return [*(name for name in names if name != rollout.judged_by), rollout.judged_by]


def spec_digests(line: Line, rollout: Rollout) -> dict[str, str]:
    """Name → digest of every spec that a release of this rollout is made by (`record["specs"]`)."""
    return {name: line.spec_digest(name) for name in (*behind(line, rollout), rollout.name)}


def _digest(content: Mapping[str, Any]) -> str:
    bytes_only = {name: item["digest"] for name, item in content["artefacts"].items()}
    said = json.dumps({**content, "artefacts": bytes_only}, sort_keys=True)
    return f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


_KINDS = ("Model", "Prompt", "FineTune", "Dataset", "Compression", "Evaluation")


def _passed(evaluation: Materialisation) -> None:
    failed = [c["message"] for c in evaluation.checks if c["blocking"] and not c["passed"]]
    if failed:
        raise GateFailed(f"'{evaluation.name}' did not pass its gates: {'; '.join(failed)}")


def _artefacts(line: Line, makings: Mapping[str, Materialisation]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, making in makings.items():
        for label, digest in {name: making.artefact, **_steps(name, making)}.items():
            item = line.store.get(digest)
            found[label] = {
                "digest": digest,
                "kind": item.kind,
                "bytes": item.bytes,
                "meta": dict(item.meta),
            }
    return found


def _steps(name: str, making: Materialisation) -> dict[str, str]:
    return {f"{name}/{step}": digest for step, digest in making.steps.items()}


def _base(line: Line, making: Materialisation) -> dict[str, Any]:
    source = line.specs[making.name].source.model_dump()  # type: ignore[attr-defined]
    sha256 = making.facts.get("sha256") or source.get("sha256")
    return {"name": making.name, "digest": making.artefact, "source": source, "sha256": sha256}


def _dataset(
    line: Line, makings: Mapping[str, Materialisation], evaluation: Materialisation
) -> dict[str, Any]:
    name = line.specs[evaluation.name].dataset  # type: ignore[attr-defined]
    making = makings[name]
    return {
        "name": name,
        "digest": making.artefact,
        "offsets": making.facts.get("offsets", {}),
        "rows": making.facts.get("rows", {}),
    }


def _seed(line: Line, finetunes: list[Materialisation]) -> int | None:
    specs = [line.specs[making.name] for making in finetunes]
    return specs[0].train.seed if specs else None  # type: ignore[attr-defined]
