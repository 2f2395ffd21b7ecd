"""A ground to search on, with the planted model in the place of the loaded one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.search.planted import Ground, Planted

from tidemill.pipeline import optimise


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Planted], Planted]:
    """Put a planted model where weights are loaded."""

    def put(model: Planted) -> Planted:
        monkeypatch.setattr(optimise, "open_runtime", lambda folder, *, resolve: model)
        return model

    return put


@pytest.fixture
def ground(tmp_path: Path, tiny_encoder: Path) -> Ground:
    """A small project."""
    return Ground(tmp_path / "project", tiny_encoder)
