"""The record of a pull request on a plain Git remote: text files in a ref of their own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from urllib.parse import quote

from tidemill.adapters.forge.text import with_marker
from tidemill.adapters.git.command import git, try_git
from tidemill.errors import ServiceError

LIMIT = 1_000_000
"""Characters of a comment."""


@dataclass(frozen=True)
class PullRequestRecord:
    """Title, text and comments of a proposal, and where its branch and its base stood."""

    title: str
    base: str
    author: str
    head: str
    """Newest commit of the branch that was seen; what is left when the branch is deleted."""
    base_sha: str
    """Commit of the base that the branch was made from."""
    body: str = ""
    comments: Mapping[str, str] = field(default_factory=dict)
    """File name → text."""

    def with_comment(self, body: str, marker: str) -> tuple[PullRequestRecord, str]:
        """The page with the comment that carries `marker` written or replaced, and its file."""
        name = f"{hashlib.sha256(marker.encode()).hexdigest()[:12]}.md"
        text = with_marker(body, marker, LIMIT)
        return replace(self, comments={**self.comments, name: text}), f"comments/{name}"

    def files(self) -> dict[str, bytes | None]:
        """File names and contents of the record's Git tree."""
        facts = {k: v for k, v in asdict(self).items() if k not in ("body", "comments")}
        texts = {f"comments/{name}": text for name, text in self.comments.items()}
        texts["body.md"] = self.body
        texts["proposal.json"] = json.dumps(facts, indent=2, sort_keys=True) + "\n"
        return {path: text.encode() for path, text in texts.items()}


def ref_of(branch: str) -> str:
    """The ref that holds the record of a branch; slashes are quoted: `a` and `a/b` both fit."""
    return f"refs/tidemill/proposals/{quote(branch, safe='')}"


def read_record(folder: Path, commit: str) -> PullRequestRecord:
    """The page that a commit holds; raises ServiceError where it holds none."""
    try:
        facts: dict[str, str] = json.loads(_text(folder, commit, "proposal.json"))
        names = (try_git(folder, "ls-tree", "--name-only", f"{commit}:comments") or "").split()
        comments = {name: _text(folder, commit, f"comments/{name}") for name in names}
        return PullRequestRecord(**facts, body=_text(folder, commit, "body.md"), comments=comments)
    except (ValueError, TypeError) as error:
        raise ServiceError(
            f"{commit[:12]} is not a pull request record of Tidemill: {error}"
        ) from error


def _text(folder: Path, commit: str, path: str) -> str:
    return git(folder, "cat-file", "blob", f"{commit}:{path}").decode()
