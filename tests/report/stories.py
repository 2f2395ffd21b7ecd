"""Releases to tell of: one of which all is known, one half lost, one bare, one that means harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.answer import Answer
from tidemill.engine.measurement import Check, Measure
from tidemill.engine.release_record import ReleaseRecord, SpecCommit
from tidemill.form import ModelForm
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.ports import Materialisation
from tidemill.records import RolloutDecisionRecord, RolloutRecord, RolloutSpec
from tidemill.report.build_facts import DatasetSummary
from tidemill.report.evaluation_files import EvaluationReport, FailureReport
from tidemill.report.release_facts import (
    ANSWERS,
    DATASET,
    FAILURES,
    MODEL,
    REPORT,
    DatasetFacts,
    ReleaseFacts,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RELEASE, MODEL_DIGEST, REPORT_DIGEST, ROWS = ("sha256:" + letter * 64 for letter in "abcd")
HOSTILE = "<script>alert(1)</script> [x](javascript:x) | `y` *z* {{ 7*7 }} https://evil.example @me"
GONE = "The bytes are not in this home."


def measure(metric: str, value: float, width: float = 0.1, **more: Any) -> dict[str, Any]:
    bounds = {"low": value - width, "high": value + width}
    return {"metric": metric, "value": value, **bounds, "rows": 60, "slice": None, **more}


MEASURES = [
    measure("accuracy", 0.8),
    measure("accuracy", 0.6, 0.2, slice="by e-mail", rows=9),
    measure("macro_f1", 0.75),
    measure("latency_p95", 0.3, 0.05),
    measure("size", 2.7e8, 0.0),
]
GATE = {
    "name": "accuracy_at_least",
    "passed": True,
    "blocking": True,
    "message": "accuracy 0.80 (0.70–0.90): the lower bound 0.70 reaches 0.50",
    "facts": {"name": "at_least_accuracy", "metric": "accuracy", "slice": None, "limit": 0.5},
}
HOP = {
    "step": "quantise", "kind": "int8", "rows": 24, "agreement": 0.95, "basis": "label",
    "low": 0.79, "high": 0.99, "texts": 0.9,
    "bytes": 2_000_000, "ratio": 0.5, "seconds": 2.0, "note": "", "accuracy lost": -0.01,
}  # fmt: skip


def baseline_score(name: str, value: float, gain: float, **more: Any) -> dict[str, Any]:
    known = {"title": name.replace("-", " "), "note": "always refund", "trivial": True}
    measures = {"measure": measure("accuracy", value), "gain": measure("accuracy", gain, 0.05)}
    return {"baseline": name, **known, **measures, **more}


TRIVIAL = {
    "metric": "accuracy",
    "model": 0.8,
    "scores": [
        baseline_score("majority", 0.3, 0.5),
        baseline_score("live", 0.9, -0.1, trivial=False, note="desk"),
    ],
    "absent": {"linear head on the frozen encoder": "it has no tokenizer"},
}
FORGETTING = {
    "margin": 0.02,
    "groups": [
        {
            "kind": "label", "name": "return", "metric": "accuracy", "rows": 30, "baseline": 0.8,
            "candidate": 0.8, "got_better": 2, "got_worse": ["r7", "r8"], "bound": -0.2,
            "fell": False,
        }
    ],
    "too_few_rows": {"label 'lost'": 4},
}  # fmt: skip
FELL = {
    "kind": "label", "name": "refund", "metric": "accuracy", "rows": 30, "baseline": 0.9,
    "candidate": 0.4, "got_better": 1, "got_worse": [f"r{i}" for i in range(16)], "bound": 0.2,
    "fell": True,
}  # fmt: skip


def making(name: str, kind: str, artefact: str = ROWS, **more: Any) -> Materialisation:
    known: dict[str, Any] = {
        "steps": {}, "inputs": {}, "commit": SpecCommit("f" * 40), "tools": {}, "measures": (),
        "checks": (), "facts": {},
    }  # fmt: skip
    return Materialisation(
        project="shop", name=name, kind=kind, version="v", spec_digest="s", artefact=artefact,
        started_at=NOW, seconds=12.5, id=len(name), **{**known, **more},
    )  # fmt: skip


def record(**more: Any) -> ReleaseRecord:
    item = {"kind": "int8", "bytes": 2_000_000, "meta": {}}
    values = {
        "digest": RELEASE,
        "project": "shop",
        "service": "desk",
        "rollout": "canary",
        "specs": dict.fromkeys(("base", "rows", "tune", "small", "canary"), "sha256:1"),
        "model": MODEL_DIGEST,
        "prompt": None,
        "artefacts": {
            "small": {"digest": MODEL_DIGEST, **item},
            "rows": {"digest": ROWS, **item, "kind": "dataset"},
        },
        "bases": [
            {
                "name": "base", "digest": "sha256:b", "sha256": "9" * 64,
                "source": {"type": "wheel", "package": "a-wheel", "version": "1"},
            }
        ],
        "dataset": {"name": "rows", "digest": ROWS, "offsets": {}, "rows": {}},
        "seed": 3,
        "commit": {
            "sha": "f" * 40, "author": "Ada <ada@example.com>", "when": NOW.isoformat(),
            "subject": "Answer politely", "dirty": False,
        },
        "evaluation": {
            "name": "quality", "digest": REPORT_DIGEST, "measures": MEASURES, "checks": [GATE],
        },
        "tools": {"torch": "2.13.0"},
        "approved_by": [],
        "created": NOW.isoformat(),
        **more,
    }  # fmt: skip
    return ReleaseRecord.from_dict(values)


def with_evaluation(release: ReleaseRecord, **changes: Any) -> ReleaseRecord:
    return replace(release, evaluation=replace(release.evaluation, **changes))


def specs() -> dict[str, dict[str, Any]]:
    return {
        "base": {"kind": "Model", "task": "sequence-classification", "licence": "Apache-2.0"},
        "rows": {
            "kind": "Dataset",
            "description": "What people ask.",
            "labels": {"language": "en", "licence": "CC0-1.0"},
            "format": "classification",
            "sources": [
                {"type": "file", "path": "rows.csv"},
                {"type": "feedback", "of": "stream", "kinds": ["correction"], "window": "86400s"},
            ],
            "clean": [{"type": "strip"}],
            "deduplicate": {"key": "text", "near": 0.8},
            "privacy": {
                "pii": "redact", "kinds": ["email"], "require_consent": True, "regions": [],
                "retention_days": 30, "holdout_subjects": 0.1,
            },
            "split": {"by": "stratified", "key": "label", "seed": 1},
        },
        "tune": {
            "kind": "FineTune", "description": "Knows the desks.", "base": "base",
            "method": "lora", "options": {"r": 8},
            "train": {"epochs": 2, "learning_rate": 0.001},
        },
        "small": {
            "kind": "Compression", "description": "In eight bits.",
            "steps": [{"type": "quantise"}], "targets": [{"runtime": "onnxruntime"}],
            "equivalence": {"min_agreement": 0.9},
        },
        "canary": {"kind": "Rollout", "of": "small", "description": "Ten, then all."},
    }  # fmt: skip


def answered(place: int, wanted: str, given: str, **more: Any) -> EvaluatedRow:
    known: dict[str, Any] = {
        "output": given, "seconds": 0.1 + 0.01 * place, "tokens_in": 0, "tokens_out": 1,
        "finish": "stop", "row": {"text": f"matter {place}"},
        "scores": {given: 0.5 + 0.04 * (place % 10), "other": 0.1},
    }  # fmt: skip
    return EvaluatedRow(
        id=f"r{place}", reference=Answer(wanted, wanted), answer=Answer(given, given),
        **{**known, **more},
    )  # fmt: skip


def answers() -> tuple[EvaluatedRow, ...]:
    wrong = [answered(place, "refund", "return") for place in range(5)]
    return (*wrong, *(answered(place, label, label) for place in range(5, 30)
                      for label in ("refund", "return")))  # fmt: skip


def failure(**more: Any) -> dict[str, Any]:
    known = {"asked": "where is my money", "wanted": "refund", "given": "return"}
    return {"id": "r1", **known, "valid": True, "cut_off": False, "accuracy": 0.0, **more}


def dataset_story() -> DatasetFacts:
    counts = {"train": {"refund": 20, "return": 20}, "test": {"refund": 4, "return": 30}}
    return DatasetFacts(
        project="shop",
        name="rows",
        digest=ROWS,
        spec=specs()["rows"],
        summary=DatasetSummary(
            rows={"train": 40, "validation": 0, "test": 34},
            columns=("id", "text", "label"),
            duplicates={"exact": 2, "near": 1},
            labels=counts,
            offsets={"desk.feedback/0": [0, 12]},
            pii={"email": 3},
            quarantined={"duplicate": 2, "no consent": 4},
        ),
        materialisation=making(
            "rows",
            "Dataset",
            checks=(
                Check("minimum", True, "74 rows"),
                Check("warn", False, "a short text", blocking=False),
            ),
            facts={"rows": {"train": 40, "test": 34}, "offsets": {"desk.feedback/0": 12}},
        ),
    )


STEP: dict[str, Any] = {
    "id": 1, "rollout": 1, "decided_at": NOW, "decision": "promote", "percent": 10.0,
    "reason": "it begins",
    "repeats": 3,
    "numbers": {"health": {"candidate": {"requests": 5, "error_rate": 0.0, "latency_p95": 0.2}}},
}  # fmt: skip


def rollout_record(**more: Any) -> RolloutRecord:
    values: dict[str, Any] = {
        "id": 1, "service": "desk", "release": RELEASE, "previous_release": RELEASE,
        "release_folder": "", "spec": RolloutSpec({}), "state": "live", "percent": 100.0,
        "rollout_state": None, "reason": "every step went well", "awaits_person": False,
        "command": None, "requested_at": NOW, "finished_at": NOW + timedelta(hours=1),
    }  # fmt: skip
    return RolloutRecord(**{**values, **more})


def full() -> ReleaseFacts:
    """A classifier of which everything is known."""
    curve = {
        "train": [[1, 2.0], [2, 1.5], [3, 1.0]], "validation": [[2, 1.4], [3, 1.2]],
        "unit": "nats per row",
    }  # fmt: skip
    tuned = {
        "steps": 3, "steps_planned": 3, "rows": 40, "train_loss": 1.0, "validation_loss": 1.2,
        "best_step": 3, "stopped_early": None, "resumed_from": None, "tokens": 900,
        "tokens_per_second": 90, "precision": "fp32", "seed": 3, "rows_truncated": 2,
        "rows_too_long": 0, "curve": curve,
    }  # fmt: skip
    chain = {
        "hops": [HOP, {**HOP, "step": "engine", "agreement": None, "note": "not run here"}],
        "rows": 24, "bytes": 2_000_000, "bytes_before": 4_000_000, "agreement": 0.95,
    }  # fmt: skip
    data = dataset_story()
    assert data.materialisation is not None
    return ReleaseFacts(
        release=record(),
        data=data,
        now=NOW,
        specs=specs(),
        materialisations={
            "rows": data.materialisation,
            "tune": making("tune", "FineTune", inputs={"base": "b", "rows": ROWS}, facts=tuned),
            "small": making(
                "small", "Compression", MODEL_DIGEST, facts=chain,
                checks=(Check("e", True, "alike"),),
            ),
        },
        report=EvaluationReport.from_dict({
            "rows": 60, "confidence": 0.95, "unreadable": 1, "cut_off": 0,
            "gains": [measure("accuracy", 0.2), measure("size", 0.0, 0.0)],
            "baseline": {"paired": 60, "asked_again": 4, "unpaired": 1},
            "trivial_baselines": TRIVIAL,
            "forgetting": FORGETTING,
        }),
        failures=FailureReport.from_dict({
            "clusters": [
                {
                    "wanted": "refund", "given": "return", "rows": 5, "share_of_label": 0.2,
                    "examples": ["where is my money"],
                }
            ],
            "failures": [failure()],
        }),
        answers=answers(),
        form=ModelForm("onnx", "sequence-classification", "int8", labels=("refund", "return")),
        rollout=rollout_record(),
        rollout_decisions=[RolloutDecisionRecord(**STEP)],
    )  # fmt: skip


def partial() -> ReleaseFacts:
    """The store was lost: the ledger's records are all there is."""
    whole = full()
    missing = dict.fromkeys((REPORT, ANSWERS, FAILURES, MODEL), GONE)
    makings = {
        "tune": making(
            "tune", "FineTune", facts={**whole.materialisations["tune"].facts, "curve": None}
        )
    }
    return replace(
        whole, specs={}, materialisations=makings, report=EvaluationReport(),
        failures=FailureReport(), answers=(), form=None,
        data=replace(whole.data, spec={}, summary=None, missing={DATASET: GONE}),
        missing=missing,
        rollout=rollout_record(state="running", awaits_person=True),
        rollout_decisions=(),
    )  # fmt: skip


def empty() -> ReleaseFacts:
    """A release with nothing but its record: no gates, no measures, nothing trained."""
    bare = record(
        bases=[], artefacts={}, specs={}, seed=None, commit={}, tools={},
        evaluation={"name": "quality", "digest": REPORT_DIGEST, "measures": [], "checks": []},
    )  # fmt: skip
    return ReleaseFacts(release=bare, data=DatasetFacts("shop", "rows", ROWS), now=NOW)


def forgotten() -> ReleaseFacts:
    """Of an older version: its records lack what nobody wrote down then."""
    whole = full()
    nothing = {
        name: replace(one, facts={}, checks=()) for name, one in whole.materialisations.items()
    }
    vague = [{**one, "low": None, "high": None} for one in MEASURES]
    lost = [{**one, "value": None} for one in vague]
    measures = tuple(map(Measure.from_dict, [*vague, *lost]))
    return replace(
        whole,
        release=with_evaluation(whole.release, measures=measures),
        materialisations=nothing,
        data=replace(
            whole.data,
            materialisation=nothing["rows"],
            summary=DatasetSummary.from_dict({"rows": {"train": 3}}),
        ),
        report=EvaluationReport.from_dict({"gains": lost, "baseline": None}),
        failures=FailureReport.from_dict({"failures": [], "clusters": None}),
        answers=tuple(replace(one, scores={}, seconds=0.0) for one in whole.answers),
        rollout_decisions=[RolloutDecisionRecord(**{**STEP, "numbers": None})],
    )


def hostile() -> ReleaseFacts:
    """Everything that people can write, written by somebody who means harm."""
    return poisoned(full())


def poisoned(story: ReleaseFacts) -> ReleaseFacts:
    release = with_evaluation(
        replace(story.release, commit=replace(story.release.commit, subject=HOSTILE)),
        checks=(Check.from_dict({**GATE, "message": HOSTILE}),),
        measures=tuple(Measure.from_dict({**one, "slice": HOSTILE}) for one in MEASURES),
    )
    told = {name: {**spec, "description": HOSTILE} for name, spec in story.specs.items()}
    told["rows"] = {**told["rows"], "sources": [{"type": "file", "path": HOSTILE}]}
    cluster = {"wanted": HOSTILE, "given": HOSTILE, "rows": 9, "examples": [HOSTILE]}
    words = {"words": HOSTILE, "rows": 3, "examples": [HOSTILE]}
    assert story.data.summary is not None
    summary = replace(
        story.data.summary, quarantined={HOSTILE: 1}, columns=(HOSTILE,),
        labels={"train": {HOSTILE: 3}}, pii={HOSTILE: 1},
    )  # fmt: skip
    evil = [answered(1, HOSTILE, HOSTILE), answered(2, HOSTILE, "x")]
    return replace(
        story,
        release=release,
        specs=told,
        data=replace(story.data, spec=told["rows"], summary=summary),
        report=EvaluationReport.from_dict(
            {
                "trivial_baselines": {
                    **TRIVIAL,
                    "absent": {HOSTILE: HOSTILE},
                    "scores": [baseline_score("majority", 0.9, -0.1, title=HOSTILE, note=HOSTILE)],
                },
                "forgetting": {
                    "margin": 0.02,
                    "groups": [{**FELL, "name": HOSTILE, "got_worse": ["r1"]}],
                    "too_few_rows": {HOSTILE: 1},
                },
            }
        ),
        failures=FailureReport.from_dict(
            {
                "clusters": [cluster, words],
                "failures": [failure(asked=HOSTILE, wanted=HOSTILE, given=HOSTILE)],
            }
        ),
        answers=evil,
        rollout=rollout_record(reason=HOSTILE),
        rollout_decisions=[RolloutDecisionRecord(**{**STEP, "reason": HOSTILE})],
    )


STORIES = {
    "full": full,
    "partial": partial,
    "empty": empty,
    "hostile": hostile,
    "forgotten": forgotten,
}
