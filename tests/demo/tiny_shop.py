"""A project of the demo's shape whose model is tiny: trained in seconds, from random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

REPLIES = {
    "order": "It is on its way.",
    "refund": "refund it is.",
    "return": "I want to return",
    "gift": "a lamp is on its way",
}
"""By intent; nothing but the shoppers' corrections tells the model of gifts."""

_HEAD = "apiVersion: tidemill/v1\nkind: {kind}\nname: {name}\n"
_SPECS = {
    ("Model", "tiny"): """
source: {type: path, path: weights}
task: causal-lm
licence: Apache-2.0
""",
    ("Prompt", "ask"): """
template: template.j2
inputs: [request]
output: {type: text, column: reply, label: intent, max_tokens: 24}
technique: zero-shot
""",
    ("Dataset", "requests"): """
format: completion
sources:
  - {type: file, path: data/requests.jsonl}
  - {type: feedback, of: chat-feedback, kinds: [correction], weight: 2}
map: {subject: customer}
privacy: {require_consent: true}
split: {by: group, key: subject, ratios: {train: 0.6, validation: 0.2, test: 0.2}}
""",
    ("FineTune", "tuned"): """
base: tiny
dataset: requests
prompt: ask
method: full
train: {epochs: 12, learning_rate: 0.01, batch_tokens: 256, max_length: 64}
""",
    ("Compression", "small"): """
of: tuned
steps: [{type: quantise, bits: 8}]
targets: [{runtime: onnxruntime}]
equivalence: {min_agreement: 0.8, rows: 16}
""",
    ("Evaluation", "quality"): """
of: small
dataset: requests
metrics: [accuracy]
baseline: {type: live, service: support-chat}
gates: [{type: at_least, metric: accuracy, value: 0.2}]
""",
    ("Feedback", "chat-feedback"): """
topic: support-chat.feedback
service: support-chat
kinds: [thumbs, correction, comment]
max_weight_per_subject: 0.2
""",
    ("Trigger", "retrain"): """
of: chat-feedback
when: {any: [{type: corrections, at_least: 10}]}
run: [canary]
debounce: {quiet: 1s, max_wait: 1m}
cooldown: 1h
""",
    ("Rollout", "canary"): """
of: small
judged_by: quality
service: support-chat
driver: local
mode: canary
steps:
  - {percent: 50, hold: 1s, min_requests: 3}
  - {percent: 100, hold: 1s, min_requests: 3}
guardrails: [{signal: error_rate, at_most: 0.05, min_requests: 3}]
interval: 1s
cache: false
""",
}


def write_project(specs: Path, weights: Path) -> None:
    """Write `support-chat` with its data below a folder of specs."""
    project = specs / "support-chat"
    (project / "data").mkdir(parents=True)
    shutil.copytree(weights, project / "weights")
    (project / "template.j2").write_text("{{ request }}\n")
    for (kind, name), body in _SPECS.items():
        text = _HEAD.format(kind=kind, name=name) + body.lstrip()
        (project / f"{kind.lower()}.yaml").write_text(text)
    usual = ["order", "refund", "return"]
    _write(project / "data" / "requests.jsonl", [_row(usual[i % 3], i) for i in range(120)])
    _write(project / "data" / "traffic.jsonl", [_row(usual[i % 3], 200 + i) for i in range(4)])
    gifts = [_row("gift", 300 + i) for i in range(32)]
    parts = [{**row, "part": "sent" if i % 2 else "held_out"} for i, row in enumerate(gifts)]
    _write(project / "data" / "shift.jsonl", parts)


def _row(intent: str, number: int) -> dict[str, str]:
    return {
        "request": f"{intent} {number}",
        "intent": intent,
        "reply": REPLIES[intent],
        "customer": f"c-{number}",
    }


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
