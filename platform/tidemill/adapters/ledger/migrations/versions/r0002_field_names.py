"""Tables and columns get the names of docs/glossary.md, and each tick's queries their indexes.

The hand-made mark of a former catch-up goes; a ledger that never caught up gets its edges here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS = {
    "approvals": {
        "who": "principal",
        "person": "normalised_principal",
        "called": "display_name",
        "how": "method",
        "key": "fingerprint",
        "saw": "evidence",
        "at": "approved_at",
    },
    "makings": {"started": "started_at", "run": "run_id"},
    "decisions": {
        "at": "decided_at",
        "targets": "assets",
        "run": "run_id",
        "by": "answered_by",
        "updated": "updated_at",
    },
    "looks": {"start": "first_at", "at": "evaluated_at", "fire": "fires"},
    "leases": {"until": "expires_at"},
    "rollouts": {
        "previous": "previous_release",
        "folder": "release_folder",
        "walk": "state_json",
        "waits": "awaits_person",
        "requested": "requested_at",
        "step_started": "step_started_at",
        "finished": "finished_at",
    },
    "rollout_steps": {"at": "decided_at", "looks": "repeats"},
    "syncs": {"at": "arrived_at", "updated": "updated_at"},
    "remotes": {"trouble": "error", "at": "polled_at"},
    "lineage_rows": {"place": "feedback_offset", "answer": "response_id"},
    "offsets": {"base": "base_offset", "next": "next_offset"},
}
_TABLES = {
    "makings": "materialisations",
    "decisions": "trigger_decisions",
    "looks": "trigger_evaluations",
    "rollout_steps": "rollout_decisions",
    "remotes": "remote_polls",
    "lineage_held": "lineage_dataset_rows",
}
_STATES = (
    ("trigger_decisions", "asked", "needs_approval"),
    ("trigger_decisions", "decided", "queued"),
    ("syncs", "seen", "pending"),
)
_DROPPED_INDEXES = (
    "makings_by_name",
    "makings_by_version",
    "decisions_by_trigger",
    "ix_decisions_state",
    "ix_rollouts_service",
    "ix_rollouts_state",
    "ix_rollout_steps_rollout",
    "lineage_rows_by_answer",
    "lineage_held_feedback",
)
_NEW_INDEXES = (
    ("materialisations_by_name", "materialisations", ("project", "name", "id")),
    ("materialisations_by_version", "materialisations", ("project", "name", "version")),
    ("trigger_decisions_by_trigger", "trigger_decisions", ("project", "trigger", "id")),
    ("trigger_decisions_by_state", "trigger_decisions", ("state", "id")),
    ("rollouts_by_service", "rollouts", ("service", "id")),
    ("rollouts_by_service_state", "rollouts", ("service", "state", "finished_at")),
    ("rollouts_by_state", "rollouts", ("state", "id")),
    ("rollouts_by_release", "rollouts", ("release", "id")),
    ("rollout_decisions_by_rollout", "rollout_decisions", ("rollout", "id")),
    ("feedback_by_offset", "feedback", ("topic", "state", "partition", "offset")),
    (
        "feedback_by_answer_offset",
        "feedback",
        ("topic", "state", "inference_partition", "inference_offset"),
    ),
)


def upgrade() -> None:
    """Rename in place: no table is copied, and no row is lost."""
    connection = op.get_bind()
    if not connection.scalar(sa.text("SELECT count(*) FROM lineage_marks")):
        _backfill_edges(connection)
    op.drop_table("lineage_marks")
    for name in _DROPPED_INDEXES:
        op.execute(f"DROP INDEX {name}")
    for table, columns in _COLUMNS.items():
        for former, name in columns.items():
            # Not op.alter_column: for SQLite it copies the table, row by row.
            op.execute(f'ALTER TABLE {table} RENAME COLUMN "{former}" TO "{name}"')
    for former, name in _TABLES.items():
        op.rename_table(former, name)
    _rename_constraints(connection)
    for table, former, name in _STATES:
        op.execute(f"UPDATE {table} SET state = '{name}' WHERE state = '{former}'")  # noqa: S608
    for column in ("child", "parent"):
        op.execute(
            f"UPDATE lineage_edges SET {column} = 'materialisation:' || substr({column}, 8) "  # noqa: S608
            f"WHERE {column} LIKE 'making:%'"
        )
    _create_indexes(connection)


def _create_indexes(connection: sa.Connection) -> None:
    for name, table, columns in _NEW_INDEXES:
        op.create_index(name, table, list(columns))
    for name, table, column, condition in (
        ("lineage_rows_by_response_id", "lineage_rows", "response_id", "response_id IS NOT NULL"),
        ("lineage_dataset_rows_feedback", "lineage_dataset_rows", "dataset", "from_feedback"),
    ):
        op.execute(f"CREATE INDEX {name} ON {table} ({column}) WHERE {condition}")
    if connection.dialect.name == "postgresql":
        op.create_index(
            "trigger_decisions_by_key_prefix",
            "trigger_decisions",
            ["key"],
            postgresql_ops={"key": "varchar_pattern_ops"},
        )


def _rename_constraints(connection: sa.Connection) -> None:
    """PostgreSQL keeps the former names of keys and sequences; SQLite has none."""
    if connection.dialect.name != "postgresql":
        return
    for former, name in _TABLES.items():
        op.execute(f"ALTER INDEX IF EXISTS {former}_pkey RENAME TO {name}_pkey")
        op.execute(f"ALTER SEQUENCE IF EXISTS {former}_id_seq RENAME TO {name}_id_seq")
    op.execute("ALTER INDEX IF EXISTS decisions_key_key RENAME TO trigger_decisions_key_key")


def _backfill_edges(connection: sa.Connection) -> None:
    columns = 'id, name, artefact, steps, inputs, spec_digest, "commit"'
    edges = [
        edge
        for row in connection.execute(sa.text(f"SELECT {columns} FROM makings")).mappings()  # noqa: S608
        for edge in _edges_of_build(dict(row))
    ]
    for text in connection.scalars(sa.text("SELECT record FROM releases")):
        edges += _edges_of_release(_load(text))
    insert = sa.text(
        "INSERT INTO lineage_edges (child, parent, role) VALUES (:child, :parent, :role) "
        "ON CONFLICT DO NOTHING"
    )
    for child, parent, role in edges:
        if child != parent:
            connection.execute(insert, {"child": child, "parent": parent, "role": role[:200]})


def _edges_of_build(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    node, commit = f"making:{row['id']}", _load(row["commit"])
    yield row["artefact"], node, "output"
    yield from ((digest, node, f"step:{step}") for step, digest in _load(row["steps"]).items())
    yield from ((node, digest, name) for name, digest in _load(row["inputs"]).items())
    yield node, f"spec:{row['spec_digest']}", row["name"]
    if commit:
        yield node, f"commit:{commit['sha']}", "commit"


def _edges_of_release(record: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    digest, commit = record["digest"], record["commit"]
    yield from ((digest, item["digest"], name) for name, item in record["artefacts"].items())
    yield from ((digest, f"spec:{spec}", name) for name, spec in record["specs"].items())
    if commit:
        yield digest, f"commit:{commit['sha']}", "commit"


def _load(value: Any) -> Any:
    """A JSON column: SQLite gives its text, PostgreSQL the value."""
    return json.loads(value) if isinstance(value, str) else value
