"""The story: a release, a shift of the world, feedback, a retrain, a canary, a better model."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypedDict

import httpx

from tidemill.demo.crowd import BROKER_PATIENCE, TOPIC, Answered, Crowd, Quality, rows
from tidemill.demo.report import DemoReport, compose
from tidemill.demo.stage import PROJECT, SERVICE, Stage
from tidemill.errors import ServiceError, TidemillError
from tidemill.lineage.upstream import trace_upstream
from tidemill.progress import Progress
from tidemill.records import RolloutRecord, TriggerDecision
from tidemill.rows import DatasetRow

REQUESTS = 3000
"""Requests beside a candidate that has traffic, after which its rollout hangs; it needs 100."""


class TriggerResult(TypedDict):
    """What the trigger decided."""

    fired: bool
    reason: str


class Results(TypedDict, total=False):
    """What the chapters gave so far."""

    first: str
    """Digest of the first release."""
    before: Quality
    trigger: TriggerResult
    steps: list[float]
    """The candidate's traffic shares in per cent, in the order it had them."""
    second: str | None
    """Digest of the release that is live after the canary."""
    after: Quality
    why: dict[str, object]
    """The upstream lineage of one answer, as `why --json` has it."""


@dataclass
class Story:
    """One telling of the story on a stage."""

    stage: Stage
    crowd: Crowd
    sent: int = 0
    results: Results = field(default_factory=Results)
    """What the report needs of each chapter."""

    @property
    def data(self) -> Path:
        """The project's data, among it what is not part of its dataset."""
        return self.stage.settings.specs / PROJECT / "data"

    def first_release(self) -> None:
        """Everything is made from nothing, passes its gates, and serves."""
        self.stage.tidemill("run", PROJECT)
        self.results["first"] = self.stage.wait("the first release to serve", self.first_live)

    def ordinary_traffic(self) -> None:
        """Shoppers ask the usual things; some of what reaches the topic is broken or doubled."""
        self.sent += self.ask_and_rate(rows(self.data / "traffic.jsonl"))
        self.sent += self.noise()

    def quality(self, chapter: Literal["before", "after"]) -> None:
        """How well requests of the new kind are understood; they are never trained on."""
        held_out = [row for row in rows(self.data / "shift.jsonl") if row["part"] == "held_out"]
        self.results[chapter] = self.crowd.quality(held_out)
        self.sent += len(held_out)
        measured = self.results[chapter]
        self.stage.say(
            f"   understood {measured.value:.0%} of {measured.rows} new requests "
            f"({measured.low:.0%}–{measured.high:.0%})"
        )

    def shift(self) -> None:
        """Shoppers ask for something new; they thumb down, and agents correct."""
        self.sent += self.ask_and_rate(
            [row for row in rows(self.data / "shift.jsonl") if row["part"] == "sent"]
        )

    def trigger(self) -> None:
        """The feedback reaches the ledger, the trigger decides, and says why."""
        decision = self.stage.wait(
            "the trigger", lambda: next(iter(self.trigger_decisions()), None)
        )
        self.results["trigger"] = {"fired": True, "reason": decision.reason}
        self.stage.say(f"   {decision.reason}")

    def trigger_decisions(self) -> list[TriggerDecision]:
        """Decisions of the project's trigger, newest first."""
        return self.stage.home.ledger.trigger_decisions.history(PROJECT, "retrain")

    def retrain(self) -> None:
        """The run that the trigger asked for; Dagster's daemon starts it, we watch the ledger."""
        reported: set[int] = set()
        newest = max(
            (m.id for m in self.stage.home.ledger.materialisations.history(PROJECT)), default=0
        )

        def has_new_release() -> bool:
            ledger = self.stage.home.ledger
            for making in reversed(list(ledger.materialisations.history(PROJECT, limit=30))):
                if making.id > newest and making.id not in reported:
                    reported.add(making.id)
                    self.stage.say(f"   {making.name}: {making.seconds:.0f} s")
            if self.trigger_decisions()[0].state == "failed":
                raise ServiceError(self.trigger_decisions()[0].message)
            return len(ledger.materialisations.releases(SERVICE)) > 1

        self.stage.wait("the retrain", has_new_release)

    def canary(self) -> None:
        """The candidate earns its traffic while shoppers go on asking."""
        requests = itertools.cycle(rows(self.data / "traffic.jsonl"))
        shares: list[float] = []
        visitors, met = random.Random(7), 0
        pulse = self.stage.pulse("the canary")
        while not self.is_promoted():
            pulse.check()
            self.crowd.ask(next(requests), subject=f"visitor-{visitors.randrange(10**9)}")
            self.sent += 1
            for rollout in self.stage.home.ledger.rollouts.in_progress(SERVICE):
                met += rollout.percent > 0
                if met > REQUESTS:
                    raise ServiceError(
                        f"the canary still waits after {met} requests: {rollout.reason}"
                    )
                if rollout.percent and rollout.percent not in shares:
                    shares.append(rollout.percent)
                    self.stage.say(f"   candidate at {rollout.percent:g} %")
        self.results["steps"] = shares
        self.results["second"] = self.stage.home.ledger.rollouts.live_release(SERVICE)

    def first_live(self) -> str | None:
        """The live release's digest once the gateway serves it; raises ServiceError where it cannot
        be brought up."""
        rollouts = self.stage.home.ledger.rollouts
        for rollout in rollouts.newest(SERVICE, limit=1):
            _refuse_ended(rollout)
        live = rollouts.live_release(SERVICE)
        return live if live and self.crowd.is_served() else None

    def is_promoted(self) -> bool:
        """True once the candidate is live; raises ServiceError with the reason if it went back."""
        rollouts = self.stage.home.ledger.rollouts
        for rollout in rollouts.newest(SERVICE, limit=1):
            _refuse_ended(rollout)
        return bool(rollouts.live_release(SERVICE) != self.results["first"])

    def why(self) -> None:
        """From one answer back to commit, data and weights."""
        row = next(row for row in rows(self.data / "shift.jsonl") if row["part"] == "held_out")
        answered = self.crowd.ask(row)
        self.sent += 1
        self.stage.wait(
            "the answer's event",
            lambda: self.stage.home.ledger.service_metrics.inference_record(answered.response_id),
        )
        self.results["why"] = trace_upstream(self.stage.home, answered.response_id).to_dict()
        self.stage.wait("the events that are still under way", self.all_arrived)

    def all_arrived(self) -> bool:
        """True once every event that was sent is in the ledger or in quarantine."""
        counts = self.stage.home.ledger.events.event_counts()
        return counts["inference"] + counts["feedback"] + counts["quarantine"] >= self.sent

    def ask_and_rate(self, asked: list[DatasetRow]) -> int:
        """Ask each row and rate each answer; gives the number of events."""
        answers: list[Answered] = []
        for number, row in enumerate(asked, 1):
            answers.append(self.crowd.ask(row))
            self.stage.say("   requests", done=number, total=len(asked))
        return len(answers) + self.crowd.rate(answers)

    def noise(self) -> int:
        """Three events that are broken, and one that comes twice; gives how many were sent."""
        from tidemill.adapters.kafka import open_bus
        from tidemill.ports import Message

        bus = open_bus(self.stage.settings, timeout=BROKER_PATIENCE)
        broken = [b"not json", b'{"specversion": "1.0"}', json.dumps({"kind": "applause"}).encode()]
        bus.publish([Message(TOPIC, value) for value in broken])
        bus.close()
        return len(broken)


def _refuse_ended(rollout: RolloutRecord) -> None:
    if rollout.state in ("failed", "rolled_back") or rollout.awaits_person:
        raise ServiceError(f"release {rollout.release[7:19]} did not go live: {rollout.reason}")


def tell(source: Path, folder: Path, *, keep: bool, say: Progress) -> DemoReport:
    """Play the whole demo; gives the report, which is also written to `folder/report.json`."""
    stage = Stage.build(source, folder, say)
    with stage.track_memory():
        return play(Story(stage, Crowd(stage.settings)), keep=keep)


def play(story: Story, *, keep: bool) -> DemoReport:
    """Every chapter in its order, on a stage that is built; gives the report."""
    stage, start = story.stage, time.monotonic()
    chapters: list[tuple[str, Callable[[], None]]] = [
        ("start the services", lambda: stage.tidemill("up")),
        ("build the first release", story.first_release),
        ("serve ordinary traffic", story.ordinary_traffic),
        ("measure the new kind of request", lambda: story.quality("before")),
        ("data drift: users send corrections", story.shift),
        ("the trigger fires", story.trigger),
        ("retrain on the new data", story.retrain),
        ("roll out the canary", story.canary),
        ("measure again", lambda: story.quality("after")),
        ("trace one answer", story.why),
    ]
    with stopped_afterwards(stage, keep=keep):
        for name, chapter in chapters:
            with stage.step(name):
                chapter()
        return compose(story, seconds=time.monotonic() - start)


@contextmanager
def stopped_afterwards(stage: Stage, *, keep: bool) -> Iterator[None]:
    """Stop the services at the end, unless they are kept; where a step fails, say first where the
    logs are, and last why."""
    try:
        yield
    except (TidemillError, httpx.HTTPError) as error:
        if not keep:
            with suppress(TidemillError):
                stage.tidemill("down")
        raise TidemillError(
            f"the demo stopped at '{stage.steps[-1]['name']}'; its logs are kept in "
            f"{stage.settings.home / 'run'} and {stage.settings.home / 'dagster' / 'storage'}\n"
            f"{error}"
        ) from error
    except BaseException:
        if not keep:
            stage.tidemill("down")
        raise
    if not keep:
        with stage.step("stop the services"):
            stage.tidemill("down")
