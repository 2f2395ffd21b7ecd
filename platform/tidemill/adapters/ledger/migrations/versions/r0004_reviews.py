"""Reviews of rows, and withdrawals of feedback."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_FEEDBACK_COLUMNS = (
    ("reviewer", sa.String(200)),
    ("verdict", sa.String(8)),
    ("question", sa.Text),
    ("withdrawal", sa.Integer),
)


def upgrade() -> None:
    """Add columns that are empty for all feedback so far, and a table without rows."""
    for name, kind in _FEEDBACK_COLUMNS:
        op.add_column("feedback", sa.Column(name, kind))
    op.execute("CREATE INDEX feedback_withdrawn ON feedback (topic) WHERE withdrawal IS NOT NULL")
    op.create_table(
        "withdrawals",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("selection", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("principal", sa.String(200), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("withdrawn_at", sa.Double, nullable=False),
        sa.Column("undone_at", sa.Double),
    )
