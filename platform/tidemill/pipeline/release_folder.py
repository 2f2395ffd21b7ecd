"""A release folder: everything one model server needs, by digest, checked before it is loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tidemill.content import digest_of, refuse_pickles
from tidemill.errors import ArtefactError, MissingArtefact, TamperedArtefact

FILE = "release.json"


@dataclass(frozen=True)
class ArtefactFolder:
    """An artefact and where its files lie."""

    digest: str
    folder: Path

    def verify(self, kind: str) -> None:
        """Compare the bytes on disk with the digest."""
        verify_folder(self.folder, self.digest, kind)


@dataclass(frozen=True)
class EventPrivacy:
    """Privacy rules of the Dataset that apply to events before they are written."""

    pii: Literal["redact", "drop", "hash", "keep"] = "redact"
    kinds: tuple[str, ...] = ("email", "phone", "card", "iban", "ip")


@dataclass(frozen=True)
class ServedRelease:
    """A release as a model server reads it from `release.json`."""

    digest: str
    """Names the release; given by whoever makes it (it covers the whole provenance)."""
    service: str
    """The name applications call."""
    project: str
    model: ArtefactFolder
    """The model artefact that is served."""
    prompt: ArtefactFolder | None = None
    """The prompt artefact; without it messages go to the model as they come."""
    bases: Mapping[str, Path] = field(default_factory=dict)
    """Folders of the base models an adapter needs, by digest."""
    encoder: ArtefactFolder | None = None
    """The sentence encoder of a prompt that looks up examples or passages."""
    spec_commit: str = ""
    privacy: EventPrivacy = EventPrivacy()
    cache: bool = True
    """Answer a repeated request from memory."""
    topic: str | None = None
    """Kafka topic of the inference events; None for the default of `tidemill.events`."""

    def write(self, folder: Path) -> Path:
        """Put `release.json` into the folder (made when missing), all or nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        path, fresh = folder / FILE, folder / f".{FILE}.{os.getpid()}"
        fresh.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, default=str) + "\n")
        fresh.replace(path)
        return path

    @classmethod
    def read(cls, folder: Path) -> ServedRelease:
        """The release of a folder; raises ArtefactError where there is none or a broken one."""
        path = folder / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls.from_dict(raw)
        except FileNotFoundError:
            raise ArtefactError(
                f"{folder}: there is no {FILE}, so nothing to serve; run the Rollout again"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtefactError(
                f"{path}: cannot be read ({error!r}); run the Rollout again"
            ) from None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ServedRelease:
        """The release of the JSON form; fields of later versions are left out."""
        values = {key: raw[key] for key in cls.__dataclass_fields__ if key in raw}
        for name in ("model", "prompt", "encoder"):
            if values.get(name):
                values[name] = ArtefactFolder(values[name]["digest"], Path(values[name]["folder"]))
        values["bases"] = {k: Path(v) for k, v in (values.get("bases") or {}).items()}
        privacy = values.get("privacy") or {}
        values["privacy"] = EventPrivacy(
            privacy.get("pii", "redact"), tuple(privacy.get("kinds", EventPrivacy().kinds))
        )
        return cls(**values)

    def verify(self) -> None:
        """Check every artefact's bytes; raises MissingArtefact or TamperedArtefact."""
        self.model.verify("model")
        if self.prompt:
            self.prompt.verify("prompt")
        if self.encoder:
            self.encoder.verify("sentence encoder")
        for digest, folder in self.bases.items():
            verify_folder(folder, digest, "base model")

    def artefact_folder(self, digest: str) -> Path:
        """The folder of an artefact of this release."""
        places = {p.digest: p.folder for p in (self.model, self.prompt, self.encoder) if p}
        folder = {**places, **self.bases}.get(digest)
        if folder is None:
            raise MissingArtefact(
                f"release {short_digest(self.digest)} has no artefact {short_digest(digest)}; "
                "run the Rollout again so that its bases are listed"
            )
        return folder


def verify_folder(folder: Path, digest: str, kind: str = "artefact") -> None:
    """Raise unless the folder's bytes have this digest."""
    if not folder.is_dir():
        raise MissingArtefact(
            f"the {kind} {short_digest(digest)} is missing at {folder}; fetch it (`dvc pull`) or "
            "rebuild it"
        )
    refuse_pickles(folder)
    actual = digest_of(folder)
    if actual != digest:
        raise TamperedArtefact(
            f"the {kind} at {folder} is not what was released: its bytes are "
            f"{short_digest(actual)}, "
            f"the release says {short_digest(digest)}; it is not loaded. Make or fetch it again"
        )


def short_digest(digest: str) -> str:
    """The first twelve digits of a digest, as people read it."""
    return digest.removeprefix("sha256:")[:12]
