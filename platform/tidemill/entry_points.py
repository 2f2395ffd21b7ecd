"""Modules that are started by name (`python -m …`): the one table of them, and how they end.

A linter sees imports, not strings; whoever starts a process takes its module from here, and a test
holds that each of them exists and that no other string names a module of ours to run.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill.errors import TidemillError

CLI = "tidemill"
INGEST = "tidemill.control.ingest"
ROLLOUTS = "tidemill.control.rollout_process"
GATEWAY = "tidemill.serving.gateway"
MODEL_SERVER = "tidemill.serving.model_server"
SUPERVISOR = "tidemill.local.supervisor"
CODE_SERVER = "tidemill_assets.code_server"
DEFINITIONS = "tidemill_assets.definitions"
LAUNCH = "tidemill_assets.launch"
RUN_DECISION = "tidemill_assets.run_decision"


@contextmanager
def exit_with_message() -> Iterator[None]:
    """Around what a process does: an error for people ends it with its message and exit code.

    The message goes to standard error, which is the process's log; a traceback is for bugs.
    """
    try:
        yield
    except TidemillError as error:
        print(error, file=sys.stderr, flush=True)  # noqa: T201
        raise SystemExit(error.exit_code) from None
