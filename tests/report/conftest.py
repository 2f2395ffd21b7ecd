"""A real home for every test that reads one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.report.homes import fresh

from tidemill.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return fresh(tmp_path)
