"""Release records for tests: what a test does not say is filled in."""

from __future__ import annotations

from typing import Any

from tidemill.engine.release_record import ReleaseRecord

_MEASURE = {"value": 0.5, "low": 0.4, "high": 0.6, "rows": 10}
_CHECK = {"name": "gate", "passed": True}
_ARTEFACT = {"kind": "model", "bytes": 1}


def release_record(**values: Any) -> ReleaseRecord:
    """A record from the JSON values of the ledger, each with its defaults."""
    evaluation = {"name": "judged", "digest": "sha256:e", **values.pop("evaluation", {})}
    evaluation["measures"] = [{**_MEASURE, **one} for one in evaluation.get("measures", ())]
    evaluation["checks"] = [{**_CHECK, **one} for one in evaluation.get("checks", ())]
    artefacts = values.pop("artefacts", {})
    return ReleaseRecord.from_dict(
        {
            "digest": "sha256:r",
            "project": "shop",
            "service": "shop",
            "rollout": "rollout",
            "specs": {},
            "model": "",
            "bases": [],
            "dataset": {"name": "rows", "digest": "sha256:d"},
            "evaluation": evaluation,
            "artefacts": {name: {**_ARTEFACT, **one} for name, one in artefacts.items()},
            **values,
        }
    )
