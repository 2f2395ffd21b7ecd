"""A fresh ledger, opened by many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sqlalchemy import inspect

from tidemill.adapters.ledger.base import metadata, open_engine


def test_all_who_open_a_fresh_ledger_at_once_find_it_whole(tmp_path: Path) -> None:
    for place in range(24):
        url, ready = f"sqlite:///{tmp_path / f'{place}.db'}", Barrier(6)

        def begin(url: str = url, ready: Barrier = ready) -> set[str]:
            ready.wait()
            return set(inspect(open_engine(url)).get_table_names())

        with ThreadPoolExecutor(6) as pool:
            found = [one.result() for one in [pool.submit(begin) for _ in range(6)]]

        assert all(metadata.tables.keys() <= names for names in found)
