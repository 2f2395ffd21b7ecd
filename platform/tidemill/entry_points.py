"""Modules that are started by name (`python -m …`): the one table of them.

A linter sees imports, not strings; whoever starts a process takes its module from here, and a test
holds that each of them exists and that no other string names a module of ours to run.
"""

from __future__ import annotations

CLI = "tidemill"
INGEST = "tidemill.control.ingest"
ROLLOUTS = "tidemill.control.rollout_process"
GATEWAY = "tidemill.serving.gateway"
MODEL_SERVER = "tidemill.serving.model_server"
SUPERVISOR = "tidemill.local.supervisor"
DEFINITIONS = "tidemill_assets.definitions"
LAUNCH = "tidemill_assets.launch"
RUN_DECISION = "tidemill_assets.run_decision"
