"""What runs do as lifecycle events: an asset is built, a check stops it, it fails, a run ends.

One run tells of one failure: all its failures have the same event id, and the first says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidemill.control.lifecycle_events import announce
from tidemill.errors import EquivalenceBroken, GateFailed, TidemillError
from tidemill.events import LifecycleKind
from tidemill.home import Home
from tidemill.pipeline.context import BuildResult
from tidemill.records import SYNC_TRIGGER, TriggerDecision
from tidemill.spec.base import Spec


@dataclass(frozen=True)
class BuildEvents:
    """Publishes what happens to one asset in one run."""

    home: Home
    project: str
    spec: Spec
    run: str
    log: str
    """Folder with what the run printed."""

    def announce_start(self) -> None:
        """It is built and not reused; only of a fine-tune, which takes long, is this an event."""
        if self.spec.kind == "FineTune":
            self._announce("training-started", f"run/{self.run}/{self.spec.name}/started")

    def announce_result(self, result: BuildResult) -> None:
        """It was built or reused, and its checks were made."""
        failed = [check for check in result.checks if check.blocking and not check.passed]
        if failed:
            reason = "; ".join(check.message or check.name for check in failed)
            self._announce("checks-failed", self._failure, reason=reason)
        digest = result.artefact.digest
        if result.reused:
            return
        if self.spec.kind == "Dataset":
            facts = {name: result.facts.get(name) for name in ("rows", "contested")}
            key = f"dataset/{self.spec.name}/{digest[7:39]}"
            self._announce("dataset-built", key, digest=digest, **facts)
        elif self.spec.kind == "FineTune":
            key = f"run/{self.run}/{self.spec.name}/finished"
            self._announce("training-finished", key, digest=digest)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Publishes an error of the block, which goes on its way."""
        try:
            yield
        except (GateFailed, EquivalenceBroken) as error:
            self._announce("checks-failed", self._failure, reason=str(error))
            raise
        except TidemillError as error:
            self._announce("run-failed", self._failure, reason=str(error), log=self.log)
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._announce("run-failed", self._failure, reason=reason, log=self.log)
            raise

    @property
    def _failure(self) -> str:
        return _failure_id(self.run)

    def _announce(self, what: LifecycleKind, key: str, **facts: Any) -> None:
        name, kind = self.spec.name, self.spec.kind
        announce(self.home, what, self.project, name, key=key, run=self.run, kind=kind, **facts)


def announce_end(home: Home, decided: TriggerDecision, run: str, *, failure: str = "") -> None:
    """Publish that the run of a decision ended: finished, or failed for a reason.

    To be called before the ledger says so, so that a process that is killed in between tells it
    again, not never.
    """
    if failure:
        key, name = _failure_id(run or decided.key), decided.trigger
        announce(home, "run-failed", decided.project, name, key=key, run=run, reason=failure)
        return
    by_sync = decided.trigger == SYNC_TRIGGER
    announce(
        home,
        "run-finished",
        decided.project,
        decided.trigger,
        key=f"decision/{decided.key}/finished",
        run=run,
        cause="Git sync" if by_sync else f"trigger '{decided.trigger}'",
        reason=decided.reason,
        assets=list(decided.assets),
    )


def _failure_id(run: str) -> str:
    return f"run/{run}/failed"
