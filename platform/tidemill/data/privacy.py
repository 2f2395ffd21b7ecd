"""Privacy rules for rows: personal data, consent, regions, retention, held-out subjects.

`redact` is also what serving runs over a text before an event is written.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tidemill.data.pii import FINDERS
from tidemill.data.rows import CONSENT, FEEDBACK, PREFIX, Dropped, is_review
from tidemill.errors import DataError
from tidemill.rows import DatasetRow, MutableRow
from tidemill.spec.dataset import Privacy

Counts = dict[str, int]
_HARMLESS = ("id", "label", "source", "region", "time", "weight", "consent")
_IDENTITIES = ("subject", "group")


def redact(text: str, kinds: Iterable[str], *, key: bytes | None = None) -> tuple[str, Counts]:
    """The text with `[email]`, `[phone]` … in place of personal data, and how many of each.

    With a key each is `[email:abcdefghijkl]`, a keyed hash: equal values stay equal.
    Redacting again finds nothing.
    """
    counts: Counts = {}
    chosen = [kind for kind in FINDERS if kind in set(kinds)]
    changed = True
    while changed:  # a replacement can only uncover digits that were not part of a match before
        changed = False
        for kind in chosen:
            text, count = _replace(text, kind, key)
            if count:
                counts[kind] = counts.get(kind, 0) + count
                changed = True
    return text, counts


def check_kinds(kinds: Iterable[str]) -> None:
    """Raise DataError for a kind that nothing finds well."""
    if "name" in set(kinds):
        raise DataError(
            "privacy.kinds: 'name' needs a named-entity model, and none is packaged with a "
            "version and a licence to pin; take 'name' out, and mask names at the source"
        )


def is_held_out(subject: object, share: float, key: bytes = b"") -> bool:
    """Whether a subject is never trained on: a keyed hash, so that nobody can choose to be.

    A subject is what a row names: a string, or a number as it stands in a JSONL or Parquet file.
    """
    if subject is None or subject == "" or share <= 0:
        return False
    digest = hmac.new(key, b"holdout:" + str(subject).encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def filter_permitted(
    rows: Sequence[MutableRow], privacy: Privacy, now: datetime
) -> tuple[list[MutableRow], Dropped]:
    """Consent, then region, then retention; each row that stays out with its reason.

    A review stays, since it judges rows that others gave; its consent says whether it may be a row
    of its own.
    """
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    for row in rows:
        reason = _refusal_reason(row, privacy, now)
        if is_review(row):
            remaining.append({**row, CONSENT: not reason})
        elif reason:
            dropped.append((row, reason))
        else:
            remaining.append(row)
    return remaining, dropped


def apply(
    rows: Sequence[MutableRow], privacy: Privacy, *, key: bytes | None
) -> tuple[list[MutableRow], Dropped, Counts]:
    """Deal with personal data as the spec says; gives rows, dropped rows, and how many of each."""
    if privacy.pii == "keep":
        return list(rows), [], {}
    check_kinds(privacy.kinds)
    if privacy.pii == "hash" and not key:
        raise DataError("privacy.pii 'hash' needs a key; set TIDEMILL_SUBJECT_KEY")
    hashing = key if privacy.pii == "hash" else None
    remaining: list[MutableRow] = []
    dropped: Dropped = []
    totals: Counts = {}
    for row in rows:
        clean, counts = redact_row(row, privacy.kinds, key=hashing)
        for kind, count in counts.items():
            totals[kind] = totals.get(kind, 0) + count
        if counts and privacy.pii == "drop":
            dropped.append((clean, f"personal data: {', '.join(sorted(counts))}"))
        else:
            remaining.append(clean)
    return remaining, dropped, dict(sorted(totals.items()))


def redact_row(
    row: DatasetRow, kinds: Sequence[str], *, key: bytes | None = None
) -> tuple[MutableRow, Counts]:
    """A row with personal data out of its text columns, and out of whom it names as subject."""
    counts: Counts = {}

    def one(text: str) -> str:
        clean, new_counts = redact(text, kinds, key=key)
        for kind, count in new_counts.items():
            counts[kind] = counts.get(kind, 0) + count
        return clean

    clean = {
        name: value
        if name.startswith(PREFIX) or name in (*_HARMLESS, *_IDENTITIES)
        else _map_texts(value, one)
        for name, value in row.items()
    }
    for name in _IDENTITIES:
        if isinstance(row.get(name), str):
            clean[name] = _pseudonym(row[name], kinds, key)
    return clean, counts


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {name: _map_texts(item, change) for name, item in value.items()}
    return value


def _pseudonym(name: str, kinds: Sequence[str], key: bytes | None) -> str:
    """A subject that is an e-mail address or a phone number still tells rows apart as a hash."""
    return keyed_letters(name, key or b"") if redact(name, kinds)[1] else name


def keyed_letters(value: str, key: bytes, length: int = 12) -> str:
    """A keyed hash in letters only, so that it never looks like a number of any kind."""
    digest = hmac.new(key, value.encode(), hashlib.sha256).digest()
    return "".join(chr(ord("a") + byte % 26) for byte in digest[:length])


def _replace(text: str, kind: str, key: bytes | None) -> tuple[str, int]:
    spans = sorted(set(FINDERS[kind](text)))
    parts: list[str] = []
    count = end = 0
    for start, stop in spans:
        if start < end:
            continue
        mark = f"[{kind}:{keyed_letters(text[start:stop], key)}]" if key else f"[{kind}]"
        parts += [text[end:start], mark]
        end, count = stop, count + 1
    return "".join([*parts, text[end:]]), count


def _refusal_reason(row: MutableRow, privacy: Privacy, now: datetime) -> str:
    if row.get(FEEDBACK) and privacy.require_consent and row.get(CONSENT) is not True:
        return "no consent"
    if privacy.regions and row.get("region") not in privacy.regions:
        return (
            f"region: {row.get('region') or 'unknown'} is not one of {', '.join(privacy.regions)}"
        )
    if row.get(FEEDBACK) and privacy.retention_days:
        time = parse_time(row.get("time"))
        if time is None or now - time > timedelta(days=privacy.retention_days):
            return f"retention: older than {privacy.retention_days} days"
    return ""


def parse_time(value: Any) -> datetime | None:
    """A moment from a datetime, an ISO string or seconds since 1970; None for anything else."""
    try:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
