"""The in-memory twin of a deployer: releases are entries of a dictionary, traffic is told to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from tidemill.errors import ServiceError
from tidemill.ports import Arm, ArmHealth


class MemoryDeployer:
    """Runs nothing; `record_health` plays the traffic."""

    def __init__(self) -> None:
        self.running: dict[str, dict[str, Path]] = defaultdict(dict)
        self.arms: dict[str, tuple[Arm, ...]] = {}
        self.shadow: dict[str, bool] = {}
        self._records: dict[tuple[str, str], list[tuple[datetime, ArmHealth]]] = defaultdict(list)

    def start(self, service: str, release: str, folder: Path) -> Arm:
        """Bring a release up at 0 %; one that runs already stays as it is."""
        if not folder.is_dir():
            raise ServiceError(f"{service}: there is no release folder {folder}")
        self.running[service][release] = folder
        return Arm(release, 0.0, f"memory://{service}/{release}")

    def set_traffic(self, service: str, arms: Sequence[Arm], *, shadow: bool = False) -> None:
        """Set the shares; the first arm is the live one."""
        for arm in arms:
            if arm.release not in self.running[service]:
                raise ServiceError(
                    f"{service}: release {arm.release} is not running; start it first"
                )
        self.arms[service], self.shadow[service] = tuple(arms), shadow

    def health(self, service: str, since: datetime) -> Mapping[str, ArmHealth]:
        """The newest recorded health of each release since a moment."""
        newest: dict[str, ArmHealth] = {}
        for (name, release), records in self._records.items():
            recent = [health for at, health in records if at >= since]
            if name == service and recent:
                newest[release] = recent[-1]
        return newest

    def stop(self, service: str, release: str) -> None:
        """Take a release down; it must have no traffic."""
        if any(arm.release == release and arm.percent > 0 for arm in self.arms.get(service, ())):
            raise ServiceError(
                f"{service}: release {release} still has traffic; move the traffic first"
            )
        self.running[service].pop(release, None)
        others = (arm for arm in self.arms.get(service, ()) if arm.release != release)
        self.arms[service] = tuple(others)

    def record_health(self, service: str, release: str, at: datetime, health: ArmHealth) -> None:
        """Record what an arm did up to a moment."""
        self._records[service, release].append((at, health))
