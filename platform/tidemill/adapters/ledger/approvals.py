"""The ledger's memory of approvals: who agreed to what, how, and what they saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Engine,
    Integer,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from tidemill.adapters.ledger.base import metadata, utc
from tidemill.engine.approval import Identity, Method, normalise_principal

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("step", Integer, nullable=False),
    Column("name", String(80), nullable=False),
    Column("who", String(200), nullable=False),
    Column("person", String(200), nullable=False),
    Column("called", String(200), nullable=False),
    Column("how", String(16), nullable=False),
    Column("key", String(200), nullable=False),
    Column("statement", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("saw", JSON, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("subject", "step", "person", "how", "key", name="approvals_once"),
)


@dataclass(frozen=True)
class Consent:
    """One person's agreement to one thing."""

    kind: Literal["release", "decision"]
    subject: str
    """Digest of the release, or key of the trigger's decision."""
    name: str
    """The service, or the trigger."""
    who: str
    """E-mail address, or the principal that the signature was verified for."""
    how: Method
    at: datetime
    called: str = ""
    """What Git calls the person."""
    key: str = ""
    """Fingerprint of the key that signed."""
    statement: str = ""
    """What was signed, word for word."""
    signature: str = ""
    note: str = ""
    saw: Mapping[str, Any] = field(default_factory=dict)
    """What was shown at that moment: figures, report digest, reason; JSON-able."""
    step: int = -1
    """The rollout's step at that moment; -1 before the first, and for decisions."""
    id: int = 0

    @property
    def identity(self) -> Identity:
        """Who it was, for `tidemill.engine.approval`."""
        return Identity(self.who, self.how, self.called, self.key)


class ApprovalLedger:
    """Approvals by what they are for; said again in the same way they are the same approval."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def give(self, consent: Consent) -> Consent:
        """Keep an approval, with its id; the same person's, in the same step and way, stays the
        first. A signature after words without one is an approval of its own."""
        values = {
            **asdict(consent),
            "person": normalise_principal(consent.who),
            "saw": dict(consent.saw),
        }
        values.pop("id")
        try:
            with self.engine.begin() as connection:
                key = connection.execute(insert(approvals).values(**values)).inserted_primary_key
        except IntegrityError:
            return next(c for c in self.of(consent.subject) if _way(c) == _way(consent))
        assert key is not None
        return replace(consent, id=int(key[0]))

    def of(self, subject: str) -> list[Consent]:
        """Who agreed to a release (its digest) or a decision (its key), oldest first."""
        query = select(approvals).where(approvals.c.subject == subject)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(approvals.c.id)).all()
        return [_consent(row) for row in rows]


def _way(consent: Consent) -> tuple[int, str, str, str]:
    return consent.step, normalise_principal(consent.who), consent.how, consent.key


def _consent(row: Row[Any]) -> Consent:
    values = dict(row._mapping)
    values.pop("person")
    return Consent(**{**values, "at": utc(values["at"])})
