"""Messages for a refused push or fetch: the cause that Git gives, and the way out."""

from __future__ import annotations

import re

_OVERTAKEN = r"stale info|non-fast-forward|fetch first|cannot lock ref|\[rejected\]"
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"protected branch|GH006|GH013|not allowed to (force )?push|hook declined",
        "it is a protected branch, or a rule of the repository refuses it; let the rule except "
        "Tidemill's account, or choose another branch",
    ),
    (
        r"shallow update not allowed|shallow file has changed",
        "this is a shallow clone; run `git fetch --unshallow` (fetch-depth: 0 in a GitHub "
        "workflow, GIT_DEPTH: 0 in a GitLab job)",
    ),
    (
        _OVERTAKEN,
        "someone else pushed first; fetch and run again",
    ),
    (
        r"permission denied|denied to|\b40[13]\b|authentication failed|could not read (user|pass)"
        r"|terminal prompts disabled|access denied|not authori[sz]ed|unable to create temporary",
        "no write access; give the token or key write access to the repository "
        "(contents: write on GitHub, write_repository on GitLab)",
    ),
    (
        r"could not resolve|unable to access|could not read from remote|connection|timed out"
        r"|does not appear to be a git repository|not found",
        "the remote cannot be reached; see `git remote -v` and try again",
    ),
)


def push_error(said: str) -> str:
    """The cause of a failed push or fetch and the way out; what Git said where it is none we know.

    >>> why("! [rejected] main -> main (fetch first)")
    'someone else pushed first; fetch and run again'
    """
    for pattern, cause in _CAUSES:
        if re.search(pattern, said, re.IGNORECASE):
            return cause
    return " ".join(redact_credentials(said).split()) or "Git gave no reason"


def is_non_fast_forward(said: str) -> bool:
    """True where another push came first, so that looking again and trying again may help."""
    return re.search(_OVERTAKEN, said, re.IGNORECASE) is not None


def redact_credentials(said: str) -> str:
    """The text with every `user:secret@` taken out of its addresses, up to the last `@` before the
    host's end: a secret may hold one."""
    return re.sub(r"://[^/\s]+@", "://", said)
