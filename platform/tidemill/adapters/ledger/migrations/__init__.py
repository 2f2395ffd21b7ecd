"""The shapes that a ledger's tables have had: one revision for each change, oldest first.

A revision is a module `versions/r<number>_<what>.py` of Alembic's form: `revision`,
`down_revision` and `upgrade()`. It is frozen once it is in a release: it imports no table and no
function of the rest of the code, which goes on changing.
"""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003")
"""Every revision that this version can read, oldest first; the last one is what it writes."""
HEAD = REVISIONS[-1]
