"""What happens to one asset in a run, as lifecycle events: built, stopped by a check, failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tidemill.control.lifecycle_events import announce
from tidemill.control.run_events import failure_id
from tidemill.errors import EquivalenceBroken, GateFailed, TidemillError
from tidemill.events import LifecycleKind
from tidemill.home import Home
from tidemill.pipeline.context import BuildResult
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
    command: str = ""
    """What helps after a failure; building the asset in the foreground without it."""

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
        if result.reused:
            return
        digest = result.artefact.digest
        if self.spec.kind == "Dataset":
            facts = {name: result.facts.get(name) for name in ("rows", "contested")}
            key = f"dataset/{self.project}/{self.spec.name}/{digest[7:23]}"
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
            self._announce_failure(str(error))
            raise
        except Exception as error:
            self._announce_failure(f"{type(error).__name__}: {error}")
            raise

    def _announce_failure(self, reason: str) -> None:
        facts = {"command": self.command} if self.command else {}
        self._announce("run-failed", self._failure, reason=reason, log=self.log, **facts)

    @property
    def _failure(self) -> str:
        return failure_id(self.run)

    def _announce(self, what: LifecycleKind, key: str, **facts: Any) -> None:
        name, kind = self.spec.name, self.spec.kind
        announce(self.home, what, self.project, name, key=key, run=self.run, kind=kind, **facts)
