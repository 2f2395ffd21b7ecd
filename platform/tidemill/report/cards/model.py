"""The model card of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.balance import sources
from tidemill.report.cards import metadata, usage
from tidemill.report.licences import release_chain
from tidemill.report.limits import limits
from tidemill.report.release_facts import Story
from tidemill.report.template import markdown
from tidemill.report.verdict import verdict

_TASKS = {"causal-lm": "text-generation", "sequence-classification": "text-classification"}
_LIBRARIES = {
    "safetensors": "transformers", "adapter": "peft", "onnx": "onnx", "genai": "onnx",
    "engine": "tensorrt",
}  # fmt: skip
_METRICS = {"macro_f1": "f1", "rouge_l": "rouge"}
"""Our metrics by the hub's names, where they differ."""


def card(story: Story) -> str:
    """The README.md: metadata, then what a person asks of a model, in that order."""
    return metadata.block(facts(story)) + "\n" + body(story)


def facts(story: Story) -> dict[str, Any]:
    """The metadata as plain values; what is not known is left out."""
    chain = release_chain(story)
    base = base_id(story)
    return {
        **metadata.licence(chain),
        "language": metadata.languages(*story.specs.values()),
        "base_model": [base] if base else None,
        "base_model_relation": relation(story) if base else None,
        "datasets": [metadata.repository(name) for name in dataset_ids(story)],
        "pipeline_tag": _TASKS.get(story.task or ""),
        "library_name": _LIBRARIES.get(story.form.form) if story.form else None,
        "tags": metadata.tags(["tidemill", story.service, *_how(story)]),
        "model-index": _index(story),
    }


def body(story: Story) -> str:
    """Everything below the metadata."""
    release = story.release
    return markdown(
        "model_card.md.j2",
        story=story,
        release=release,
        verdict=verdict(story),
        purpose=_purpose(story),
        method=[_step(story, name) for name in story.makings],
        sources=sources(story.data),
        limits=limits(story),
        chain=release_chain(story),
        usage=usage.of(story),
        unknown=sorted(set(release.specs) - set(story.specs)),
    )


def base_id(story: Story) -> str:
    """The base as the hub may know it: its repository, what the Model's label `hub` says, or the
    name of the package it came in."""
    base = story.base
    if not base:
        return ""
    spec = story.specs.get(base.name, {})
    named = (spec.get("labels") or {}).get("hub")
    source = base.source
    known = named or source.get("repo") or source.get("package") or base.name
    return metadata.repository(str(known))


def relation(story: Story) -> str | None:
    """How the served weights come from the base: adapter, quantized or finetune; None where the
    base itself serves."""
    if story.form and story.form.form == "adapter":
        return "adapter"
    quantised = any(hop.get("step") == "quantise" for hop in story.hops)
    if quantised or (story.form and story.form.precision in ("int8", "int4")):
        return "quantized"
    return "finetune" if story.made("FineTune") else None


def dataset_ids(story: Story) -> list[str]:
    """Datasets of the hub among the sources, else this dataset as project/name."""
    given = story.data.spec.get("sources") or ()
    hub = [str(source["repo"]) for source in given if source["type"] == "hub"]
    named = (story.data.spec.get("labels") or {}).get("hub")
    return hub or [str(named or f"{story.data.project}/{story.data.name}")]


def _how(story: Story) -> list[str]:
    """Methods and steps, as tags."""
    methods = [str(spec.get("method", "")) for spec in story.of_kind("FineTune").values()]
    steps = [str(hop["step"]) for hop in story.hops]
    return [*methods, *steps, story.form.precision if story.form else ""]


def _index(story: Story) -> list[dict[str, Any]]:
    """`model-index`: measures of quality over all test rows, with their intervals in the name."""
    chosen = [
        one
        for one in story.measures
        if formatting.finite(one.value) and formatting.judges_quality(one.metric)
    ]
    if not chosen:
        return []
    parts = dict.fromkeys(one.slice for one in chosen)
    results = [_result(story, part, [m for m in chosen if m.slice == part]) for part in parts]
    return [{"name": f"{story.service}-{formatting.short(story.digest)}", "results": results}]


def _result(story: Story, part: str | None, measures: list[Measure]) -> dict[str, Any]:
    task = _TASKS.get(story.task or "", "other")
    name = dataset_ids(story)[0]
    about = {
        "name": story.data.name,
        "type": metadata.repository(name),
        "split": "test",
        "revision": story.data.digest,
    }
    config = {"config": part} if part else {}
    metrics = [_metric(story, one) for one in measures]
    return {"task": {"type": task}, "dataset": {**about, **config}, "metrics": metrics}


def _metric(story: Story, one: Measure) -> dict[str, Any]:
    bounds, rows = formatting.interval(one), formatting.counted(one.rows, "row")
    sure = f"{100 * story.confidence:g} % interval {bounds}, " if bounds else ""
    return {
        "type": _METRICS.get(one.metric, one.metric),
        "value": round(float(one.value), 6),
        "name": f"{formatting.metric_name(one.metric)} ({sure}{rows})",
    }


def _purpose(story: Story) -> list[tuple[str, str]]:
    """(name, description) of the specs that say what a release is for."""
    served = story.specs.get(story.release.rollout, {}).get("of")
    names = [served, *story.of_kind("Prompt"), *story.of_kind("FineTune"), story.data.name]
    said = {str(n): str(story.specs.get(str(n), {}).get("description") or "") for n in names}
    return [(name, text) for name, text in said.items() if text]


def _step(story: Story, name: str) -> tuple[str, str, str]:
    """(name, kind, what was done) of one asset."""
    making, spec = story.makings[name], story.specs.get(name, {})
    known = {key: making.facts[key] for key in _TOLD if key in making.facts}
    told = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in known.items()
        if not isinstance(value, Mapping)
    ]
    return (
        name,
        making.kind,
        "; ".join([*_said(spec), *told, f"took {formatting.seconds(making.seconds)}"]),
    )


def _said(spec: Mapping[str, Any]) -> list[str]:
    """What the spec asked for, in a few words."""
    if spec.get("kind") == "FineTune":
        train = spec["train"]
        given = {key: value for key, value in spec["options"].items() if value is not None}
        options = ", ".join(f"{key} {value}" for key, value in given.items())
        rate = f"{train['epochs']:g} epochs at learning rate {train['learning_rate']:g}"
        return [f"{spec['method']}{f' ({options})' if options else ''}", rate]
    if spec.get("kind") == "Compression":
        targets = [f"for {target['runtime']}" for target in spec["targets"]]
        return [", ".join([*(str(step["type"]) for step in spec["steps"]), *targets])]
    return []


_TOLD = ("technique", "origin", "steps", "rows_total", "rows", "precision", "seed", "tokens")
