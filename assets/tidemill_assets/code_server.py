"""Dagster's code server on the assets of this home: `tidemill up` runs it, with `-h HOST -p PORT`.

The settings are read before Dagster is: what cannot be used ends the process with one line. Inside
the code location the same error would be a traceback, and an exit there would lose its reason.
"""

from __future__ import annotations

import os
import sys

from tidemill import entry_points
from tidemill.settings import Settings


def main() -> None:
    """Become `dagster code-server start` for our code location."""
    with entry_points.exit_with_message():
        Settings.read()
    location = ("-m", entry_points.DEFINITIONS, "--location-name", "tidemill")
    command = [sys.executable, "-m", "dagster", "code-server", "start", *location, *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606 - the supervisor watches this very process


if __name__ == "__main__":
    main()
