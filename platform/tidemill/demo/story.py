"""The story: a release, a shift of the world, feedback, a retrain, a canary, a better model."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.demo.crowd import SERVICE, TOPIC, Answered, Crowd, rows
from tidemill.demo.report import compose
from tidemill.demo.stage import Stage
from tidemill.errors import ServiceError
from tidemill.lineage.upstream import trace
from tidemill.pipeline.context import Say
from tidemill.records import TriggerDecision

PROJECT = "support-chat"


@dataclass
class Story:
    """One telling of the story on a stage."""

    stage: Stage
    crowd: Crowd
    sent: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    """What the report needs of each chapter."""

    @property
    def data(self) -> Path:
        """The project's data, among it what is not part of its dataset."""
        return self.stage.settings.specs / PROJECT / "data"

    def first_release(self) -> None:
        """Everything is made from nothing, passes its gates, and serves."""
        self.stage.tidemill("run", PROJECT)
        self.told["first"] = self.await_live(lambda digest: bool(digest), seconds=60)

    def ordinary_traffic(self) -> None:
        """Shoppers ask the usual things; some of what reaches the topic is broken or doubled."""
        self.sent += self.ask_and_rate(rows(self.data / "traffic.jsonl"))
        self.sent += self.noise()

    def quality(self, chapter: str) -> None:
        """How well requests of the new kind are understood; they are never trained on."""
        held_out = [row for row in rows(self.data / "shift.jsonl") if row["part"] == "held_out"]
        self.told[chapter] = self.crowd.quality(held_out)
        self.sent += len(held_out)
        found = self.told[chapter]
        self.stage.say(
            f"   understood {found['value']:.0%} of {found['rows']} new requests "
            f"({found['low']:.0%}–{found['high']:.0%})"
        )

    def shift(self) -> None:
        """Shoppers ask for something new; they thumb down, and agents correct."""
        self.sent += self.ask_and_rate(
            [row for row in rows(self.data / "shift.jsonl") if row["part"] == "sent"]
        )

    def trigger(self) -> None:
        """The feedback reaches the ledger, the trigger decides, and says why."""
        decision = self.stage.wait(
            "the trigger",
            lambda: next(iter(self.fired()), None),
            seconds=120,
            hint="see `tidemill trigger explain`, and the daemon's log in the home's run folder",
        )
        self.told["trigger"] = {"fired": True, "reason": decision.reason}
        self.stage.say(f"   {decision.reason}")

    def fired(self) -> list[TriggerDecision]:
        """Decisions of the project's trigger, newest first."""
        return self.stage.home.ledger.trigger_decisions.history(PROJECT, "retrain")

    def retrain(self) -> None:
        """The run that the trigger asked for; Dagster's daemon starts it, we watch the ledger."""
        seen: set[int] = set()
        newest = max(
            (m.id for m in self.stage.home.ledger.materialisations.history(PROJECT)), default=0
        )

        def released() -> bool:
            ledger = self.stage.home.ledger
            for making in reversed(list(ledger.materialisations.history(PROJECT, limit=30))):
                if making.id > newest and making.id not in seen:
                    seen.add(making.id)
                    self.stage.say(f"   {making.name}: {making.seconds:.0f} s")
            if self.fired()[0].state == "failed":
                raise ServiceError(f"the trigger's run failed: {self.fired()[0].message}")
            return len(ledger.materialisations.releases(SERVICE)) > 1

        self.stage.wait("the retrain", released, seconds=600, hint="see Dagster's UI")

    def canary(self) -> None:
        """The candidate earns its traffic while shoppers go on asking."""
        first = self.told["first"]
        asked = itertools.cycle(rows(self.data / "traffic.jsonl"))
        shares: list[float] = []
        until = time.monotonic() + 180
        randomness = random.Random(7)
        while self.stage.home.ledger.rollouts.live_release(SERVICE) == first:
            if time.monotonic() > until:
                raise ServiceError(
                    "the canary did not finish in 180 s; see `tidemill rollout status`"
                )
            row = next(asked)
            self.crowd.ask(row, subject=f"visitor-{randomness.randrange(10**9)}")
            self.sent += 1
            for walking in self.stage.home.ledger.rollouts.in_progress(SERVICE):
                if walking.percent and walking.percent not in shares:
                    shares.append(walking.percent)
                    self.stage.say(f"   candidate at {walking.percent:g} %")
        self.told["steps"] = shares
        self.told["second"] = self.stage.home.ledger.rollouts.live_release(SERVICE)

    def why(self) -> None:
        """From one answer back to commit, data and weights."""
        row = next(row for row in rows(self.data / "shift.jsonl") if row["part"] == "held_out")
        answered = self.crowd.ask(row)
        self.sent += 1
        self.stage.wait(
            "the answer's event",
            lambda: self.stage.home.ledger.service_metrics.inference_record(answered.response_id),
            seconds=30,
            hint="is ingest running? see `tidemill status`",
        )
        self.told["why"] = trace(self.stage.home, answered.response_id)

    def ask_and_rate(self, asked: list[dict[str, Any]]) -> int:
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

        bus = open_bus(self.stage.settings)
        broken = [b"not json", b'{"specversion": "1.0"}', json.dumps({"kind": "applause"}).encode()]
        bus.publish([Message(TOPIC, value) for value in broken])
        bus.close()
        return len(broken)

    def await_live(self, wanted: Callable[[str | None], bool], *, seconds: float) -> str:
        """The live release's digest, once it is the wanted one."""
        found: str = self.stage.wait(
            "the release to serve",
            lambda: (
                (live := self.stage.home.ledger.rollouts.live_release(SERVICE))
                and wanted(live)
                and self.crowd.served()
                and live
            ),
            seconds=seconds,
            hint="see `tidemill status` and the logs in the home's run folder",
        )
        return found


def tell(source: Path, folder: Path, *, keep: bool, say: Say) -> dict[str, Any]:
    """Play the whole demo; gives the report, which is also written to `folder/report.json`."""
    start = time.monotonic()
    stage = Stage.build(source, folder, say)
    story = Story(stage, Crowd(stage.settings))
    chapters: list[tuple[str, Callable[[], None]]] = [
        ("start the services", lambda: stage.tidemill("up")),
        ("make the first release", story.first_release),
        ("serve ordinary traffic", story.ordinary_traffic),
        ("measure the new kind of request", lambda: story.quality("before")),
        ("the world shifts: users correct", story.shift),
        ("the trigger decides", story.trigger),
        ("retrain on the enlarged data", story.retrain),
        ("walk the canary", story.canary),
        ("measure again", lambda: story.quality("after")),
        ("ask why", story.why),
    ]
    with stage.watched():
        try:
            for name, chapter in chapters:
                with stage.step(name):
                    chapter()
            return compose(story, seconds=time.monotonic() - start)
        finally:
            if not keep:
                with stage.step("stop the services"):
                    stage.tidemill("down")
