"""Every spec becomes one asset; the body calls the line and shows what it gave."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` itself.
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from tidemill.control.build_events import BuildEvents
from tidemill.control.trigger_runs import OFFSETS_TAG
from tidemill.engine.staleness import BUILDABLE_KINDS
from tidemill.home import Home
from tidemill.pipeline.checks import declared_checks
from tidemill.spec.base import Spec
from tidemill.spec.digest import spec_digest
from tidemill.spec.graph import references
from tidemill.spec.load import LoadedSpec, Project
from tidemill.spec.trigger import Trigger
from tidemill_assets.display import materialize_result, progress
from tidemill_assets.runs import group, key
from tidemill_assets.steering import STEERING

_TAG = re.compile(r"[A-Za-z0-9_.-]{1,63}\Z")
KINDS: Mapping[str, set[str]] = {
    "Model": {"safetensors", "huggingface"},
    "Dataset": {"parquet", "dvc"},
    "Prompt": {"jinja", "prompt"},
    "FineTune": {"pytorch", "peft"},
    "Compression": {"onnx", "compression"},
    "Evaluation": {"evaluation", "report"},
    "Feedback": {"kafka", "stream"},
    "Trigger": {"trigger"},
    "Rollout": {"kserve", "rollout"},
}


def asset(
    home: Home, project: Project, loaded: LoadedSpec, prefix: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one spec; `prefix` comes before its key in somebody else's code location."""
    spec = loaded.spec
    own = key(project.name, spec.name, prefix)
    checks = [
        dg.AssetCheckSpec(check.name, asset=own, blocking=check.blocking)
        for check in declared_checks(spec)
    ]

    @dg.asset(
        key=own,
        deps=[key(project.name, name, prefix) for name in parents(spec)],
        group_name=group(project.name),
        kinds=kinds(spec),
        code_version=spec_digest(loaded, project).removeprefix("sha256:")[:16],
        description=spec.description or None,
        tags=tags(spec),
        metadata={
            "spec": str(loaded.path.name),
            "kind": spec.kind,
            "owner": spec.owner or "–",
            **{f"label {label}": value for label, value in spec.labels.items()},
        },
        check_specs=checks,
        pool="weights" if spec.kind in {"FineTune", "Compression"} else None,
    )
    # Dagster takes no generic here: it would read it as several outputs.
    def materialize(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        run = context.run.run_id
        log = f"{context.instance.storage_directory()}/{run}"
        events = BuildEvents(home, project.name, spec, run, log)
        with events.failures():
            builder = home.builder(project.name)
            if spec.kind not in BUILDABLE_KINDS:
                return STEERING[spec.kind](home, builder, spec.name, context)
            with home.lock_asset(project.name, spec.name, run):
                result = builder.materialise(
                    spec.name,
                    run=run,
                    offsets=frozen_offsets(context),
                    progress=progress(context),
                    started=events.announce_start,
                )
        events.announce_result(result)
        return materialize_result(spec, result)

    return materialize


def parents(spec: Spec) -> tuple[str, ...]:
    """What stands before an asset in the graph; a trigger comes after its stream, not after what
    it sets going."""
    if isinstance(spec, Trigger):
        return (spec.of,) if spec.of else ()
    return references(spec)


def kinds(spec: Any) -> set[str]:
    """What the UI shows as icons on the asset."""
    icons = KINDS[spec.kind]
    targets = {target.runtime for target in getattr(spec, "targets", ())}
    return icons | ({"tensorrt"} if any(t.startswith("tensorrt") for t in targets) else set())


def tags(spec: Spec) -> dict[str, str]:
    """The labels that Dagster takes as tags; labels are free text, and one that is no tag would
    keep the whole code location from loading."""
    fit = {
        key: value for key, value in spec.labels.items() if _TAG.match(key) and _TAG.match(value)
    }
    return {f"tidemill/{key}": value for key, value in fit.items()}


def frozen_offsets(context: dg.AssetExecutionContext) -> dict[str, int] | None:
    """The offset range that a trigger's decision froze for this run."""
    tag = context.run.tags.get(OFFSETS_TAG)
    return json.loads(tag) if tag else None
