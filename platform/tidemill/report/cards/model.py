"""The model card of a release."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.engine.measurement import Measure
from tidemill.report import formatting
from tidemill.report.balance import sources
from tidemill.report.cards import metadata, usage
from tidemill.report.cards.hub_metadata import (
    HubMetadata,
    IndexedDataset,
    IndexedMetric,
    IndexedModel,
    IndexedResult,
)
from tidemill.report.comparisons import baseline_lines, baseline_sentence
from tidemill.report.licences import release_chain
from tidemill.report.limits import limits
from tidemill.report.release_facts import ReleaseFacts, SpecValues
from tidemill.report.template import markdown
from tidemill.report.verdict import verdict

_TASKS = {
    "causal-lm": "text-generation", "sequence-classification": "text-classification",
    "ranking": "text-ranking",
}  # fmt: skip
_LIBRARIES = {
    "safetensors": "transformers", "adapter": "peft", "onnx": "onnx", "genai": "onnx",
    "engine": "tensorrt",
}  # fmt: skip
_METRICS = {"macro_f1": "f1", "rouge_l": "rouge"}
"""Our metrics by the hub's names, where they differ."""


def card(story: ReleaseFacts) -> str:
    """The README.md: metadata, then what a person asks of a model, in that order."""
    return metadata.block(metadata_values(story)) + "\n" + body(story)


def metadata_values(story: ReleaseFacts) -> HubMetadata:
    """The metadata as plain values; what is not known is left out."""
    chain = release_chain(story)
    base = base_id(story)
    return metadata.licence(chain) | {
        "language": metadata.languages(*story.specs.values()),
        "base_model": [base] if base else None,
        "base_model_relation": relation(story) if base else None,
        "datasets": [metadata.repository(name) for name in dataset_ids(story)],
        "pipeline_tag": _TASKS.get(story.task or ""),
        "library_name": _LIBRARIES.get(story.form.form) if story.form else None,
        "tags": metadata.tags(["tidemill", story.service, *_method_tags(story)]),
        "model-index": _index(story),
    }


def body(story: ReleaseFacts) -> str:
    """Everything below the metadata."""
    release = story.release
    return markdown(
        "model_card.md.j2",
        story=story,
        release=release,
        verdict=verdict(story),
        purpose=_purpose(story),
        method=[_step(story, name) for name in story.materialisations],
        sources=sources(story.data),
        limits=limits(story),
        baselines=baseline_lines(story),
        baseline_sentence=baseline_sentence(story),
        chain=release_chain(story),
        usage=usage.release_usage(story),
        unknown=sorted(set(release.specs) - set(story.specs)),
    )


def base_id(story: ReleaseFacts) -> str:
    """The base as the hub may know it: its repository, what the Model's label `hub` says, or the
    name of the package it came in."""
    base = story.base
    if not base:
        return ""
    spec = story.specs.get(base.name, {})
    label = (spec.get("labels") or {}).get("hub")
    source = base.source
    name = label or source.get("repo") or source.get("package") or base.name
    return metadata.repository(str(name))


def relation(story: ReleaseFacts) -> str | None:
    """How the served weights come from the base: adapter, quantized or finetune; None where the
    base itself serves."""
    if story.form and story.form.form == "adapter":
        return "adapter"
    quantised = any(hop.step == "quantise" for hop in story.hops)
    if quantised or (story.form and story.form.precision in ("int8", "int4")):
        return "quantized"
    return "finetune" if story.materialisations_of("FineTune") else None


def dataset_ids(story: ReleaseFacts) -> list[str]:
    """Datasets of the hub among the sources, else this dataset as project/name."""
    declared = story.data.spec.get("sources") or ()
    hub = [str(source["repo"]) for source in declared if source["type"] == "hub"]
    label = (story.data.spec.get("labels") or {}).get("hub")
    return hub or [str(label or f"{story.data.project}/{story.data.name}")]


def _method_tags(story: ReleaseFacts) -> list[str]:
    """Methods and steps, as tags."""
    methods = [str(spec.get("method", "")) for spec in story.specs_of_kind("FineTune").values()]
    steps = [hop.step for hop in story.hops]
    return [*methods, *steps, story.form.precision if story.form else ""]


def _index(story: ReleaseFacts) -> list[IndexedModel]:
    """`model-index`: measures of quality over all test rows, with their intervals in the name."""
    measures = [
        measure
        for measure in story.measures
        if formatting.is_finite(measure.value) and formatting.measures_quality(measure.metric)
    ]
    if not measures:
        return []
    parts = dict.fromkeys(measure.slice for measure in measures)
    results = [_result(story, part, [m for m in measures if m.slice == part]) for part in parts]
    return [
        {"name": f"{story.service}-{formatting.short_digest(story.digest)}", "results": results}
    ]


def _result(story: ReleaseFacts, part: str | None, measures: list[Measure]) -> IndexedResult:
    task = _TASKS.get(story.task or "", "other")
    name = dataset_ids(story)[0]
    about: IndexedDataset = {
        "name": story.data.name,
        "type": metadata.repository(name),
        "split": "test",
        "revision": story.data.digest,
    }
    if part:
        about["config"] = part
    metrics = [_metric(story, measure) for measure in measures]
    return {"task": {"type": task}, "dataset": about, "metrics": metrics}


def _metric(story: ReleaseFacts, measure: Measure) -> IndexedMetric:
    bounds, rows = formatting.interval(measure), formatting.format_count(measure.rows, "row")
    confidence = f"{100 * story.confidence:g} % interval {bounds}, " if bounds else ""
    return {
        "type": _METRICS.get(measure.metric, measure.metric),
        "value": round(float(measure.value), 6),
        "name": f"{formatting.metric_name(measure.metric)} ({confidence}{rows})",
    }


def _purpose(story: ReleaseFacts) -> list[tuple[str, str]]:
    """(name, description) of the specs that say what a release is for."""
    served = story.specs.get(story.release.rollout, {}).get("of")
    names = [
        served,
        *story.specs_of_kind("Prompt"),
        *story.specs_of_kind("FineTune"),
        story.data.name,
    ]
    descriptions = {
        str(n): str(story.specs.get(str(n), {}).get("description") or "") for n in names
    }
    return [(name, text) for name, text in descriptions.items() if text]


def _step(story: ReleaseFacts, name: str) -> tuple[str, str, str]:
    """(name, kind, what was done) of one asset."""
    making, spec = story.materialisations[name], story.specs.get(name, {})
    shown_facts = {key: making.facts[key] for key in _TOLD if key in making.facts}
    details = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in shown_facts.items()
        if not isinstance(value, Mapping)
    ]
    return (
        name,
        making.kind,
        "; ".join([*_describe_spec(spec), *details, f"took {formatting.seconds(making.seconds)}"]),
    )


def _describe_spec(spec: SpecValues) -> list[str]:
    """What the spec asked for, in a few words."""
    if spec.get("kind") == "FineTune":
        train = spec["train"]
        options_set = {key: value for key, value in spec["options"].items() if value is not None}
        options = ", ".join(f"{key} {value}" for key, value in options_set.items())
        method = f"{spec['method']}{f' ({options})' if options else ''}"
        if "epochs" not in train:  # a head that was fitted at once
            return [method]
        rate = f"{train['epochs']:g} epochs at learning rate {train['learning_rate']:g}"
        return [method, rate]
    if spec.get("kind") == "Compression":
        targets = [f"for {target['runtime']}" for target in spec["targets"]]
        return [", ".join([*(str(step["type"]) for step in spec["steps"]), *targets])]
    return []


_TOLD = (
    "candidate", "technique", "origin", "steps", "C", "train_accuracy", "validation_accuracy",
    "rows_total", "rows", "precision", "seed", "tokens",
)  # fmt: skip
