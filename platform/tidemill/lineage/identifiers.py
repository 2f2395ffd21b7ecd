"""What a person means by an id: an answer, a release, an artefact, a commit, a row, a subject."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from sqlalchemy.engine import make_url

from tidemill.errors import TidemillError, suggest
from tidemill.home import Home

SHORTEST = 4
"""Fewest hex digits that may stand for a digest, a commit or a row."""
NAMED = {"model": "Model", "dataset": "Dataset", "prompt": "Prompt", "finetune": "FineTune"}
NAMED |= {"compression": "Compression", "evaluation": "Evaluation"}
KINDS = ("answer", "release", "artefact", "commit", "row", "event", "subject", *NAMED)
_HEX = re.compile(r"[0-9a-f]+\Z")


@dataclass(frozen=True)
class Target:
    """One thing that the ledger knows."""

    what: str
    """answer, release, artefact, commit, row, event or subject."""
    id: str
    """Whole: the response id, the digest, the commit's sha, the row's id, …"""
    older: tuple[str, ...] = ()
    """Further artefacts of the same spec, where it was meant by its name."""


def find(home: Home, text: str) -> Target:
    """The one thing meant; raises TidemillError where there is none, or more than one.

    `KIND:ID` says what it is; a bare id is looked for among everything with an id of its own. Of
    an id the beginning is enough where only one thing begins so.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in KINDS:
        found = _FINDERS.get(kind, _named)(home, rest, kind)
    else:
        found = [
            one
            for what in ("answer", "release", "artefact", "commit", "row")
            for one in _FINDERS[what](home, text, what)
        ] or _by_name(home, text)
    if not found:
        raise TidemillError(_unknown(home, text))
    if len(found) > 1:
        listed = ", ".join(f"{one.what}:{one.id}" for one in found[:8])
        more = f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise TidemillError(f"'{text}' may mean {listed}{more}; write more of it")
    return found[0]


def _answer(home: Home, text: str, _kind: str) -> list[Target]:
    return [Target("answer", one) for one in home.ledger.lineage.responses_with_prefix(text)]


def _digest(home: Home, text: str, kind: str) -> list[Target]:
    digits = text.removeprefix("sha256:")
    if not _is_hex(digits):
        return []
    return [
        Target(what, digest)
        for what, digest in home.ledger.lineage.digests_with_prefix(f"sha256:{digits}")
        if what == kind
    ]


def _commit(home: Home, text: str, _kind: str) -> list[Target]:
    if not _is_hex(text):
        return []
    made = home.ledger.lineage.commits_with_prefix(text)
    return [Target("commit", sha) for sha in made] or _in_git(home, text)


def _in_git(home: Home, text: str) -> list[Target]:
    """A commit that nothing was made at, but whose lines may live on in later ones."""
    from tidemill.adapters.git.command import attempt

    said = attempt(home.settings.specs, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}")
    return [Target("commit", said.strip())] if said else []


def _row(home: Home, text: str, _kind: str) -> list[Target]:
    if not _is_hex(text) or len(text) > 16:
        return []
    home.backfill_row_index()
    return [Target("row", one) for one in home.ledger.lineage.rows_with_prefix(text)]


def _event(home: Home, text: str, _kind: str) -> list[Target]:
    return [Target("event", text)] if home.ledger.lineage.rows_from("event", text) else []


def _subject(_home: Home, text: str, _kind: str) -> list[Target]:
    return [Target("subject", text)] if text else []


def _named(home: Home, text: str, kind: str) -> list[Target]:
    """What a spec of this kind gave, or the artefact of that digest."""
    project, slash, name = text.rpartition("/")
    made = home.ledger.lineage.artefacts_of(NAMED[kind], name, project if slash else None)
    return _newest(made) or _digest(home, text, "artefact")


def _by_name(home: Home, text: str) -> list[Target]:
    project, slash, name = text.rpartition("/")
    for kind in NAMED.values():
        made = home.ledger.lineage.artefacts_of(kind, name, project if slash else None)
        if made:
            return _newest(made)
    return []


def _newest(made: list[str]) -> list[Target]:
    return [Target("artefact", made[0], tuple(made[1:]))] if made else []


_FINDERS: dict[str, Callable[[Home, str, str], list[Target]]] = {
    "answer": _answer,
    "release": _digest,
    "artefact": _digest,
    "commit": _commit,
    "row": _row,
    "event": _event,
    "subject": _subject,
}


def _is_hex(text: str) -> bool:
    return len(text) >= SHORTEST and bool(_HEX.match(text))


def _unknown(home: Home, text: str) -> str:
    kind, colon, rest = text.partition(":")
    where = make_url(home.settings.ledger_url).render_as_string(hide_password=True)
    if colon and kind in NAMED:
        known = home.ledger.lineage.names(NAMED[kind])
        return f"no {NAMED[kind]} '{rest}' is in the ledger at {where}; {suggest(rest, known)}"
    what = kind if colon and kind in KINDS else "answer, release, artefact, commit or row"
    near = home.ledger.lineage.similar_response_ids(text) or get_close_matches(
        text, home.ledger.lineage.names()
    )
    meant = f"; did you mean '{near[0]}'?" if near else "."
    return (
        f"no {what} '{text}' is in the ledger at {where}{meant} "
        "Its event may still be on its way (see `tidemill status`), or another home has it "
        "(see TIDEMILL_HOME and TIDEMILL_LEDGER_URL)"
    )
