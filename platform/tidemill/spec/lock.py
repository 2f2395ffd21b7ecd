"""`tidemill.lock`: what is live in a project, as Git records it; written by us, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from tidemill.errors import Problem, SpecError
from tidemill.spec.base import Frozen, Name
from tidemill.spec.document_validation import translate
from tidemill.spec.load import display_path
from tidemill.spec.positions import YamlDocument, parse
from tidemill.spec.validation_messages import format_value

FILE = "tidemill.lock"
BRANCH = "tidemill/lock"
"""Branch of the lock pull request: one for all projects of a repository."""
VERSION = 1
HEADER = """\
# What is live in this project, and what people are asked to agree to. Written by `tidemill lock`;
# change a spec instead of this file. `tidemill lock --check` compares it with the ledger.
"""
_AGAIN = "write it again with `tidemill lock`"

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class DvcPointer(Frozen):
    """An artefact's entry in DVC's store: what its `.dvc` file says."""

    md5: str
    """DVC's hash of the folder; ends in `.dir`."""
    size: int = Field(ge=0)
    """Bytes."""
    nfiles: int = Field(ge=0)
    """Files in the folder."""


class LockedArtefact(Frozen):
    """Bytes a release stands on."""

    digest: Digest
    """Hash of its contents."""
    kind: str
    """dataset, model, adapter, int8, report and so on."""
    bytes: int = Field(ge=0)
    """Size of its files."""
    dvc: DvcPointer | None = None
    """DVC pointer; None where the store does not have the artefact."""


class LockedDataset(Frozen):
    """The rows a release was judged on, frozen."""

    name: str
    """Name of the spec."""
    digest: Digest
    """Hash of its contents."""
    offsets: dict[str, int] = Field(default_factory=dict)
    """`topic/partition` → first offset that is not in it."""
    rows: dict[str, int] = Field(default_factory=dict)
    """Rows by split."""


class LockedMeasure(Frozen):
    """One measured value with its confidence interval; None for values that are not finite."""

    metric: str
    """Name of the metric."""
    slice: str | None = None
    """The slice it is of; all rows when not given."""
    value: float | None = None
    """The estimate."""
    low: float | None = None
    """Lower bound."""
    high: float | None = None
    """Upper bound."""
    rows: int = Field(default=0, ge=0)
    """Rows it was measured on."""


class LockedEvaluation(Frozen):
    """The evaluation that the release passed."""

    name: str
    """Name of the spec."""
    digest: Digest
    """Hash of the report."""
    figures: tuple[LockedMeasure, ...] = ()
    """Every measure."""


class LockedApproval(Frozen):
    """A person's agreement."""

    who: str
    """E-mail address, or the name the signature was verified for."""
    how: Literal["signed", "unsigned", "merge"]
    """Kind of proof: a signed or unsigned approval, or a merge."""
    at: str
    """Time in UTC."""
    key: str = ""
    """Fingerprint of the key that signed."""


class LockedRelease(Frozen):
    """One release: enough to fetch its bytes and to know what they are."""

    release: Digest
    """Digest of the release."""
    rollout: Name
    """The Rollout spec that brings it out."""
    driver: str
    """Deployment driver."""
    commit: str = ""
    """The commit it was made from."""
    specs: dict[str, Digest] = Field(default_factory=dict)
    """Digest of each spec it was made by."""
    artefacts: dict[str, LockedArtefact] = Field(default_factory=dict)
    """All artefacts of the release's lineage, by spec name."""
    dataset: LockedDataset
    """The training dataset."""
    evaluation: LockedEvaluation
    """The evaluation with its measures."""
    approvals: tuple[LockedApproval, ...] = ()
    """Approvals of the release."""


class LockedService(Frozen):
    """The live and the wanted release of one service."""

    live: LockedRelease | None = None
    """The release that is live."""
    wanted: LockedRelease | None = None
    """A release that waits for people: to merge a lock that names it is to approve it."""


class LockFile(Frozen):
    """Every service of one project."""

    version: Literal[1]
    """Version of this file's format."""
    project: str
    """The folder it lies in."""
    services: dict[str, LockedService] = Field(default_factory=dict)
    """By the name applications call."""


def read_lock(path: Path) -> LockFile | None:
    """The lock of a file; None where there is none. Raises `SpecError` as `parse_lock` does."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        cause = f"the file cannot be read: {error.strerror}"
        raise SpecError([Problem(display_path(path), 1, cause, "check its permissions")]) from None
    return parse_lock(content, display_path(path))


def parse_lock(content: bytes, display: Path) -> LockFile:
    """The lock these bytes hold; raises `SpecError` with every problem and its line."""
    document = parse(content, display)
    _head(document, display)
    try:
        return LockFile.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(translate(error, LockFile, document, display)) from None


def lock_bytes(lock: LockFile) -> bytes:
    """The file of a lock: the same lock always gives the same bytes."""
    values = lock.model_dump(mode="json", exclude_none=True)
    body = yaml.dump(values, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=100)
    return (HEADER + body).encode()


def _head(document: YamlDocument, display: Path) -> None:
    """A file of another kind, or of a later Tidemill, is told before its fields are."""
    value = document.value
    if not isinstance(value, dict):
        cause = f"the document is {format_value(value)}, not a lock"
        raise SpecError([Problem(display, 1, cause, _AGAIN)])
    version = value.get("version")
    if type(version) is int and version != VERSION:
        cause = f"'version: {version}' is not known here, only {VERSION}"
        way_out = _AGAIN if version < VERSION else "update Tidemill: a later one wrote it"
        raise SpecError([Problem(display, document.line("version"), cause, way_out)])


class _Dumper(yaml.SafeDumper):
    """Safe YAML that reads back as it was under 1.2's core schema, which we read by."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 would misread; `12e5`, a commit perhaps, is a number in 1.2 alone.
    style = '"' if value[:1] in tuple("+-.0123456789") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)
