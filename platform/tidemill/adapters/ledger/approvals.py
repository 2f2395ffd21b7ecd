"""The approvals table: who approved what, by which method, on which evidence."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

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
from tidemill.engine.approval import normalise_principal
from tidemill.engine.approval_evidence import ApprovalEvidence
from tidemill.records import Approval

approvals = Table(
    "approvals",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("step", Integer, nullable=False),
    Column("name", String(80), nullable=False),
    Column("principal", String(200), nullable=False),
    Column("normalised_principal", String(200), nullable=False),
    Column("display_name", String(200), nullable=False),
    Column("method", String(16), nullable=False),
    Column("fingerprint", String(200), nullable=False),
    Column("statement", Text, nullable=False),
    Column("signature", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("approved_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint(
        "subject", "step", "normalised_principal", "method", "fingerprint", name="approvals_once"
    ),
)


class ApprovalLedger:
    """Approvals by what they are for; the same approval twice is one row."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, approval: Approval) -> Approval:
        """Store an approval and give it with its id.

        A second one of the same person, in the same step and by the same method, stays the first;
        a signed one after an unsigned one is an approval of its own.
        """
        values = {**asdict(approval), "evidence": dict(approval.evidence.content)}
        values["normalised_principal"] = normalise_principal(approval.principal)
        values.pop("id")
        try:
            with self.engine.begin() as connection:
                key = connection.execute(insert(approvals).values(**values)).inserted_primary_key
        except IntegrityError:
            earlier = self.of_subject(approval.subject)
            return next(other for other in earlier if _identifies(other) == _identifies(approval))
        assert key is not None
        return replace(approval, id=int(key[0]))

    def of_subject(self, subject: str) -> list[Approval]:
        """Approvals of a release (its digest) or a trigger decision (its key), oldest first."""
        query = select(approvals).where(approvals.c.subject == subject)
        with self.engine.connect() as connection:
            rows = connection.execute(query.order_by(approvals.c.id)).all()
        return [_from_row(row) for row in rows]


def _identifies(approval: Approval) -> tuple[int, str, str, str]:
    """The columns of the unique constraint beside the subject."""
    return (
        approval.step,
        normalise_principal(approval.principal),
        approval.method,
        approval.fingerprint,
    )


def _from_row(row: Row[Any]) -> Approval:
    values = dict(row._mapping)
    values.pop("normalised_principal")
    evidence = ApprovalEvidence(values["evidence"])
    return Approval(**{**values, "approved_at": utc(values["approved_at"]), "evidence": evidence})
