"""Data files as people bring them, and `tidemill init` on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.cli import commands
from tidemill.terminal.shell import run

Init = Callable[..., int]
LABELS = ("order", "refund", "return")


def table(rows: int = 60) -> str:
    """A CSV of texts with three labels."""
    lines = [f"please help me with my {LABELS[n % 3]} {n},{LABELS[n % 3]}" for n in range(rows)]
    return "\n".join(["text,label", *lines]) + "\n"


def answers(rows: int = 60) -> str:
    """A JSONL of questions with answers."""
    return "".join(
        json.dumps({"question": f"where is parcel {n}", "answer": f"It comes on day {n % 7}."})
        + "\n"
        for n in range(rows)
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder somebody starts in."""
    monkeypatch.chdir(tmp_path)
    for name in ("TIDEMILL_SPECS", "TIDEMILL_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def init(place: Path) -> Init:
    """Run `tidemill init` with arguments; gives its exit code."""
    return lambda *arguments: run(commands, ["init", *arguments])
