"""The tables as they were before the ledger kept a revision (commit 64a6792).

A ledger of that time has no revision: it is adopted by running this one, which creates only what is
missing.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

tables = sa.MetaData()
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_DIGEST = sa.String(80)
_NAME = sa.String(80)
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables and indexes that are not there."""
    connection = op.get_bind()
    tables.create_all(connection)
    for table in tables.sorted_tables:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def _table(name: str, *columns: Any, **options: Any) -> sa.Table:
    return sa.Table(name, tables, *columns, **options)


def _must(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def _may(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind)


def _counter(name: str = "id", kind: Any = sa.Integer) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=True)


def _key(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, **options)


def _where(name: str, column: sa.Column[Any], condition: Any) -> None:
    sa.Index(name, column, sqlite_where=condition, postgresql_where=condition)


_table(
    "approvals",
    _counter(),
    _must("kind", sa.String(16)),
    _must("subject", sa.String(200)),
    _must("step", sa.Integer),
    _must("name", _NAME),
    *(_must(name, sa.String(200)) for name in ("who", "person", "called")),
    _must("how", sa.String(16)),
    _must("key", sa.String(200)),
    *(_must(name, sa.Text) for name in ("statement", "signature", "note")),
    _must("saw", sa.JSON),
    _must("at", _TIME),
    sa.UniqueConstraint("subject", "step", "person", "how", "key", name="approvals_once"),
)
_table(
    "artefacts",
    _key("digest", _DIGEST),
    _must("kind", sa.String(32)),
    _must("bytes", sa.BigInteger),
    _must("meta", sa.JSON),
    _must("created", _TIME),
)
_table(
    "makings",
    _counter(),
    *(_must(name, _NAME) for name in ("project", "name")),
    _must("kind", sa.String(32)),
    *(_must(name, _DIGEST) for name in ("version", "spec_digest", "artefact")),
    *(_must(name, sa.JSON) for name in ("steps", "inputs", "commit", "tools")),
    *(_must(name, sa.JSON) for name in ("measures", "checks", "facts")),
    _must("started", _TIME),
    _must("seconds", sa.Float),
    _must("peak_bytes", sa.BigInteger),
    _must("run", sa.String(64)),
    sa.Index("makings_by_name", "project", "name", "id"),
    sa.Index("makings_by_version", "project", "name", "version"),
)
_table(
    "releases",
    _key("digest", _DIGEST),
    _must("project", _NAME),
    _must("service", _NAME, index=True),
    _must("record", sa.JSON),
    _must("created", _TIME, index=True),
)
_table(
    "decisions",
    _counter(),
    _must("key", sa.String(200), unique=True),
    *(_must(name, _NAME) for name in ("project", "trigger")),
    _must("at", _TIME),
    _must("state", sa.String(16), index=True),
    _must("reason", sa.Text),
    *(_must(name, sa.JSON) for name in ("numbers", "offsets", "targets")),
    _must("run", sa.String(64)),
    _must("by", sa.String(200)),
    _must("message", sa.Text),
    _must("updated", _TIME),
    sa.Index("decisions_by_trigger", "project", "trigger", "id"),
)
_table(
    "looks",
    *(_key(name, _NAME) for name in ("project", "trigger")),
    _must("start", _TIME),
    _must("at", _TIME),
    _must("fire", sa.Boolean),
    _may("blocked_by", sa.String(16)),
    _must("reason", sa.Text),
    _must("numbers", sa.JSON),
    _may("held_since", _TIME),
)
_table(
    "leases",
    _key("name", sa.String(200)),
    _must("owner", sa.String(200)),
    _must("until", _TIME),
)
_table(
    "rollouts",
    _counter(),
    _must("service", _NAME, index=True),
    _must("release", _DIGEST),
    _may("previous", _DIGEST),
    _must("folder", sa.String(1024)),
    _must("spec", sa.JSON),
    _must("state", sa.String(16), index=True),
    _must("percent", sa.Float),
    _may("walk", sa.JSON),
    _must("reason", sa.Text),
    _must("waits", sa.Integer),
    _may("command", sa.JSON),
    _must("requested", _TIME),
    *(_may(name, _TIME) for name in ("step_started", "finished")),
)
_table(
    "rollout_steps",
    _counter(),
    _must("rollout", sa.Integer, index=True),
    _must("at", _TIME),
    _must("decision", sa.String(16)),
    _must("percent", sa.Float),
    _must("reason", sa.Text),
    _must("numbers", sa.JSON),
    _must("looks", sa.Integer),
)
_table(
    "syncs",
    _counter(),
    _must("commit", _DIGEST, index=True),
    _must("branch", sa.String(250)),
    *(_must(name, sa.Text) for name in ("author", "subject")),
    _must("state", sa.String(16), index=True),
    _must("refusal", sa.String(16)),
    *(_must(name, sa.Text) for name in ("reason", "signer")),
    _must("plan", sa.JSON),
    *(_must(name, _TIME) for name in ("at", "updated")),
)
_table(
    "remotes",
    _key("name", sa.String(16)),
    _must("remote", sa.Text),
    _must("branch", sa.String(250)),
    _must("trouble", sa.Text),
    _must("at", _TIME),
)
_table(
    "lineage_edges",
    *(_key(name, sa.String(96)) for name in ("child", "parent")),
    _key("role", sa.String(200)),
    sa.Index("lineage_by_parent", "parent"),
    sqlite_with_rowid=False,
)
_table(
    "lineage_datasets",
    _counter(),
    _must("digest", _DIGEST, unique=True),
    *(_must(name, sa.Integer) for name in ("rows", "from_feedback")),
)
_rows = _table(
    "lineage_rows",
    _key("row", _ID, autoincrement=False),
    _must("source", sa.String(400)),
    _may("line", sa.Integer),
    _may("event", sa.String(200)),
    _may("place", sa.String(300)),
    _may("answer", sa.String(200)),
    _may("subject", sa.BigInteger),
)
for _name in ("event", "answer", "subject"):
    _where(f"lineage_rows_by_{_name}", _rows.c[_name], _rows.c[_name].is_not(None))
_held = _table(
    "lineage_held",
    _key("row", _ID, autoincrement=False),
    _key("dataset", sa.Integer, autoincrement=False),
    _must("split", sa.SmallInteger),
    _must("from_feedback", sa.Boolean),
    sqlite_with_rowid=False,
)
_where("lineage_held_feedback", _held.c.dataset, _held.c.from_feedback)
_table("lineage_marks", _key("name", sa.String(32)))


def _event_columns() -> list[sa.Column[Any]]:
    return [
        _counter("seq", _ID),
        *(_must(name, sa.String(200)) for name in ("event_id", "source")),
        _must("topic", sa.String(249)),
        _must("partition", sa.Integer),
        _must("offset", sa.BigInteger),
        *(_must(name, sa.Double) for name in ("time", "arrived")),
    ]


_inference = _table(
    "inference",
    *_event_columns(),
    *(_must(name, sa.String(200)) for name in ("response_id", "service", "release", "commit")),
    _must("prompt", sa.String(200)),
    *(_may(name, sa.String(200)) for name in ("subject", "conversation")),
    *(_must(name, sa.Text) for name in ("input", "output")),
    _may("label", sa.String(200)),
    *(_must(name, sa.Integer) for name in ("tokens_in", "tokens_out")),
    _must("latency", sa.Double),
    _must("cached", sa.Boolean),
    _must("arm", sa.String(200)),
    _may("error", sa.Text),
    sa.Index("inference_once", "event_id", "source", unique=True),
    sa.Index("inference_by_response", "response_id"),
    sa.Index("inference_by_service", "service", "time"),
    sa.Index("inference_by_release", "release", "time"),
)
_where("inference_by_subject", _inference.c.subject, _inference.c.subject.is_not(None))
_feedback = _table(
    "feedback",
    *_event_columns(),
    _must("response_id", sa.String(200)),
    _must("kind", sa.String(16)),
    *(_may(name, sa.Double) for name in ("value", "rating")),
    *(_may(name, sa.Text) for name in ("comment", "output")),
    *(_may(name, sa.String(200)) for name in ("over", "subject")),
    *(_must(name, sa.Boolean) for name in ("consent", "late")),
    _must("state", sa.String(8)),
    _must("deadline", sa.Double),
    _may("raw", sa.LargeBinary),
    _may("headers", sa.Text),
    _may("dead_letter", sa.String(249)),
    *(_may(name, sa.String(200)) for name in ("service", "release")),
    _may("inference", sa.BigInteger),
    _may("inference_partition", sa.Integer),
    _may("inference_offset", sa.BigInteger),
    sa.Index("feedback_once", "event_id", "source", unique=True),
    sa.Index("feedback_by_kind", "topic", "kind", "seq"),
    sa.Index("feedback_by_service", "service", "arrived"),
)
_where("feedback_waiting", _feedback.c.response_id, _feedback.c.state == "waiting")
_table(
    "lifecycle",
    *_event_columns(),
    _must("what", sa.String(32)),
    *(_must(name, sa.String(200)) for name in ("project", "name", "digest", "run")),
    _must("facts", sa.Text),
    sa.Index("lifecycle_once", "event_id", "source", unique=True),
)
_table(
    "quarantine",
    _counter(kind=_ID),
    _must("topic", sa.String(249)),
    _must("partition", sa.Integer),
    _must("offset", sa.BigInteger),
    _may("key", sa.LargeBinary),
    _must("headers", sa.Text),
    _must("value", sa.LargeBinary),
    _must("reason", sa.Text),
    _must("at", sa.Double),
    _may("dead_letter", sa.String(249)),
    sa.Index("quarantine_once", "topic", "partition", "offset", unique=True),
    sa.Index("quarantine_to_copy", "dead_letter"),
)
_table(
    "offsets",
    _key("topic", sa.String(249)),
    _key("partition", sa.Integer),
    *(_must(name, sa.BigInteger) for name in ("base", "next")),
    _must("incarnation", sa.String(64)),
    _must("updated", sa.Double),
)
