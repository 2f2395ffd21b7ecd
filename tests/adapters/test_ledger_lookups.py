"""Former builds by their rows, and candidates that were rejected, on every database."""

from __future__ import annotations

from dataclasses import replace

from tests.adapters.streams import MINUTE, NOW

from tidemill.adapters.ledger import Ledger
from tidemill.engine.release_record import SpecCommit
from tidemill.ports import Materialisation
from tidemill.records import RolloutUpdate

BUILT = Materialisation(
    project="shop",
    name="rows",
    kind="Dataset",
    version="sha256:v",
    spec_digest="sha256:s",
    artefact="sha256:first",
    steps={},
    inputs={},
    commit=SpecCommit(),
    tools={},
    measures=(),
    checks=(),
    facts={"rows_digest": "sha256:rows"},
    started_at=NOW,
    seconds=1.0,
)


def test_the_oldest_build_with_the_same_rows_is_found(ledger: Ledger) -> None:
    store = ledger.materialisations
    older = {"rows_total": 3}
    store.add(replace(BUILT, artefact="sha256:older", facts=older))
    first = store.add(BUILT)
    store.add(replace(BUILT, artefact="sha256:second"))
    store.add(replace(BUILT, name="others", artefact="sha256:other"))

    assert store.first_with_rows("shop", "rows", "sha256:rows") == first
    assert store.first_with_rows("shop", "rows", "sha256:none") is None


def test_a_release_is_rejected_while_its_newest_rollout_is(ledger: Ledger) -> None:
    rollouts = ledger.rollouts
    for number, state in enumerate(("rolled_back", "failed", "superseded", "live")):
        key = rollouts.request("chat", f"sha256:{number}", "folder", {}, NOW)
        rollouts.record_decision(key, RolloutUpdate("x", "errors", state=state), NOW + MINUTE)  # type: ignore[arg-type]

    assert sorted(rollouts.rejected_rollouts()) == ["sha256:0", "sha256:1"]
    assert rollouts.rejected_rollouts()["sha256:0"].finished_at == NOW + MINUTE
    rollouts.request("chat", "sha256:0", "folder", {}, NOW)
    assert sorted(rollouts.rejected_rollouts()) == ["sha256:1"]
