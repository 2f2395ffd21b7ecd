"""`tidemill.lock`: what is live in a project, as Git records it; written by us, read strictly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from tidemill.errors import Problem, SpecError
from tidemill.spec.base import Frozen, Name
from tidemill.spec.document_validation import translate
from tidemill.spec.load import shown
from tidemill.spec.positions import Document, parse
from tidemill.spec.validation_messages import shown_value

FILE = "tidemill.lock"
BRANCH = "tidemill/lock"
"""Where it is proposed: one branch for all projects of a repository, and so one pull request."""
VERSION = 1
HEADER = """\
# What is live in this project, and what people are asked to agree to. Written by `tidemill lock`;
# change a spec instead of this file. `tidemill lock --check` compares it with the ledger.
"""
_AGAIN = "write it anew with `tidemill lock`"

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class Pointer(Frozen):
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
    dvc: Pointer | None = None
    """Where DVC keeps it; nothing where the store does not have it."""


class LockedDataset(Frozen):
    """The rows a release was judged on, frozen."""

    name: str
    """Its spec."""
    digest: Digest
    """Hash of its contents."""
    offsets: dict[str, int] = Field(default_factory=dict)
    """`topic/partition` → first offset that is not in it."""
    rows: dict[str, int] = Field(default_factory=dict)
    """Rows by split."""


class Figure(Frozen):
    """One measured value with its interval; nothing where it was no finite number."""

    metric: str
    """Its name."""
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
    """What the release was judged by."""

    name: str
    """Its spec."""
    digest: Digest
    """Hash of the report."""
    figures: tuple[Figure, ...] = ()
    """Every measure."""


class LockedApproval(Frozen):
    """A person's agreement."""

    who: str
    """E-mail address, or the name the signature was verified for."""
    how: Literal["signed", "unsigned", "merge"]
    """How it was given."""
    at: str
    """When, in UTC."""
    key: str = ""
    """Fingerprint of the key that signed."""


class LockedRelease(Frozen):
    """One release: enough to fetch its bytes and to know what they are."""

    release: Digest
    """Its digest."""
    rollout: Name
    """The Rollout spec that brings it out."""
    driver: str
    """What deploys it."""
    commit: str = ""
    """The commit it was made from."""
    specs: dict[str, Digest] = Field(default_factory=dict)
    """Digest of each spec it was made by."""
    artefacts: dict[str, LockedArtefact] = Field(default_factory=dict)
    """Everything on the way, by name."""
    dataset: LockedDataset
    """Its rows."""
    evaluation: LockedEvaluation
    """Its figures."""
    approvals: tuple[LockedApproval, ...] = ()
    """Who agreed."""


class LockedService(Frozen):
    """What one service serves, and what it is to serve next."""

    live: LockedRelease | None = None
    """The release that is live."""
    wanted: LockedRelease | None = None
    """A release that waits for people: to merge a lock that names it is to approve it."""


class Lock(Frozen):
    """Every service of one project."""

    version: Literal[1]
    """Version of this file's format."""
    project: str
    """The folder it lies in."""
    services: dict[str, LockedService] = Field(default_factory=dict)
    """By the name applications call."""


def read(path: Path) -> Lock | None:
    """The lock of a file; None where there is none. Raises `SpecError` as `parse_lock` does."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        cause = f"the file cannot be read: {error.strerror}"
        raise SpecError([Problem(shown(path), 1, cause, "check its permissions")]) from None
    return parse_lock(content, shown(path))


def parse_lock(content: bytes, where: Path) -> Lock:
    """The lock these bytes hold; raises `SpecError` with every problem and its line."""
    document = parse(content, where)
    _head(document, where)
    try:
        return Lock.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(translate(error, Lock, document, where)) from None


def text(lock: Lock) -> bytes:
    """The file of a lock: the same lock always gives the same bytes."""
    values = lock.model_dump(mode="json", exclude_none=True)
    body = yaml.dump(values, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=100)
    return (HEADER + body).encode()


def _head(document: Document, where: Path) -> None:
    """A file of another kind, or of a later Tidemill, is told before its fields are."""
    value = document.value
    if not isinstance(value, dict):
        cause = f"the document is {shown_value(value)}, not a lock"
        raise SpecError([Problem(where, 1, cause, _AGAIN)])
    version = value.get("version")
    if type(version) is int and version != VERSION:
        cause = f"'version: {version}' is not known here, only {VERSION}"
        way_out = _AGAIN if version < VERSION else "update Tidemill: a later one wrote it"
        raise SpecError([Problem(where, document.line("version"), cause, way_out)])


class _Dumper(yaml.SafeDumper):
    """Safe YAML that reads back as it was under 1.2's core schema, which we read by."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # PyYAML quotes what YAML 1.1 would misread; `12e5`, a commit perhaps, is a number in 1.2 alone.
    style = '"' if value[:1] in tuple("+-.0123456789") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _string)
