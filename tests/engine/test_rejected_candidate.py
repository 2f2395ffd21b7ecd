"""A candidate that was rolled back does not come again from the same specs and rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tidemill.engine.rejected_candidate import CandidateOutcome, rejection
from tidemill.engine.release_record import (
    BaseModel,
    ReleasedArtefact,
    ReleasedDataset,
    ReleaseEvaluation,
    ReleaseRecord,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASE = ReleaseRecord(
    project="shop",
    service="chat",
    rollout="release",
    specs={"rows": "sha256:1", "tune": "sha256:2"},
    model="sha256:m",
    artefacts={"rows": ReleasedArtefact("sha256:d", "dataset", 1)},
    dataset=ReleasedDataset("rows", "sha256:d"),
    evaluation=ReleaseEvaluation("quality", "sha256:e"),
    bases=(BaseModel("base", "sha256:b"),),
).with_digest()
BAD = CandidateOutcome(RELEASE, "rolled_back", "errors 12 %, limit 5 %", NOW)


def test_a_candidate_that_was_rolled_back_is_refused_with_reason_time_and_way_out() -> None:
    assert rejection(RELEASE, [BAD]) == (
        f"release {RELEASE.digest[7:19]} was rolled back on 2026-03-01 12:00 UTC: errors 12 %, "
        "limit 5 %; change the data or a spec, or send it out once more with "
        "`tidemill rollout retry chat`"
    )


def test_another_evaluation_of_the_same_specs_and_rows_is_the_same_candidate() -> None:
    retrained = replace(RELEASE, model="sha256:n").with_digest()

    reason = rejection(retrained, [BAD])

    assert retrained.digest != RELEASE.digest
    assert reason is not None
    assert f"release {RELEASE.digest[7:19]}, of the same specs and rows, was rolled back" in reason


@pytest.mark.parametrize(
    "change",
    [
        {"specs": {"rows": "sha256:1", "tune": "sha256:3"}},
        {"dataset": ReleasedDataset("rows", "sha256:other")},
        {"artefacts": {"rows": ReleasedArtefact("sha256:other", "dataset", 1)}},
        {"bases": (BaseModel("base", "sha256:other"),)},
    ],
    ids=["specs", "tested rows", "trained rows", "base"],
)
def test_other_specs_rows_or_bases_are_another_candidate(change: dict[str, object]) -> None:
    assert rejection(replace(RELEASE, **change), [BAD]) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["requested", "running", "live", "retired", "superseded"])
def test_the_newest_rollout_of_the_same_inputs_counts(state: str) -> None:
    newer = replace(BAD, state=state)

    assert rejection(RELEASE, [newer, BAD]) is None
    assert rejection(RELEASE, [BAD, newer]) is not None


def test_a_candidate_that_did_not_start_says_so() -> None:
    reason = rejection(RELEASE, [replace(BAD, state="failed", reason="port 80 is taken")])

    assert reason is not None
    assert "did not start on 2026-03-01 12:00 UTC: port 80 is taken" in reason
