"""Bringing releases up beside the ticks: one attempt a release, and patience after a failure."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from tidemill.errors import ServiceError
from tidemill.ports import Arm, Clock, Deployer
from tidemill.records import RolloutRecord

PATIENCE = 0.3
"""Seconds a tick waits for a release to come up; then it looks again at the next tick."""


@dataclass
class Attempt:
    """Bringing one release up."""

    future: Future[Arm] | None = None
    failures: int = 0
    again: datetime | None = None


@dataclass
class Starts:
    """Attempts by (service, release)."""

    clock: Clock
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))
    _attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)

    def up(self, walking: RolloutRecord, deployer: Deployer) -> Arm | None:
        """The arm once it is ready, None while it comes up; raises ServiceError where it cannot."""
        attempt = self._attempt(walking)
        now = self.clock.now()
        if attempt.future is None:
            if attempt.again is not None and now < attempt.again:
                return None
            attempt.future = self._pool.submit(
                deployer.start, walking.service, walking.release, Path(walking.release_folder)
            )
        if not wait([attempt.future], PATIENCE).done:
            return None
        future, attempt.future = attempt.future, None
        try:
            arm = future.result()
        except ServiceError:
            attempt.failures += 1
            attempt.again = now + timedelta(seconds=min(30, 2**attempt.failures))
            raise
        attempt.failures, attempt.again = 0, None
        return arm

    def failures(self, walking: RolloutRecord) -> int:
        """How often in a row it did not come up."""
        return self._attempt(walking).failures

    def forget(self, service: str, release: str) -> None:
        """It was stopped: the next start is a new one."""
        self._attempts.pop((service, release), None)

    def close(self) -> None:
        """Let starts that run come to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _attempt(self, walking: RolloutRecord) -> Attempt:
        return self._attempts.setdefault((walking.service, walking.release), Attempt())
