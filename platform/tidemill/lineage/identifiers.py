"""Resolves an identifier that a person gives: an answer, a release, an artefact, a commit, a row,
an event or a subject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from sqlalchemy.engine import make_url

from tidemill.errors import TidemillError, suggest
from tidemill.home import Home

MIN_PREFIX = 4
"""Fewest hex digits that may stand for a digest, a commit or a row."""
KIND_OF_PREFIX = {
    "model": "Model",
    "dataset": "Dataset",
    "prompt": "Prompt",
    "finetune": "FineTune",
}
KIND_OF_PREFIX |= {"compression": "Compression", "evaluation": "Evaluation"}
KINDS = ("answer", "release", "artefact", "commit", "row", "event", "subject", *KIND_OF_PREFIX)
_ANYTHING = ("answer", "release", "artefact", "commit", "row")
_HEX = re.compile(r"[0-9a-f]+\Z")


@dataclass(frozen=True)
class Identifier:
    """One thing in the ledger, by its kind and its full id."""

    kind: str
    """answer, release, artefact, commit, row, event or subject."""
    id: str
    """In full: the response id, the digest, the commit's sha, the row's id, …"""
    older_ids: tuple[str, ...] = ()
    """Further artefacts of the same spec, where it was named by the spec."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    def to_dict(self) -> dict[str, str]:
        """The JSON form: `what` is the kind."""
        return {"what": self.kind, "id": self.id}


def resolve_identifier(home: Home, text: str) -> Identifier:
    """The thing that `text` names; raises TidemillError where it names nothing, or several.

    `KIND:ID` gives the kind; a bare id is looked up among everything with an id of its own. The
    beginning of an id is enough where it is unique.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        matches = _FINDERS.get(kind, _by_spec_or_digest)(home, rest, kind)
    else:
        candidates = (_FINDERS[name](home, text, name) for name in _ANYTHING)
        matches = [match for group in candidates for match in group] or _by_name(home, text)
    if not matches:
        raise TidemillError(_unknown(home, text))
    if len(matches) > 1:
        listed = ", ".join(map(str, matches[:8]))
        others = f" and {len(matches) - 8} more" if len(matches) > 8 else ""
        raise TidemillError(f"'{text}' is ambiguous: {listed}{others}; give a longer prefix")
    return matches[0]


def _answer(home: Home, text: str, _kind: str) -> list[Identifier]:
    return [
        Identifier("answer", response)
        for response in home.ledger.lineage.responses_with_prefix(text)
    ]


def _digest(home: Home, text: str, kind: str) -> list[Identifier]:
    digits = text.removeprefix("sha256:")
    if not _is_hex(digits):
        return []
    matches = home.ledger.lineage.digests_with_prefix(f"sha256:{digits}")
    return [Identifier(kind, digest) for match, digest in matches if match == kind]


def _commit(home: Home, text: str, _kind: str) -> list[Identifier]:
    if not _is_hex(text):
        return []
    commits = home.ledger.lineage.commits_with_prefix(text)
    return [Identifier("commit", sha) for sha in commits] or _in_git(home, text)


def _in_git(home: Home, text: str) -> list[Identifier]:
    """A commit that nothing was built at, but whose lines later commits may still have."""
    from tidemill.adapters.git.command import try_git

    sha = try_git(home.settings.specs, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}")
    return [Identifier("commit", sha.strip())] if sha else []


def _row(home: Home, text: str, _kind: str) -> list[Identifier]:
    if not _is_hex(text) or len(text) > 16:
        return []
    home.backfill_row_index()
    return [Identifier("row", row) for row in home.ledger.lineage.rows_with_prefix(text)]


def _event(home: Home, text: str, _kind: str) -> list[Identifier]:
    return [Identifier("event", text)] if home.ledger.lineage.rows_from("event", text) else []


def _subject(_home: Home, text: str, _kind: str) -> list[Identifier]:
    return [Identifier("subject", text)] if text else []


def _by_spec_or_digest(home: Home, text: str, kind: str) -> list[Identifier]:
    """The artefacts of a spec of this kind, or the artefact of that digest."""
    project, slash, name = text.rpartition("/")
    scope = project if slash else None
    artefacts = home.ledger.lineage.artefacts_of(KIND_OF_PREFIX[kind], name, scope)
    return _newest(artefacts) or _digest(home, text, "artefact")


def _by_name(home: Home, text: str) -> list[Identifier]:
    project, slash, name = text.rpartition("/")
    for kind in KIND_OF_PREFIX.values():
        artefacts = home.ledger.lineage.artefacts_of(kind, name, project if slash else None)
        if artefacts:
            return _newest(artefacts)
    return []


def _newest(artefacts: list[str]) -> list[Identifier]:
    return [Identifier("artefact", artefacts[0], tuple(artefacts[1:]))] if artefacts else []


_FINDERS: dict[str, Callable[[Home, str, str], list[Identifier]]] = {
    "answer": _answer,
    "release": _digest,
    "artefact": _digest,
    "commit": _commit,
    "row": _row,
    "event": _event,
    "subject": _subject,
}


def _is_hex(text: str) -> bool:
    return len(text) >= MIN_PREFIX and bool(_HEX.match(text))


def _unknown(home: Home, text: str) -> str:
    kind, colon, rest = text.partition(":")
    url = make_url(home.settings.ledger_url).render_as_string(hide_password=True)
    if colon and kind in KIND_OF_PREFIX:
        spec_kind = KIND_OF_PREFIX[kind]
        names = home.ledger.lineage.names(spec_kind)
        return f"the ledger at {url} has no {spec_kind} '{rest}'; {suggest(rest, names)}"
    label = kind if colon and kind in KINDS else "answer, release, artefact, commit or row"
    near = home.ledger.lineage.similar_response_ids(text) or get_close_matches(
        text, home.ledger.lineage.names()
    )
    suggestion = f"; did you mean '{near[0]}'?" if near else "."
    return (
        f"the ledger at {url} has no {label} '{text}'{suggestion} "
        "Its event may not have arrived yet (see `tidemill status`), or it is in another home "
        "(see TIDEMILL_HOME and TIDEMILL_LEDGER_URL)"
    )
