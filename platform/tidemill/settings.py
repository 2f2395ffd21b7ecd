"""Every setting that comes from the environment, in one place; secrets come from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.errors import TidemillError, suggest

LOOPBACK = "127.0.0.1"
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True)
class KafkaSecurity:
    """How clients and brokers prove themselves to each other; in plain text without any of it."""

    protocol: str = "PLAINTEXT"
    """TIDEMILL_KAFKA_SECURITY_PROTOCOL; SASL_SSL where a user name is given."""
    mechanism: str | None = None
    """TIDEMILL_KAFKA_SASL_MECHANISM, default SCRAM-SHA-512."""
    username: str | None = None
    """TIDEMILL_KAFKA_USERNAME."""
    password: str | None = field(default=None, repr=False)
    """TIDEMILL_KAFKA_PASSWORD. Never logged."""
    ca_file: str | None = None
    """TIDEMILL_KAFKA_CA_FILE: who signed the brokers' certificates; the system's list without."""
    cert_file: str | None = None
    """TIDEMILL_KAFKA_CERT_FILE: this client's certificate (mutual TLS)."""
    key_file: str | None = None
    """TIDEMILL_KAFKA_KEY_FILE: its private key."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> KafkaSecurity:
        """From the environment; raises TidemillError for what cannot work together."""
        env = os.environ if environ is None else environ
        given = {
            name: env.get(f"TIDEMILL_KAFKA_{name.upper()}") or None
            for name in ("username", "password", "ca_file", "cert_file", "key_file")
        }
        files = any(given[name] for name in ("ca_file", "cert_file", "key_file"))
        usual = "SASL_SSL" if given["username"] else "SSL" if files else "PLAINTEXT"
        protocol = _one_of(env, "TIDEMILL_KAFKA_SECURITY_PROTOCOL", PROTOCOLS, usual)
        mechanism = _one_of(env, "TIDEMILL_KAFKA_SASL_MECHANISM", MECHANISMS, MECHANISMS[-1])
        sasl = protocol.startswith("SASL")
        found = cls(protocol, mechanism if sasl else None, **given)
        found._check()
        return found

    def _check(self) -> None:
        if self.mechanism and not (self.username and self.password):
            raise TidemillError(
                f"Kafka over {self.protocol} needs a user; set TIDEMILL_KAFKA_USERNAME and "
                "TIDEMILL_KAFKA_PASSWORD"
            )
        if bool(self.cert_file) != bool(self.key_file):
            raise TidemillError(
                "TIDEMILL_KAFKA_CERT_FILE and TIDEMILL_KAFKA_KEY_FILE go together; set both or none"
            )
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path and not Path(path).is_file():
                raise TidemillError(f"TIDEMILL_KAFKA_{name.upper()}: there is no file {path}")

    @property
    def options(self) -> dict[str, Any]:
        """As kafka-python's clients take it; holds the password."""
        found = {
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username if self.mechanism else None,
            "sasl_plain_password": self.password if self.mechanism else None,
            "ssl_cafile": self.ca_file,
            "ssl_certfile": self.cert_file,
            "ssl_keyfile": self.key_file,
        }
        return {name: value for name, value in found.items() if value is not None}


def _one_of(env: Mapping[str, str], name: str, known: tuple[str, ...], usual: str) -> str:
    value = (env.get(name) or usual).upper()
    if value not in known:
        raise TidemillError(f"{name} is '{value}'; {suggest(value, known)}")
    return value


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
    kafka: KafkaSecurity = KafkaSecurity()
    """TIDEMILL_KAFKA_*: TLS and credentials."""

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
            kafka=KafkaSecurity.read(env),
        )

    @property
    def brokers(self) -> str:
        """Where to find Kafka: the configured servers, or the embedded broker."""
        return self.bootstrap_servers or f"{LOOPBACK}:{self.broker_port}"

    @property
    def cache(self) -> Path:
        """Shared downloads and converted base models (TIDEMILL_CACHE shares it between homes)."""
        return Path(os.environ.get("TIDEMILL_CACHE") or self.home / "cache")
