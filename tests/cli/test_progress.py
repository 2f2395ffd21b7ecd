"""Progress on a real terminal: what people wrote is shown as it is and drives nothing."""

from __future__ import annotations

import os
import pty
import sys
import threading
from contextlib import suppress

import pytest

from tidemill.terminal.progress import terminal_progress


def shown(message: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a terminal is told while this is said, as a line and as the name of a bar."""
    ours, theirs = pty.openpty()
    told: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end was closed
            while said := os.read(ours, 1 << 16):
                told.append(said)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        with terminal_progress() as say:
            say(f"{message}: judging")
            say(f"{message}: making", done=1, total=2)
    reader.join(10)
    os.close(ours)
    return b"".join(told).decode()


@pytest.mark.parametrize(
    "subject", ["[skip ci] a row", "[/etc] moved", "[red]stop", "new [email] rule"]
)
def test_brackets_of_a_commits_subject_are_shown(
    subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{subject}: judging" in shown(subject, monkeypatch)


def test_a_message_does_not_drive_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "a  [9J row: judging" in shown("a \x1b[9J row", monkeypatch)
