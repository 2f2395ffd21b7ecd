"""One small turn of the whole loop, on real parts: what `make demo` promises, with a tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.demo.tiny_shop import write_project

from tidemill.adapters.processes import free_port


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_users_corrections_become_a_better_release_that_went_through_a_canary(
    tmp_path: Path, tiny_llm: Path
) -> None:
    write_project(tmp_path / "specs", tiny_llm)
    names = ("GATEWAY", "DAGSTER", "BROKER")
    ports = {f"TIDEMILL_{name}_PORT": str(free_port()) for name in names}
    folders = ("--specs", str(tmp_path / "specs"), "--folder", str(tmp_path / "demo"))
    demo = subprocess.run(
        [sys.executable, "-m", "tidemill", "demo", "--json", *folders],
        env={**os.environ, **ports, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr[-4000:]
    report = json.loads((tmp_path / "demo" / "report.json").read_text())

    assert report["ok"]
    assert report["trigger"]["fired"]
    assert "corrections" in report["trigger"]["reason"]
    assert len(report["releases"]) == 2
    assert report["canary"][-1] == 100
    assert report["quality_after"]["low"] > report["quality_before"]["high"]
    assert report["events_ingested"] + report["quarantined"] == report["events_sent"]
    assert report["quarantined"] == 3
    assert report["why"]["verified"]
    assert any(report["releases"][-1]["digest"] in edge.values() for edge in report["why"]["edges"])
