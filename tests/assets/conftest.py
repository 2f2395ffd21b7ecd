"""A small project with a stream and a trigger, in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tidemill.home import Home
from tidemill.settings import Settings

FILES = {
    "rows.csv": "text,label\n"
    + "".join(f"please help me with matter {n},{'ab'[n % 2]}\n" for n in range(60)),
    "rows.yaml": """apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources:
  - {type: file, path: rows.csv}
  - {type: feedback, of: stream}
expectations:
  - {type: expect_column_value_lengths_to_be_between, column: text, min_value: 5}
""",
    "encoder.yaml": """apiVersion: tidemill/v1
kind: Model
name: encoder
source: {type: path, path: weights}
task: sequence-classification
licence: Apache-2.0
""",
    "tune.yaml": """apiVersion: tidemill/v1
kind: FineTune
name: tune
base: encoder
dataset: rows
method: full
""",
    "quality.yaml": """apiVersion: tidemill/v1
kind: Evaluation
name: quality
of: tune
dataset: rows
metrics: [accuracy]
""",
    "rollout.yaml": """apiVersion: tidemill/v1
kind: Rollout
name: release
of: tune
judged_by: quality
service: desk
steps: [{percent: 100}]
""",
    "stream.yaml": """apiVersion: tidemill/v1
kind: Feedback
name: stream
topic: desk.feedback
service: desk
""",
    "trigger.yaml": """apiVersion: tidemill/v1
kind: Trigger
name: again
of: stream
when: {any: [{type: new_rows, at_least: 2}]}
run: [rows]
cooldown: 1h
""",
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "specs" / "desk"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "model.safetensors").write_bytes(b"")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    environment = {"TIDEMILL_HOME": str(tmp_path / "home"), "TIDEMILL_BOOTSTRAP_SERVERS": "x:1"}
    return Home(Settings.read(environment, specs=tmp_path / "specs"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found
