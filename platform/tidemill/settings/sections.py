"""Settings that belong together: user ids, Kafka's security, the reflection model, the forge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, model_validator

from tidemill.settings.environment import Section
from tidemill.settings.marks import DefaultText

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
ForgeKind = Literal["github", "gitlab", "plain"]


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


class SubjectSettings(Section):
    """The key that makes user ids pseudonyms: all that a client needs."""

    subject_secret: SecretStr | None = Field(None, validation_alias="TIDEMILL_SUBJECT_KEY")
    """Secret key for hashing user ids. The gateway, the model servers and every client share it."""

    @property
    def subject_key(self) -> bytes | None:
        """The key in clear, to hash with; None without one."""
        return self.subject_secret.get_secret_value().encode() if self.subject_secret else None


class KafkaSecurity(Section):
    """TLS and credentials for Kafka; plain text without any of them."""

    chosen_protocol: Annotated[
        Protocol | None,
        BeforeValidator(_upper),
        DefaultText("SASL_SSL with a user name, SSL with a certificate, else PLAINTEXT"),
    ] = Field(None, validation_alias="TIDEMILL_KAFKA_SECURITY_PROTOCOL")
    """Security protocol of the brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    sasl_mechanism: Annotated[Mechanism, BeforeValidator(_upper)] = Field(
        "SCRAM-SHA-512", validation_alias="TIDEMILL_KAFKA_SASL_MECHANISM"
    )
    """SASL mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512."""
    username: str | None = Field(None, validation_alias="TIDEMILL_KAFKA_USERNAME")
    """The user of the brokers."""
    password: SecretStr | None = Field(None, validation_alias="TIDEMILL_KAFKA_PASSWORD")
    """The password of that user."""
    ca_file: str | None = Field(None, validation_alias="TIDEMILL_KAFKA_CA_FILE")
    """CA certificates of the brokers (PEM); the system's list without it."""
    cert_file: str | None = Field(None, validation_alias="TIDEMILL_KAFKA_CERT_FILE")
    """This client's certificate (PEM), for mutual TLS."""
    key_file: str | None = Field(None, validation_alias="TIDEMILL_KAFKA_KEY_FILE")
    """The private key of that certificate (PEM)."""

    @property
    def protocol(self) -> Protocol:
        """The security protocol, worked out where none is chosen."""
        if self.chosen_protocol:
            return self.chosen_protocol
        if self.username:
            return "SASL_SSL"
        return "SSL" if self.ca_file or self.cert_file or self.key_file else "PLAINTEXT"

    @property
    def mechanism(self) -> Mechanism | None:
        """The SASL mechanism; None for a protocol without users."""
        return self.sasl_mechanism if self.protocol.startswith("SASL") else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.mechanism and not (self.username and self.password):
            raise ValueError(
                f"Kafka over {self.protocol} needs a user; set TIDEMILL_KAFKA_USERNAME and "
                "TIDEMILL_KAFKA_PASSWORD"
            )
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError(
                "TIDEMILL_KAFKA_CERT_FILE and TIDEMILL_KAFKA_KEY_FILE go together; set both or none"
            )
        for name in ("ca_file", "cert_file", "key_file"):
            path = getattr(self, name)
            if path and not Path(path).is_file():
                raise ValueError(
                    f"TIDEMILL_KAFKA_{name.upper()}: there is no file {path}; "
                    "correct the path, or unset it"
                )
        return self

    @property
    def client_options(self) -> dict[str, str]:
        """Keyword arguments of kafka-python's clients; holds the password."""
        password = self.password.get_secret_value() if self.password else None
        options = {
            "security_protocol": self.protocol,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username if self.mechanism else None,
            "sasl_plain_password": password if self.mechanism else None,
            "ssl_cafile": self.ca_file,
            "ssl_certfile": self.cert_file,
            "ssl_keyfile": self.key_file,
        }
        return {name: value for name, value in options.items() if value is not None}


def _price_per_token(value: Any) -> Any:
    """(read, written) per token, from `0.15/0.60` per million tokens."""
    if not isinstance(value, str):
        return value
    read, _, written = value.partition("/")
    try:
        prices = float(read) / 1e6, float(written or read) / 1e6
    except ValueError:
        raise ValueError("not like 0.15/0.60") from None
    if not all(0 <= price < float("inf") for price in prices):  # no limit would hold
        raise ValueError("not finite prices of 0 or more")
    return prices


class ReflectionSettings(Section):
    """A model that reads what went wrong and writes better instructions."""

    model: str = Field(validation_alias="TIDEMILL_REFLECTION_MODEL")
    """Name of the model that writes instructions for `tidemill optimise`."""
    url: str = Field(validation_alias="TIDEMILL_REFLECTION_URL")
    """Address that speaks OpenAI's chat completions, up to `/v1`."""
    key: SecretStr | None = Field(None, validation_alias="TIDEMILL_REFLECTION_KEY")
    """API key for TIDEMILL_REFLECTION_URL."""
    price: Annotated[tuple[float, float] | None, BeforeValidator(_price_per_token)] = Field(
        None, validation_alias="TIDEMILL_REFLECTION_PRICE"
    )
    """Price per million tokens read and written, such as `0.15/0.60`; a budget needs it."""


class ForgeHost(Section):
    """One hosted forge as the environment names it; an empty field is read off the Git remote."""

    url: str = ""
    """Address of its API."""
    repository: str = ""
    """The repository on it."""
    token: Annotated[SecretStr | None, BeforeValidator(_strip)] = None
    """The token for its API."""


class GitHubSettings(ForgeHost):
    """GitHub, with the variables that its workflows set."""

    url: Annotated[str, DefaultText("the Git remote's host")] = Field(
        "", validation_alias=AliasChoices("TIDEMILL_FORGE_URL", "GITHUB_API_URL")
    )
    """Address of the forge's API; from the job or the Git remote without it."""
    repository: Annotated[str, DefaultText("the Git remote's path")] = Field(
        "", validation_alias=AliasChoices("TIDEMILL_FORGE_REPOSITORY", "GITHUB_REPOSITORY")
    )
    """`OWNER/NAME`, or on GitLab a project's number or path."""
    token: Annotated[SecretStr | None, BeforeValidator(_strip)] = Field(
        None, validation_alias=AliasChoices("TIDEMILL_FORGE_TOKEN", "GITHUB_TOKEN")
    )
    """The token that writes comments, pull requests and commit statuses."""


class GitLabSettings(ForgeHost):
    """GitLab, with the variables that its pipelines set."""

    url: Annotated[str, DefaultText("the Git remote's host")] = Field(
        "", validation_alias=AliasChoices("TIDEMILL_FORGE_URL", "CI_API_V4_URL")
    )
    """Address of the forge's API; from the job or the Git remote without it."""
    repository: Annotated[str, DefaultText("the Git remote's path")] = Field(
        "", validation_alias=AliasChoices("TIDEMILL_FORGE_REPOSITORY", "CI_PROJECT_ID")
    )
    """`OWNER/NAME`, or on GitLab a project's number or path."""
    token: Annotated[SecretStr | None, BeforeValidator(_strip)] = Field(
        None, validation_alias=AliasChoices("TIDEMILL_FORGE_TOKEN", "GITLAB_TOKEN")
    )
    """The token that writes comments, pull requests and commit statuses."""


class CiJob(Section):
    """The job of GitHub Actions or GitLab CI that this process runs in."""

    github_actions: str = Field("", validation_alias="GITHUB_ACTIONS")
    """Set in a workflow of GitHub."""
    gitlab_ci: str = Field("", validation_alias="GITLAB_CI")
    """Set in a pipeline of GitLab."""
    pull_request: Annotated[str, DefaultText("the job's own")] = Field(
        "", validation_alias=AliasChoices("TIDEMILL_PROPOSAL", "CI_MERGE_REQUEST_IID")
    )
    """Number of the pull request that `tidemill plan` comments on."""
    ref: str = Field("", validation_alias="GITHUB_REF")
    """The Git ref of the workflow; of a pull request `refs/pull/NUMBER/merge`."""
    event_path: str = Field("", validation_alias="GITHUB_EVENT_PATH")
    """JSON file with the event that started the workflow."""
    open_merge_requests: str = Field("", validation_alias="CI_OPEN_MERGE_REQUESTS")
    """The merge requests of a branch pipeline's branch: `group/project!7,…`."""


class ForgeSettings(Section):
    """The forge on which people review and merge changes."""

    chosen_kind: Annotated[
        ForgeKind | None, BeforeValidator(_lower), DefaultText("the CI job's, or the Git remote's")
    ] = Field(None, validation_alias="TIDEMILL_FORGE")
    """Kind of forge: `github`, `gitlab`, or `plain` for any other Git remote."""
    remote: str = Field("origin", validation_alias="TIDEMILL_REMOTE")
    """The Git remote that holds the specs."""
    github: GitHubSettings = GitHubSettings()
    gitlab: GitLabSettings = GitLabSettings()
    job: CiJob = CiJob()

    @property
    def kind(self) -> ForgeKind | None:
        """The forge that was chosen, else the one whose job this is; None: ask the Git remote."""
        if self.chosen_kind:
            return self.chosen_kind
        if self.job.github_actions:
            return "github"
        return "gitlab" if self.job.gitlab_ci else None
