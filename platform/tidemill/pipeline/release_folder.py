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
class Placed:
    """An artefact and where its files lie."""

    digest: str
    folder: Path

    def verify(self, what: str) -> None:
        """Compare the bytes on disk with the digest."""
        verify_folder(self.folder, self.digest, what)


@dataclass(frozen=True)
class Privacy:
    """What is taken out of an event before it is written (the Dataset's privacy rules)."""

    pii: Literal["redact", "drop", "hash", "keep"] = "redact"
    kinds: tuple[str, ...] = ("email", "phone", "card", "iban", "ip")


@dataclass(frozen=True)
class Release:
    """What `release.json` says."""

    digest: str
    """Names the release; given by whoever makes it (it covers the whole provenance)."""
    service: str
    """The name applications call."""
    project: str
    model: Placed
    """The model artefact that is served."""
    prompt: Placed | None = None
    """The prompt artefact; without it messages go to the model as they come."""
    bases: Mapping[str, Path] = field(default_factory=dict)
    """Folders of the base models an adapter needs, by digest."""
    encoder: Placed | None = None
    """The sentence encoder of a prompt that looks up examples or passages."""
    spec_commit: str = ""
    privacy: Privacy = Privacy()
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
    def read(cls, folder: Path) -> Release:
        """The release of a folder; raises ArtefactError where there is none or a broken one."""
        path = folder / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(**_values(raw))
        except FileNotFoundError:
            raise ArtefactError(
                f"{folder}: there is no {FILE}, so nothing to serve; run the Rollout again"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtefactError(
                f"{path}: cannot be read ({error!r}); run the Rollout again"
            ) from None

    def verify(self) -> None:
        """Check every artefact's bytes; raises MissingArtefact or TamperedArtefact."""
        self.model.verify("model")
        if self.prompt:
            self.prompt.verify("prompt")
        if self.encoder:
            self.encoder.verify("sentence encoder")
        for digest, folder in self.bases.items():
            verify_folder(folder, digest, "base model")

    def resolve(self, digest: str) -> Path:
        """The folder of an artefact of this release."""
        places = {p.digest: p.folder for p in (self.model, self.prompt, self.encoder) if p}
        found = {**places, **self.bases}.get(digest)
        if found is None:
            raise MissingArtefact(
                f"release {short(self.digest)} has no artefact {short(digest)}; "
                "run the Rollout again so that its bases are listed"
            )
        return found


def verify_folder(folder: Path, digest: str, what: str = "artefact") -> None:
    """Raise unless the folder's bytes have this digest."""
    if not folder.is_dir():
        raise MissingArtefact(
            f"the {what} {short(digest)} is not at {folder}; fetch it (dvc pull) or make it again"
        )
    refuse_pickles(folder)
    actual = digest_of(folder)
    if actual != digest:
        raise TamperedArtefact(
            f"the {what} at {folder} is not what was released: its bytes are {short(actual)}, "
            f"the release says {short(digest)}; it is not loaded. Make or fetch it again"
        )


def short(digest: str) -> str:
    """The first twelve digits of a digest, as people read it."""
    return digest.removeprefix("sha256:")[:12]


def _values(raw: dict[str, Any]) -> dict[str, Any]:
    known = {k: v for k, v in raw.items() if k in Release.__dataclass_fields__}
    for name in ("model", "prompt", "encoder"):
        if known.get(name):
            known[name] = Placed(known[name]["digest"], Path(known[name]["folder"]))
    known["bases"] = {k: Path(v) for k, v in (known.get("bases") or {}).items()}
    privacy = known.get("privacy") or {}
    known["privacy"] = Privacy(
        privacy.get("pii", "redact"), tuple(privacy.get("kinds", Privacy().kinds))
    )
    return known
