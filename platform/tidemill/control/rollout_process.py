"""The rollout controller as a process: on the ledger and the gateway of one home."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

from sqlalchemy.exc import DBAPIError

from tidemill import entry_points
from tidemill.adapters.clock import SystemClock
from tidemill.adapters.forge import open_forge
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.local.deployer import LocalDeployer
from tidemill.control.approvals import Agreement
from tidemill.control.cluster_deployer import elsewhere
from tidemill.control.lifecycle_events import lifecycle_publisher, notification_outbox
from tidemill.control.notification_delivery import SenderThread
from tidemill.control.rollout_controller import Controller
from tidemill.control.rollout_events import rollout_events
from tidemill.control.shadow_answers import shadow_pairs
from tidemill.engine.rollout_state import RolloutState
from tidemill.engine.sequential import RatingSummary, SubjectRatings
from tidemill.errors import TidemillError
from tidemill.records import RolloutRecord
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

    def __call__(
        self, walking: RolloutRecord, state: RolloutState, rollout: Rollout
    ) -> RatingSummary:
        """What was rated since the first step, and whom each arm met in the present one."""
        if rollout.quality is None or state.step < 0:
            return RatingSummary()
        share = self._share(walking.service)
        rated = [
            SubjectRatings(
                rating.subject,
                rating.release == state.candidate,
                rating.ratings,
                rating.total,
                step,
            )
            for step, release, since, until in self._periods(walking, state, rollout)
            for rating in self.ledger.service_metrics.ratings(
                walking.service, rollout.quality.metric, since, until, share=share
            )
            if rating.release == release
        ]
        met = self.ledger.service_metrics.subject_counts(walking.service, state.step_started)
        return RatingSummary(
            tuple(rated), met.get(state.live or "", 0), met.get(state.candidate, 0)
        )

    def _periods(
        self, walking: RolloutRecord, state: RolloutState, rollout: Rollout
    ) -> Iterator[tuple[int, str, datetime, datetime | None]]:
        """Step, release, begin and end of each time in which a release's ratings count.

        In a watch only the candidate is rated. Its ratings are one step more, and stand beside
        those that the former release got before the rollout, over as long a time as the watch.
        """
        decisions = self.ledger.rollouts.decisions(walking.id)
        begun = [decision.decided_at for decision in decisions if decision.decision == "promote"]
        starts = begun[-(state.step + 1) :]
        is_watched, live = state.status == "watched", state.live or ""
        ends = [*starts[1:], state.step_started if is_watched else None]
        for step, (since, until) in enumerate(zip(starts, ends, strict=True)):
            yield step, state.candidate, since, until
            yield step, live, since, until
        if is_watched and starts:
            watch = state.step + 1
            yield watch, live, starts[0] - rollout.watch, starts[0]
            yield watch, state.candidate, state.step_started, None

    def _share(self, service: str) -> float:
        """The largest weight of one subject that the service's streams allow."""
        try:
            projects = load(self.settings.specs).projects.values()
        except TidemillError:
            return CAUTIOUS
        streams = [s for p in projects for s in p.specs.values() if isinstance(s, Feedback)]
        shares = [s.max_weight_per_subject for s in streams if s.service == service]
        return min(shares, default=CAUTIOUS)


def forgetting(home: Path) -> Callable[[RolloutRecord], None]:
    """Removes the folder of a release that is not kept ready any more.

    Its artefacts stay in the store: to run its commit again brings the folder back at once.
    """

    def forget(walking: RolloutRecord) -> None:
        folder = Path(walking.release_folder)
        if folder.resolve().parent == (home / "releases").resolve():
            shutil.rmtree(folder, ignore_errors=True)

    return forget


def main() -> None:
    """Tick until told to stop; only one controller works on a ledger at a time."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with entry_points.exit_with_message():
        run(Settings.read())


def run(settings: Settings) -> None:
    """Tick until the process gets a signal."""
    clock, stopping = SystemClock(), Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    ledger = Ledger.open(settings.ledger_url)
    gateway = f"http://{settings.host}:{settings.gateway_port}"
    deployer = LocalDeployer(settings.home, gateway, settings.brokers)
    publisher = lifecycle_publisher(settings.brokers)
    outbox = notification_outbox(ledger.notifications, settings.notify)
    sender = SenderThread(ledger, settings.notify, clock)
    controller = Controller(
        ledger=ledger.rollouts,
        deployer=deployer,
        clock=clock,
        ratings=Rates(ledger, settings),
        pairs=shadow_pairs(ledger),
        tell=rollout_events(publisher, outbox),
        elsewhere=elsewhere(ledger, settings),
        agreement=Agreement(ledger, settings, clock, lambda: open_forge(settings)),
        forget=forgetting(settings.home),
    )
    owner = f"{socket.gethostname()}:{settings.home}"

    def turn() -> None:
        if ledger.leases.acquire("controller", owner, LEASE, clock.now()):
            controller.tick()

    sender.start()
    trouble = ""
    while not stopping.wait(TICK):
        with suppress(KeyboardInterrupt):
            trouble = waited_out(turn, trouble)
    controller.close()
    sender.close()
    publisher.close()


def waited_out(turn: Callable[[], None], trouble: str) -> str:
    """Take one turn; gives what the ledger has against it, told once: a full disk or a database
    that is away ends, and a process that ended each time would be started more and more slowly."""
    try:
        turn()
    except DBAPIError as error:
        if str(error.orig) != trouble:
            log.warning("ledger unavailable: %s; retrying", error.orig)
        return str(error.orig)
    if trouble:
        log.info("going on")
    return ""


if __name__ == "__main__":
    main()
