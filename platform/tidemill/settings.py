"""Every setting that comes from the environment, in one place; secrets come from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """Where things are and how to reach them; make it with `Settings.read()`."""

    specs: Path
    """Folder of projects (TIDEMILL_SPECS, default `specs` below the working directory)."""
    home: Path
    """State (TIDEMILL_HOME, default `.tidemill` beside the specs)."""
    ledger_url: str
    """SQLAlchemy URL (TIDEMILL_LEDGER_URL, default SQLite below home)."""
    bootstrap_servers: str | None
    """Kafka brokers (TIDEMILL_BOOTSTRAP_SERVERS); None means the embedded broker."""
    host: str
    """Address that servers bind to (TIDEMILL_HOST, default loopback)."""
    gateway_port: int
    """TIDEMILL_GATEWAY_PORT, default 8600."""
    dagster_port: int
    """TIDEMILL_DAGSTER_PORT, default 8601."""
    broker_port: int
    """TIDEMILL_BROKER_PORT of the embedded broker, default 8602."""
    subject_key: bytes | None = field(repr=False)
    """TIDEMILL_SUBJECT_KEY: keys the hash of user ids. Never logged."""

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        specs: Path | None = None,
        home: Path | None = None,
    ) -> Settings:
        """Settings from the environment; `specs` and `home` from the caller win."""
        env = os.environ if environ is None else environ
        folder = (specs or Path(env.get("TIDEMILL_SPECS", "specs"))).resolve()
        home = Path(home or env.get("TIDEMILL_HOME") or folder.parent / ".tidemill").resolve()
        key = env.get("TIDEMILL_SUBJECT_KEY")
        return cls(
            specs=folder,
            home=home,
            ledger_url=env.get("TIDEMILL_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}",
            bootstrap_servers=env.get("TIDEMILL_BOOTSTRAP_SERVERS") or None,
            host=env.get("TIDEMILL_HOST", LOOPBACK),
            gateway_port=int(env.get("TIDEMILL_GATEWAY_PORT", "8600")),
            dagster_port=int(env.get("TIDEMILL_DAGSTER_PORT", "8601")),
            broker_port=int(env.get("TIDEMILL_BROKER_PORT", "8602")),
            subject_key=key.encode() if key else None,
        )

    @property
    def brokers(self) -> str:
        """Where to find Kafka: the configured servers, or the embedded broker."""
        return self.bootstrap_servers or f"{LOOPBACK}:{self.broker_port}"

    @property
    def cache(self) -> Path:
        """Shared downloads and converted base models (TIDEMILL_CACHE shares it between homes)."""
        return Path(os.environ.get("TIDEMILL_CACHE") or self.home / "cache")
