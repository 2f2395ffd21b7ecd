"""Which addresses a ledger may have, and what is said of the others."""

from __future__ import annotations

import pytest

from tidemill.adapters.ledger.database_url import database_url
from tidemill.errors import StorageError

pytest.importorskip("psycopg2")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_postgresql_needs_no_driver_in_its_address(scheme: str) -> None:
    url = database_url(f"{scheme}://ann:p%40ss@db.example:5433/tidemill?sslmode=require")

    assert url.drivername == "postgresql+psycopg2"
    assert (url.host, url.port, url.password) == ("db.example", 5433, "p@ss")
    assert url.query == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("no-address", "TIDEMILL_LEDGER_URL is no database URL; it looks like sqlite:////"),
        ("postgresql://ann:secret/@db:x/d", "TIDEMILL_LEDGER_URL is no database URL; it looks"),
        ("mysql://ann:secret@db/d", "names a 'mysql' database; the ledger lives in SQLite or"),
        ("oracle+nothing://ann:secret@db/d", "names a 'oracle' database; the ledger lives in"),
        ("postgresql+pg8000://ann:secret@db/d", "'postgresql+pg8000', which is not installed; wri"),
        ("postgresql+nothing://ann:secret@db/d", "'postgresql+nothing', which is not installed; "),
    ],
)
def test_an_address_that_cannot_work_says_why_without_the_password(
    address: str, message: str
) -> None:
    with pytest.raises(StorageError) as caught:
        database_url(address)

    assert "TIDEMILL_LEDGER_URL" in str(caught.value)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
