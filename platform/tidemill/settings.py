"""Every setting that comes from the environment, in one place; secrets come from nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self, cast

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


def _per_token(text: str) -> tuple[float, float]:
    read, _, written = text.partition("/")
    try:
        prices = float(read) / 1e6, float(written or read) / 1e6
    except ValueError:
        raise ValueError(f"TIDEMILL_REFLECTION_PRICE is '{text}', not like 0.15/0.60") from None
    if not all(0 <= price < float("inf") for price in prices):  # no limit would hold
        raise ValueError(f"TIDEMILL_REFLECTION_PRICE is '{text}', not finite prices of 0 or more")
    return prices


@dataclass(frozen=True)
class ReflectionSettings:
    """A model that reads what went wrong and writes better instructions."""

    model: str
    """Its name at that address (TIDEMILL_REFLECTION_MODEL)."""
    url: str
    """Address that speaks OpenAI's chat completions, up to `/v1` (TIDEMILL_REFLECTION_URL)."""
    key: str | None = field(default=None, repr=False)
    """TIDEMILL_REFLECTION_KEY. Never logged."""
    price: tuple[float, float] | None = None
    """Per token read and written (TIDEMILL_REFLECTION_PRICE, per million: `0.15/0.60`)."""

    @classmethod
    def read(cls, env: Mapping[str, str]) -> ReflectionSettings | None:
        """The reflection model's part of the environment; None where none is named."""
        model, url = env.get("TIDEMILL_REFLECTION_MODEL"), env.get("TIDEMILL_REFLECTION_URL")
        if not model or not url:
            return None
        key, price = env.get("TIDEMILL_REFLECTION_KEY"), env.get("TIDEMILL_REFLECTION_PRICE")
        return cls(model, url, key or None, _per_token(price) if price else None)


@dataclass(frozen=True)
class Host:
    """One hosted forge as the environment names it; an empty field is read off the Git remote."""

    url: str = ""
    """Address of its API (TIDEMILL_FORGE_URL, else GITHUB_API_URL or CI_API_V4_URL)."""
    repository: str = ""
    """TIDEMILL_FORGE_REPOSITORY, else GITHUB_REPOSITORY or CI_PROJECT_ID."""
    token: str | None = field(default=None, repr=False)
    """TIDEMILL_FORGE_TOKEN, else GITHUB_TOKEN or GITLAB_TOKEN. Never logged."""


@dataclass(frozen=True)
class ForgeSettings:
    """Where people read and merge changes; make it with `ForgeSettings.read()`."""

    kind: str = ""
    """TIDEMILL_FORGE, else what continuous integration says it is; empty: ask the remote."""
    remote: str = "origin"
    """The Git remote that holds the specs (TIDEMILL_REMOTE)."""
    github: Host = Host()
    gitlab: Host = Host()

    @classmethod
    def read(cls, env: Mapping[str, str]) -> ForgeSettings:
        """The forge's part of the environment."""
        inside = "github" if env.get("GITHUB_ACTIONS") else "gitlab" if env.get("GITLAB_CI") else ""

        def host(url: str, repository: str, token: str) -> Host:
            return Host(
                url=env.get("TIDEMILL_FORGE_URL") or env.get(url, ""),
                repository=env.get("TIDEMILL_FORGE_REPOSITORY") or env.get(repository, ""),
                token=(env.get("TIDEMILL_FORGE_TOKEN") or env.get(token, "")).strip() or None,
            )

        return cls(
            kind=env.get("TIDEMILL_FORGE", "").strip().lower() or inside,
            remote=env.get("TIDEMILL_REMOTE") or "origin",
            github=host("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN"),
            gitlab=host("CI_API_V4_URL", "CI_PROJECT_ID", "GITLAB_TOKEN"),
        )


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
    git_remote: str | None = field(default=None, repr=False)
    """TIDEMILL_GIT_REMOTE: the repository that `tidemill sync` follows; may hold a password."""
    git_branch: str = "main"
    """TIDEMILL_GIT_BRANCH of that repository."""
    git_folder: str = "specs"
    """TIDEMILL_GIT_FOLDER: where the projects lie in it."""
    signatures: Literal["off", "require"] = "off"
    """TIDEMILL_SIGNATURES: whether commits and approvals have to be signed by a known key."""
    allowed_signers: Path | None = None
    """TIDEMILL_ALLOWED_SIGNERS: SSH keys that may sign, in OpenSSH's allowed-signers format."""
    revoked_signers: Path | None = None
    """TIDEMILL_REVOKED_SIGNERS: SSH keys that may not any more, one public key a line."""
    gpg_home: Path | None = None
    """TIDEMILL_GPG_HOME, else GNUPGHOME: the keyring whose OpenPGP keys may sign."""
    price_per_hour: float | None = None
    """TIDEMILL_PRICE_PER_HOUR of the machine that makes assets, in any currency; without it a plan
    names no money."""
    reflection: ReflectionSettings | None = None
    """TIDEMILL_REFLECTION_MODEL and its like: who writes instructions for `tidemill optimise`."""
    forge: ForgeSettings = field(default_factory=ForgeSettings)
    """TIDEMILL_FORGE and its like: where pull requests live."""

    kubeconfig: Path | None = None
    """KUBECONFIG, its first file that exists: the cluster of rollouts with a kserve driver; a pod's
    own service account where not given."""
    namespace: str | None = None
    """TIDEMILL_NAMESPACE of the InferenceServices; the kubeconfig's, or the pod's, by default."""
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
        named = specs or Path(env.get("TIDEMILL_SPECS", "specs"))
        beside = named.resolve().parent / ".tidemill"
        home = Path(home or env.get("TIDEMILL_HOME") or beside).resolve()
        key = env.get("TIDEMILL_SUBJECT_KEY")
        found = cls(
            # Not resolved: `tidemill sync` switches a link on the way to the specs.
            specs=Path(os.path.abspath(named)),  # noqa: PTH100
            home=home,
            ledger_url=env.get("TIDEMILL_LEDGER_URL") or f"sqlite:///{home / 'ledger.db'}",
            bootstrap_servers=env.get("TIDEMILL_BOOTSTRAP_SERVERS") or None,
            host=env.get("TIDEMILL_HOST", LOOPBACK),
            gateway_port=int(env.get("TIDEMILL_GATEWAY_PORT", "8600")),
            dagster_port=int(env.get("TIDEMILL_DAGSTER_PORT", "8601")),
            broker_port=int(env.get("TIDEMILL_BROKER_PORT", "8602")),
            subject_key=key.encode() if key else None,
            git_remote=env.get("TIDEMILL_GIT_REMOTE") or None,
            git_branch=env.get("TIDEMILL_GIT_BRANCH") or "main",
            git_folder=_inside(env.get("TIDEMILL_GIT_FOLDER") or "specs"),
            signatures=_policy(env.get("TIDEMILL_SIGNATURES") or "off"),
            allowed_signers=_path(env.get("TIDEMILL_ALLOWED_SIGNERS")),
            revoked_signers=_path(env.get("TIDEMILL_REVOKED_SIGNERS")),
            gpg_home=_path(env.get("TIDEMILL_GPG_HOME") or env.get("GNUPGHOME")),
            price_per_hour=_price(env.get("TIDEMILL_PRICE_PER_HOUR")),
            reflection=ReflectionSettings.read(env),
            forge=ForgeSettings.read(env),
            kubeconfig=_first(env.get("KUBECONFIG")),
            namespace=env.get("TIDEMILL_NAMESPACE") or None,
            kafka=KafkaSecurity.read(env),
        )
        return found if specs or env.get("TIDEMILL_SPECS") else found.followed

    @property
    def brokers(self) -> str:
        """Where to find Kafka: the configured servers, or the embedded broker."""
        return self.bootstrap_servers or f"{LOOPBACK}:{self.broker_port}"

    @property
    def cache(self) -> Path:
        """Shared downloads and converted base models (TIDEMILL_CACHE shares it between homes)."""
        return Path(os.environ.get("TIDEMILL_CACHE") or self.home / "cache")

    @property
    def git_home(self) -> Path:
        """The mirror of the followed repository, and its worktrees."""
        return self.home / "git"

    @property
    def followed(self) -> Self:
        """With a remote: these settings on the specs of the commit that was applied last."""
        if self.git_remote is None:
            return self
        return replace(self, specs=self.git_home / "current" / self.git_folder)


def _inside(folder: str) -> str:
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"TIDEMILL_GIT_FOLDER is '{folder}'; it is a path inside the repository")
    return str(path)


def _policy(text: str) -> Literal["off", "require"]:
    if text not in ("off", "require"):
        raise ValueError(f"TIDEMILL_SIGNATURES is '{text}'; it is 'off' or 'require'")
    return cast(Literal["off", "require"], text)


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser().resolve() if text else None


def _price(said: str | None) -> float | None:
    if not said:
        return None
    price = float(said)
    if not 0 <= price < float("inf"):
        raise ValueError(f"TIDEMILL_PRICE_PER_HOUR is '{said}', not a finite price of 0 or more")
    return price


def _first(paths: str | None) -> Path | None:
    """Of a list of files the first that exists, else the first; `kubectl` would merge them."""
    found = [Path(one).expanduser() for one in (paths or "").split(os.pathsep) if one]
    return next((one for one in found if one.is_file()), found[0] if found else None)
