"""Every setting of Tidemill: one field for each environment variable, read in one place.

    settings = Settings.read()

A variable is added as a field, with its type and its meaning, and nowhere else: `tidemill settings`
lists the fields, and a value that cannot be used is refused with the variable's name in every
process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from tidemill.settings.marks import DefaultText, Expects, MayHoldPassword
from tidemill.settings.notify import NotifySettings
from tidemill.settings.sections import (
    CiJob,
    ForgeHost,
    ForgeKind,
    ForgeSettings,
    KafkaSecurity,
    ReflectionSettings,
    SubjectSettings,
)

__all__ = [
    "LOOPBACK",
    "CiJob",
    "ForgeHost",
    "ForgeKind",
    "ForgeSettings",
    "KafkaSecurity",
    "NotifySettings",
    "ReflectionSettings",
    "Settings",
    "SubjectSettings",
]

LOOPBACK = "127.0.0.1"


def _absolute(path: Path) -> Path:
    # Not resolved: `tidemill sync` switches a link on the way to the specs.
    return Path(os.path.abspath(path))  # noqa: PTH100


def _resolve(path: Path) -> Path:
    return path.expanduser().resolve()


def _inside(folder: str) -> str:
    path = PurePosixPath(folder)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("not a path inside the repository")
    return str(path)


def _finite_price(price: float) -> float:
    if not 0 <= price < float("inf"):
        raise ValueError("not a finite price of 0 or more")
    return price


def _first_file(paths: Any) -> Any:
    """The first file of a list that exists, else the first; `kubectl` would merge them."""
    if not isinstance(paths, str):
        return paths
    files = [Path(name).expanduser() for name in paths.split(os.pathsep) if name]
    return next((path for path in files if path.is_file()), files[0] if files else None)


ResolvedPath = Annotated[Path, AfterValidator(_resolve)]
Port = Annotated[int, Field(ge=1, le=65535), Expects("a port from 1 to 65535")]


class Settings(SubjectSettings):
    """All settings of a process; make it with `Settings.read()`."""

    specs: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("specs"), validation_alias="TIDEMILL_SPECS"
    )
    """Folder of the projects."""
    home: Annotated[ResolvedPath, DefaultText("`.tidemill` beside the specs")] = Field(
        default_factory=lambda data: data["specs"].resolve().parent / ".tidemill",
        validation_alias="TIDEMILL_HOME",
    )
    """Folder that holds the state of this installation: artefacts, ledger, logs, run files."""
    cache: Annotated[ResolvedPath, DefaultText("`cache` in the home")] = Field(
        default_factory=lambda data: data["home"] / "cache", validation_alias="TIDEMILL_CACHE"
    )
    """Folder of downloads and converted base models; several homes may share it."""
    ledger_url: Annotated[str, MayHoldPassword(), DefaultText("SQLite in the home")] = Field(
        default_factory=lambda data: f"sqlite:///{data['home'] / 'ledger.db'}",
        validation_alias="TIDEMILL_LEDGER_URL",
        repr=False,
    )
    """SQLAlchemy URL of the ledger."""
    bootstrap_servers: Annotated[str | None, DefaultText("the embedded broker")] = Field(
        None, validation_alias="TIDEMILL_BOOTSTRAP_SERVERS"
    )
    """Kafka brokers, `HOST:PORT` with commas between."""
    host: str = Field(LOOPBACK, validation_alias="TIDEMILL_HOST")
    """Address that servers bind to."""
    gateway_port: Port = Field(8600, validation_alias="TIDEMILL_GATEWAY_PORT")
    """Port of the gateway, where users' requests come in."""
    dagster_port: Port = Field(8601, validation_alias="TIDEMILL_DAGSTER_PORT")
    """Port of Dagster's web UI."""
    broker_port: Port = Field(8602, validation_alias="TIDEMILL_BROKER_PORT")
    """Port of the embedded broker."""
    git_remote: Annotated[str | None, MayHoldPassword()] = Field(
        None, validation_alias="TIDEMILL_GIT_REMOTE", repr=False
    )
    """The Git repository that `tidemill sync` follows."""
    git_branch: str = Field("main", validation_alias="TIDEMILL_GIT_BRANCH")
    """The branch of that repository."""
    git_folder: Annotated[str, AfterValidator(_inside)] = Field(
        "specs", validation_alias="TIDEMILL_GIT_FOLDER"
    )
    """The folder of projects in that repository."""
    signatures: Literal["off", "require"] = Field("off", validation_alias="TIDEMILL_SIGNATURES")
    """`require`: every new commit and every approval is signed by a trusted key."""
    allowed_signers: ResolvedPath | None = Field(None, validation_alias="TIDEMILL_ALLOWED_SIGNERS")
    """SSH keys that may sign, in OpenSSH's allowed-signers format."""
    revoked_signers: ResolvedPath | None = Field(None, validation_alias="TIDEMILL_REVOKED_SIGNERS")
    """SSH keys that may not sign any more, one public key a line."""
    gpg_home: ResolvedPath | None = Field(
        None, validation_alias=AliasChoices("TIDEMILL_GPG_HOME", "GNUPGHOME")
    )
    """The keyring whose OpenPGP keys may sign."""
    price_per_hour: Annotated[
        float | None,
        AfterValidator(lambda price: None if price is None else _finite_price(price)),
        Expects("a price of 0 or more, such as 1.20"),
    ] = Field(None, validation_alias="TIDEMILL_PRICE_PER_HOUR")
    """Price of an hour of the machine that builds assets, in any currency; without it a plan names
    no money."""
    kubeconfig: Annotated[
        Path | None, BeforeValidator(_first_file), DefaultText("a pod's service account")
    ] = Field(None, validation_alias="KUBECONFIG")
    """The cluster of rollouts with a KServe driver; of several files the first that exists."""
    namespace: Annotated[str | None, DefaultText("the kubeconfig's, or the pod's")] = Field(
        None, validation_alias="TIDEMILL_NAMESPACE"
    )
    """Namespace of the InferenceServices."""
    debug: Annotated[bool, Expects("1 or 0")] = Field(False, validation_alias="TIDEMILL_DEBUG")
    """1 shows the traceback of an error."""
    reflection: ReflectionSettings | None = None
    forge: ForgeSettings = ForgeSettings()
    kafka: KafkaSecurity = KafkaSecurity()
    notify: NotifySettings = NotifySettings()

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        specs: Path | None = None,
        home: Path | None = None,
    ) -> Self:
        """Settings from the environment; `specs` and `home` from the caller win.

        Where neither names the specs and a Git remote is followed, they are those of the commit
        that was applied last. Raises SettingsError.
        """
        environ = os.environ if environ is None else environ
        arguments = {"TIDEMILL_SPECS": specs, "TIDEMILL_HOME": home}
        chosen = {name: str(path) for name, path in arguments.items() if path is not None}
        settings = super().read({**environ, **chosen})
        return settings if "specs" in settings.model_fields_set else settings.with_applied_specs

    @property
    def brokers(self) -> str:
        """Kafka's bootstrap servers: the configured ones, or the embedded broker."""
        return self.bootstrap_servers or f"{LOOPBACK}:{self.broker_port}"

    @property
    def git_home(self) -> Path:
        """The mirror of the followed repository, and its worktrees."""
        return self.home / "git"

    @property
    def with_applied_specs(self) -> Self:
        """With a Git remote: these settings on the specs of the commit that was applied last."""
        if self.git_remote is None:
            return self
        return self.with_specs(self.git_home / "current" / self.git_folder)

    def with_remote(self, remote: str | None, branch: str | None) -> Self:
        """These settings on another Git remote and branch; None keeps what is set."""
        named = {"git_remote": remote, "git_branch": branch}
        return self.model_copy(update={name: text for name, text in named.items() if text})

    @property
    def has_ledger(self) -> bool:
        """False where the ledger is a file that was never made; opening it would make one."""
        path = self.ledger_url.removeprefix("sqlite:///")
        return path == self.ledger_url or Path(path).exists()

    def with_specs(self, specs: Path) -> Self:
        """These settings on another folder of specs; the home stays."""
        return self.model_copy(update={"specs": specs})
