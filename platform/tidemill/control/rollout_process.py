"""The rollout controller as a process: on the ledger and the gateway of one home."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event

from sqlalchemy.exc import DBAPIError

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.forge import open_forge
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.ledger.rollouts import Change, Walking
from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.control.approvals import Agreement
from tidemill.control.cluster_deployer import elsewhere
from tidemill.control.rollout_controller import Controller
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import Rated, RatingSummary
from tidemill.errors import TidemillError
from tidemill.events import LIFECYCLE_TOPIC, Happening, Lifecycle, binary
from tidemill.events import Event as CloudEvent
from tidemill.pipeline.release_folder import Release
from tidemill.ports import Bus, Message
from tidemill.settings import Settings
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import load
from tidemill.spec.rollout import Rollout

TICK = 0.5
LEASE = timedelta(seconds=30)
CAUTIOUS = 0.05
"""Largest weight of one subject where the specs cannot be read."""
log = logging.getLogger(__name__)


class Rates:
    """Users' ratings of a rollout's two releases, step by step, from the ledger."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self.ledger, self.settings = ledger, settings

    def __call__(self, walking: Walking, state: RolloutState, rollout: Rollout) -> RatingSummary:
        """What was rated since the first step, and whom each arm met in the present one."""
        if rollout.quality is None or state.step < 0:
            return RatingSummary()
        steps = self.ledger.rollouts.steps(walking.id)
        begun = [step["at"] for step in steps if step["decision"] == "promote"]
        starts = begun[-(state.step + 1) :]
        share = self._share(walking.service)
        rated = [
            Rated(one.subject, one.release == state.candidate, one.ratings, one.total, step)
            for step, (since, until) in enumerate(zip(starts, [*starts[1:], None], strict=True))
            for one in self.ledger.events.ratings(
                walking.service, rollout.quality.metric, since, until, share=share
            )
            if one.release in (state.candidate, state.live)
        ]
        met = self.ledger.events.subjects(walking.service, state.step_started)
        return RatingSummary(
            tuple(rated), met.get(state.live or "", 0), met.get(state.candidate, 0)
        )

    def _share(self, service: str) -> float:
        """The largest weight of one subject that the service's streams allow."""
        try:
            projects = load(self.settings.specs).projects.values()
        except TidemillError:
            return CAUTIOUS
        streams = [s for p in projects for s in p.specs.values() if isinstance(s, Feedback)]
        shares = [s.max_weight_per_subject for s in streams if s.service == service]
        return min(shares, default=CAUTIOUS)


class Herald:
    """Writes lifecycle events; a broker that is down costs the event, never the decision."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self._bus: Bus | None = None

    def __call__(self, what: Happening, walking: Walking, change: Change) -> None:
        """Tell of one decision."""
        from tidemill.adapters.kafka.bus import KafkaBus

        data = Lifecycle(
            what=what,
            project=Release.read(Path(walking.folder)).project,
            name=walking.spec["name"],
            digest=walking.release,
            facts={"decision": change.decision, "reason": change.reason, "percent": change.percent},
        )
        event = CloudEvent(data, source=f"/services/{walking.service}")
        try:
            self._bus = self._bus or KafkaBus(self.brokers)
            self._bus.publish([Message(LIFECYCLE_TOPIC, **binary(event))])
        except TidemillError as error:
            log.warning("no lifecycle event written: %s", error)


def forgetting(home: Path) -> Callable[[Walking], None]:
    """Removes the folder of a release that is not kept ready any more.

    Its artefacts stay in the store: to run its commit again brings the folder back at once.
    """

    def forget(walking: Walking) -> None:
        folder = Path(walking.folder)
        if folder.resolve().parent == (home / "releases").resolve():
            shutil.rmtree(folder, ignore_errors=True)

    return forget


def main() -> None:
    """Tick until told to stop; only one controller works on a ledger at a time."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings, clock, stopping = Settings.read(), SystemClock(), Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ledger = Ledger.open(settings.ledger_url)
    gateway = f"http://{settings.host}:{settings.gateway_port}"
    deployer = LocalDeployer(settings.home, gateway, settings.brokers)

    tell = Herald(settings.brokers)
    controller = Controller(
        ledger.rollouts,
        deployer,
        clock,
        Rates(ledger, settings),
        tell,
        elsewhere(ledger, settings),
        Agreement(ledger, settings, clock, lambda: open_forge(settings)),
        forgetting(settings.home),
    )
    owner = f"{socket.gethostname()}:{settings.home}"

    def turn() -> None:
        if ledger.leases.acquire("controller", owner, LEASE, clock.now()):
            controller.tick()

    trouble = ""
    while not stopping.wait(TICK):
        with suppress(KeyboardInterrupt):
            trouble = waited_out(turn, trouble)
    controller.close()


def waited_out(turn: Callable[[], None], trouble: str) -> str:
    """Take one turn; gives what the ledger has against it, told once: a full disk or a database
    that is away ends, and a process that ended each time would be started more and more slowly."""
    try:
        turn()
    except DBAPIError as error:
        if str(error.orig) != trouble:
            log.warning("the ledger cannot be used: %s; waiting", error.orig)
        return str(error.orig)
    if trouble:
        log.info("going on")
    return ""


if __name__ == "__main__":
    main()
