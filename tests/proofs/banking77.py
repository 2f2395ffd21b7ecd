"""A folder of YAML and two CSV files becomes a served classifier: ten intents of Banking77.

The data (Casanueva et al. 2020, CC BY 4.0) is not part of the project: name the folder that holds
its `train.csv` and `test.csv` in TIDEMILL_BANKING77.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.proofs.cli import Person

SPECS = Path(__file__).with_name("banking")
QUESTION = "I am still waiting on my card?"
INTENT = "card_arrival"


def run() -> Iterator[dict[str, Any]]:
    """Validate, run, serve, ask."""
    data = os.environ.get("TIDEMILL_BANKING77")
    if not data:
        yield {"ok": False, "why": "TIDEMILL_BANKING77 names no folder with train.csv and test.csv"}
        return
    with tempfile.TemporaryDirectory() as folder:
        yield prove(Path(folder), Path(data))


def prove(folder: Path, data: Path) -> dict[str, Any]:
    """Accuracy on the 400 test rows of ten intents after 600 training rows, then a real answer."""
    project = folder / "specs" / "banking77"
    shutil.copytree(SPECS, project)
    shutil.copytree(data, project / "data", ignore=shutil.ignore_patterns("*.json"))
    person, ports = Person(folder / "specs", folder / "home"), free_ports()
    started = time.monotonic()
    codes = [person.types("validate").returncode]
    ran = person.types("run", "banking77", "--json")
    codes += [ran.returncode, person.types("up", **ports).returncode]
    try:
        answer = ask(ports["TIDEMILL_GATEWAY_PORT"])
    finally:
        codes.append(person.types("down", **ports).returncode)
    accuracy = measured(ran.stdout)
    return {
        "ok": codes == [0, 0, 0, 0] and accuracy["value"] >= 0.9 and answer["label"] == INTENT,
        "exit_codes": codes,
        "accuracy": accuracy,
        "answer": answer,
        "seconds": round(time.monotonic() - started, 1),
        "said": ran.stderr.strip().splitlines()[-3:],
    }


def measured(report: str) -> dict[str, Any]:
    """The accuracy over all rows that `tidemill run --json` tells."""
    assets = json.loads(report)["assets"]
    found = next(a["measures"] for a in assets if a["name"] == "intents-check")
    return next(m for m in found if m["metric"] == "accuracy" and m["slice"] is None)


def ask(port: str) -> dict[str, Any]:
    """One question to the served model, once it is up."""
    url = f"http://127.0.0.1:{port}/intents/openai/v1/chat/completions"
    body = {"model": "intents", "messages": [{"role": "user", "content": QUESTION}]}
    until = time.monotonic() + 120
    while True:
        answer = httpx.post(url, json=body, timeout=60)
        if answer.is_success or time.monotonic() > until:
            answer.raise_for_status()
            return dict(answer.json()["tidemill"])
        time.sleep(0.5)


def free_ports() -> dict[str, str]:
    """A free loopback port for each service that has a fixed one."""
    names = ("GATEWAY", "DAGSTER", "BROKER")
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {
        f"TIDEMILL_{name}_PORT": str(probe.getsockname()[1])
        for name, probe in zip(names, probes, strict=True)
    }
    for probe in probes:
        probe.close()
    return ports
