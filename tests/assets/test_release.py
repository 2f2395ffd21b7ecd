"""A release in Dagster: the rollout's materialisation shows what came out, as its card."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from tests.adapters.streams import answer, contract, correct, take

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.control.bring_out_release import bring_out_release
from tidemill.control.rejected_releases import retry_release
from tidemill.control.trigger_runs import run_outcome
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import CandidateRejected, GateFailed, ServiceError, TidemillError
from tidemill.home import Home
from tidemill.pipeline.release import compose
from tidemill.records import RolloutUpdate
from tidemill.report import gather
from tidemill.report.page import page
from tidemill.report.resolve_name import resolve_name
from tidemill.report.verdict import verdict
from tidemill.spec.rollout import Rollout
from tidemill_assets import display
from tidemill_assets.steering import release


@pytest.fixture
def trained(home: Home, tiny_encoder: Path) -> Home:
    """The project with real weights, everything made that a release needs."""
    weights = home.settings.specs / "desk" / "weights"
    shutil.rmtree(weights)
    shutil.copytree(tiny_encoder, weights)
    builder = home.builder("desk")
    for name in ("rows", "encoder", "tune", "quality"):
        builder.materialise(name)
    return home


def test_the_rollout_shows_the_card_of_the_release_it_asks_for(trained: Home) -> None:
    shown = release(trained, trained.builder("desk"), "release", dg.build_asset_context())
    card = shown.metadata["card"]
    (record,) = trained.ledger.materialisations.releases("desk")
    assert isinstance(card, dg.MarkdownMetadataValue)
    assert card.value is not None
    assert card.value.startswith(f"# desk, release {record.digest[7:19]}")
    assert "| accuracy | all |" in card.value


def test_what_is_live_is_not_asked_for_and_what_was_rolled_back_does_not_come_again(
    trained: Home,
) -> None:
    builder, rollouts = trained.builder("desk"), trained.ledger.rollouts
    rollout = builder.project.spec("release", Rollout)
    now = trained.clock.now()
    first = bring_out_release(trained, builder, rollout)
    (asked,) = rollouts.in_progress("desk")
    rollouts.record_decision(asked.id, RolloutUpdate("done", "well", state="live"), now)
    again = bring_out_release(trained, builder, rollout)
    rollouts.record_decision(asked.id, RolloutUpdate("x", "5 % errors", state="rolled_back"), now)
    with pytest.raises(CandidateRejected, match=r"was rolled back on .* UTC: 5 % errors; change"):
        bring_out_release(trained, builder, rollout)
    retried = retry_release(trained, "desk", "ada")

    assert first.message.endswith("asked for its traffic")
    assert again.message.endswith("is live already: nothing of it changed")
    assert retried.release == first.record.digest
    assert bring_out_release(trained, builder, rollout).record.digest == first.record.digest
    shutil.rmtree(trained.release_folder(first.record.digest))
    rollouts.record_decision(retried.id, RolloutUpdate("x", "errors", state="rolled_back"), now)
    with pytest.raises(ServiceError, match=r"is not in .* any more; change the data"):
        retry_release(trained, "desk", "ada")


def test_a_firing_without_a_changed_row_trains_nothing_and_moves_no_traffic(
    trained: Home,
) -> None:
    builder, ledger = trained.builder("desk"), trained.ledger
    rollout = builder.project.spec("release", Rollout)
    first = bring_out_release(trained, builder, rollout).record
    (asked,) = ledger.rollouts.in_progress("desk")
    live = RolloutUpdate("done", "well", state="live")
    ledger.rollouts.record_decision(asked.id, live, trained.clock.now())
    stream = contract(topic="desk.feedback", service="desk")
    said = replace(correct(1, consent=False), topic="desk.feedback")
    take(ledger.events, MemoryBus(), [answer(1, service="desk"), said], desk=stream)
    frozen = ledger.feedback.frozen_offsets("desk.feedback")
    decision = TriggerVerdict(True, "1 of 1 new rows")
    fired = ledger.trigger_decisions.add(
        "desk", "again", decision, frozen, ["release"], trained.clock.now()
    )

    for name in ("rows", "encoder", "tune", "quality"):
        builder.materialise(name, run="run-2", offsets=frozen)
    again = bring_out_release(trained, builder, rollout)

    built = [one for one in ledger.materialisations.history("desk") if one.run_id == "run-2"]
    assert fired is not None
    assert [one.name for one in built] == ["rows"]
    assert built[0].facts["offsets"] == frozen
    assert built[0].facts["quarantined"] == 1
    assert again.record.digest == first.digest
    assert again.message.endswith("is live already: nothing of it changed")
    assert ledger.rollouts.in_progress("desk") == []
    outcome = run_outcome(ledger.materialisations, fired, "run-2")
    assert outcome == "no row changed: nothing was trained"


def test_an_evaluation_that_missed_its_gate_has_a_report_of_its_own(trained: Home) -> None:
    path = trained.settings.specs / "desk" / "quality.yaml"
    gate = "gates: [{type: at_least, metric: accuracy, value: 1.0}]\n"
    path.write_text(path.read_text() + gate)
    home = Home(trained.settings)
    builder = home.builder("desk")
    builder.materialise("quality")
    with pytest.raises(GateFailed):
        compose(builder, builder.project.spec("release", Rollout))

    record = resolve_name(home, "quality").release
    assert record is not None
    story = gather.gather_release(home, record)
    assert verdict(story).sentence.startswith("Missed 1 gate of 1: accuracy")
    assert verdict(story).tone == "bad"
    assert "Report of a candidate" in page(story)
    assert home.ledger.materialisations.releases() == []


def test_an_evaluation_that_releases_nothing_says_so(trained: Home) -> None:
    path = trained.settings.specs / "desk" / "yardstick.yaml"
    other = (trained.settings.specs / "desk" / "quality.yaml").read_text()
    path.write_text(other.replace("name: quality", "name: yardstick"))

    with pytest.raises(TidemillError, match="no Rollout is judged by 'yardstick'"):
        resolve_name(Home(trained.settings), "yardstick")


def test_a_shadow_release_with_nothing_live_says_at_once_that_it_waits(trained: Home) -> None:
    path = trained.settings.specs / "desk" / "rollout.yaml"
    text = path.read_text()
    path.write_text(text.replace("percent: 100", "percent: 0") + "mode: shadow\n")
    home = Home(trained.settings)
    messages: list[str] = []

    def listen(message: str, *, done: float | None = None, total: float | None = None) -> None:
        messages.append(message)

    display.listeners.append(listen)
    try:
        release(home, home.builder("desk"), "release", dg.build_asset_context())
    finally:
        display.listeners.remove(listen)

    assert "asked for its traffic; it waits: `mode: shadow` copies the requests" in messages[-1]
    assert "set `mode: canary`" in messages[-1]
