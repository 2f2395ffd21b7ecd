"""Release folders for tests."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tidemill.content import digest_of
from tidemill.form import ModelForm
from tidemill.pipeline.release_folder import ArtefactFolder, ServedRelease

ECHO = Path(__file__).with_name("echo.py")


def make_release(
    folder: Path, *, service: str = "support-chat", faults: str = "", cache: bool = False
) -> tuple[ServedRelease, Path]:
    """A release over the echo model, its digest made of its folder's name."""
    model = folder / "model"
    model.mkdir(parents=True)
    ModelForm("safetensors", "causal-lm", chat=True).write(model)
    if faults:
        (model / "faults").write_text(faults)
    release = ServedRelease(
        digest=f"sha256:{hashlib.sha256(folder.name.encode()).hexdigest()}",
        service=service,
        project="support-chat",
        model=ArtefactFolder(digest_of(model), model),
        spec_commit="c0ffee",
        cache=cache,
    )
    release.write(folder)
    return release, folder
