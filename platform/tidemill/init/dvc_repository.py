"""The DVC repository of a new project: which remote keeps the bytes of its releases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tidemill.adapters.git.command import try_git

_CONFIG = """\
# Where `tidemill lock` pushes the artefacts of live releases, and `dvc pull` brings them from.
# This folder is on one machine. For a team, change the line `url` to a shared folder or a bucket
# (s3://BUCKET/PATH with pip install 'dvc[s3]'; gs://, azure:// and ssh:// in the same way).
[core]
    remote = artefacts
    analytics = false
['remote "artefacts"']
    url = {url}
"""
_STATE = """\
/config.local
/tmp
/cache
"""
_IGNORE = """\
# What DVC need not look through; the syntax is that of .gitignore.
.tidemill/
.venv/
"""


def dvc_files(specs: Path, remote: Path) -> Mapping[Path, str]:
    """Path → text of what makes the Git repository of the specs a DVC repository as well.

    Outside Git it is the folder beside the specs. Empty where one of the folders on the way up is
    a DVC repository already: its remotes are the business of whoever made it.
    """
    root = _repository_root(specs)
    parents = [parent for parent in specs.resolve().parents if parent.is_relative_to(root)]
    if any((parent / ".dvc").exists() for parent in parents):
        return {}
    texts = {
        ".dvcignore": _IGNORE,
        ".dvc/.gitignore": _STATE,
        ".dvc/config": _CONFIG.format(url=_quote(remote)),
    }
    return {root / name: text for name, text in texts.items() if not (root / name).exists()}


def _repository_root(specs: Path) -> Path:
    top = try_git(specs.parent, "rev-parse", "--show-toplevel")
    return Path(top.rstrip("\n")).resolve() if top else specs.parent.resolve()


def _quote(remote: Path) -> str:
    """A path as DVC's configuration reads it back; quotes where it holds a comma or a hash."""
    text = str(remote)
    return f'"{text}"' if set(text) & set(",#'") else text
