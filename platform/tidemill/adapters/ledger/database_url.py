"""The ledger's address: which databases it may name, and with which driver each is opened."""

from __future__ import annotations

from importlib.util import find_spec

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from tidemill.errors import StorageError

_POSTGRESQL_DRIVERS = ("psycopg2", "psycopg")
"""The first that is installed opens a URL that names none."""


def database_url(text: str) -> URL:
    """The URL as SQLAlchemy takes it, with a driver that is installed.

    `postgresql://` and `postgres://` get the driver that is there. Raises StorageError,
    which says what can be set instead and shows no password.
    """
    url = _parse(text)
    name = url.get_backend_name()
    if name == "postgres":
        name = "postgresql"
        url = url.set(drivername=url.drivername.replace("postgres", name, 1))
    if name not in ("sqlite", "postgresql"):
        raise StorageError(
            f"TIDEMILL_LEDGER_URL names a '{name}' database; the ledger lives in SQLite or "
            "PostgreSQL: set it to sqlite:////path/to/ledger.db or postgresql://USER@HOST/DATABASE"
        )
    if url.drivername == "postgresql":
        url = url.set(drivername=f"postgresql+{_installed_driver()}")
    _check_driver(url)
    return url


def without_password(url: URL) -> str:
    """The URL as messages show it."""
    return url.render_as_string(hide_password=True)


def _parse(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):  # its text may hold a part of the password
        raise StorageError(
            "TIDEMILL_LEDGER_URL is no database URL; it looks like sqlite:////path/to/ledger.db or "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and %40, %2F and %3A stand for @, / "
            "and : in a password"
        ) from None


def _installed_driver() -> str:
    for driver in _POSTGRESQL_DRIVERS:
        if find_spec(driver):
            return driver
    raise StorageError(
        "TIDEMILL_LEDGER_URL names PostgreSQL, and no driver for it is installed; "
        "pip install 'tidemill[postgres]'"
    )


def _check_driver(url: URL) -> None:
    example = f"{url.get_backend_name()}://"
    try:
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except (NoSuchModuleError, ImportError):
        raise StorageError(
            f"TIDEMILL_LEDGER_URL names the driver '{url.drivername}', which is not installed; "
            f"write {example} without a driver to use the one that is"
        ) from None
    if dialect.is_async:
        raise StorageError(
            f"TIDEMILL_LEDGER_URL names the driver '{url.drivername}', which is asynchronous; "
            f"write {example} without a driver"
        )
