"""Writing a new project: rendered beside, checked by the loader, then renamed into its place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.data.file_profile import FileProfile
from tidemill.errors import TidemillError
from tidemill.init.column_inference import ColumnChoice
from tidemill.init.dvc_repository import dvc_files
from tidemill.init.names import slug, yaml_inline
from tidemill.init.template_values import template_values
from tidemill.spec.feedback import Feedback
from tidemill.spec.load import display_path, load, read
from tidemill.spec.rollout import Rollout
from tidemill.spec.schema import text as schema_text

TEMPLATES = Path(__file__).parent / "templates"
IGNORED = ".tidemill/"
_SHARED = ("dataset", "evaluation", "feedback", "trigger", "rollout")
_OWN = {
    "encoder": ("encoder", "finetune", "compression"),
    "causal": ("model", "prompt", "finetune", "compression"),
}


@dataclass(frozen=True)
class WrittenProject:
    """What was written."""

    project: str
    folder: Path
    files: tuple[Path, ...]
    """Every file that is new or longer than before, the project's first."""
    specs: int
    rollout: Rollout
    """The rollout that was written."""


def write_project(
    look: FileProfile, choice: ColumnChoice, *, name: str, specs: Path, owner: str, remote: Path
) -> WrittenProject:
    """Write the whole project below `specs`, or nothing at all.

    `remote` is the folder that a new DVC repository names as its remote. Raises TidemillError where
    there is something already, and SpecError (a bug) where what was rendered is not valid.
    """
    _free(name, specs)
    try:
        specs.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError, FileNotFoundError) as error:
        raise TidemillError(
            f"{display_path(specs)} cannot be made: {error.strerror}; name another folder with "
            "--specs"
        ) from error
    stage = Path(tempfile.mkdtemp(prefix=".init-", dir=specs))
    try:
        folder = stage / name
        names = _render(look, choice, name, owner, folder)
        workspace = load(stage)
        rollout = workspace.projects[name].spec("rollout", Rollout)
        _move(folder, specs / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    beside = [*_schema(specs), *_ignore(specs.parent), *_dvc(specs, remote)]
    own = [specs / name / file for file in names]
    files = (*own, *beside)
    return WrittenProject(name, specs / name, files, workspace.count, rollout)


def _free(name: str, specs: Path) -> None:
    """Nothing of that name is there, on disk or among the services of other projects."""
    folder = specs / name
    if folder.is_symlink() or (folder.exists() and not _empty(folder)):
        raise TidemillError(
            f"{display_path(folder)} is there already, and nothing is ever overwritten; choose "
            "another "
            "name, or move it away"
        )
    if not specs.is_dir():
        return
    workspace = read(specs).workspace
    if specs.resolve() in [project.folder.resolve() for project in workspace.projects.values()]:
        raise TidemillError(
            f"{display_path(specs)} is one project, not a folder of projects; move its files into "
            "a "
            "subfolder, or name another folder with --specs"
        )
    for project in workspace.projects.values():
        for loaded in project.specs.values():
            clashes = _names(loaded.spec) & {name, f"{name}.feedback"}
            if clashes:
                raise TidemillError(
                    f"'{clashes.pop()}' is the name of a service or topic in "
                    f"{display_path(loaded.path)}; "
                    "choose another name for the project"
                )


def _names(spec: Any) -> set[str]:
    if isinstance(spec, Rollout):
        return {spec.service}
    return {spec.topic} if isinstance(spec, Feedback) else set()


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _render(
    look: FileProfile, choice: ColumnChoice, name: str, owner: str, folder: Path
) -> list[str]:
    """Write every file of the project below `folder`; gives their names."""
    ending = ".csv" if look.path.suffix.lower() == ".csv" else ".jsonl"
    data = f"data/{slug(look.path.stem) or 'rows'}{ending}"
    template_vars = template_values(
        look, choice, name=name, owner=owner, data=data, cores=machine.cores()
    )
    family = "causal" if choice.task == "generation" else "encoder"
    texts = {f"{kind}.yaml": f"shared/{kind}" for kind in _SHARED}
    texts |= {f"{kind}.yaml": f"{family}/{kind}" for kind in _OWN[family]}
    (folder / "data").mkdir(parents=True)
    for file, template in sorted(texts.items()):
        (folder / file).write_text(_render_template(template, template_vars), encoding="utf-8")
    shutil.copyfile(look.path, folder / data)
    extra = [data]
    if family == "causal":
        (folder / "template.j2").write_text(
            f"{{{{ {template_vars['asked']} }}}}\n", encoding="utf-8"
        )
        extra.append("template.j2")
    return [*sorted(texts), *extra]


def _render_template(template: str, template_vars: Mapping[str, object]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from jinja2.filters import FILTERS

    environment = Environment(  # noqa: S701 - YAML, not HTML; every value goes through `inline`
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters = {**FILTERS, "inline": yaml_inline}
    return environment.get_template(f"{template}.yaml.j2").render(template_vars)


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)  # replaces an empty folder, and nothing else
    except OSError as error:
        if target.exists():
            raise TidemillError(
                f"{display_path(target)} appeared while the project was written; nothing was "
                "overwritten"
            ) from error
        raise


def _schema(specs: Path) -> list[Path]:
    path = specs / "schema.json"
    if path.exists():
        return []
    write_atomically(path, schema_text())
    return [path]


def _ignore(folder: Path) -> list[Path]:
    """Keep state out of Git: one line more in the .gitignore beside the specs."""
    path = folder / ".gitignore"
    present = path.read_text(encoding="utf-8") if path.is_file() else ""
    entries = {line.strip().strip("/") for line in present.splitlines()}
    if IGNORED.strip("/") in entries:
        return []
    gap = "" if not present or present.endswith("\n") else "\n"
    write_atomically(path, f"{present}{gap}{IGNORED}\n")
    return [path]


def _dvc(specs: Path, remote: Path) -> list[Path]:
    """Make a DVC repository of the Git repository, where it is none."""
    files = dvc_files(specs, remote)
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text)
    return list(files)


def write_atomically(path: Path, text: str) -> None:
    """Write a file beside and rename it over, so that nobody ever reads half of it."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(beside).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        Path(beside).replace(path)
    finally:
        Path(beside).unlink(missing_ok=True)
