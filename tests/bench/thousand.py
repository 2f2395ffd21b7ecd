"""A workspace of many specs, in chains from dataset to evaluation."""

from __future__ import annotations

from pathlib import Path

CHAIN = {
    "model": """kind: Model
name: base-{n}
source: {{type: wheel, package: some-weights, version: 1.0.0, file: weights.gguf, sha256: "{sha}"}}
format: gguf
licence: Apache-2.0
""",
    "dataset": """kind: Dataset
name: rows-{n}
format: completion
sources: [{{type: file, path: data/rows.jsonl}}]
clean: [{{type: strip}}]
expectations: [{{type: expect_column_values_to_not_be_null, column: request}}]
""",
    "prompt": """kind: Prompt
name: prompt-{n}
template: template.j2
inputs: [request]
output: {{type: text, column: reply}}
""",
    "finetune": """kind: FineTune
name: tune-{n}
base: base-{n}
dataset: rows-{n}
prompt: prompt-{n}
train: {{epochs: 2, learning_rate: 0.0005}}
""",
    "compression": """kind: Compression
name: small-{n}
of: tune-{n}
steps: [{{type: merge}}, {{type: quantise, bits: 4}}]
targets: [{{runtime: onnxruntime}}]
""",
    "evaluation": """kind: Evaluation
name: quality-{n}
of: small-{n}
dataset: rows-{n}
metrics: [accuracy, rouge_l]
gates: [{{type: at_least, metric: accuracy, value: 0.8}}]
""",
}


def write(root: Path, specs: int) -> Path:
    """A specs root with this many specs, 120 to a project."""
    for number in range(specs):
        chain, part = divmod(number, len(CHAIN))
        kind = list(CHAIN)[part]
        folder = root / f"project-{chain // 20}"
        if part == 0 and chain % 20 == 0:
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "rows.jsonl").write_text('{"request": "hello", "reply": "hi"}\n')
            (folder / "template.j2").write_text("{{ request }}\n")
        text = CHAIN[kind].format(n=chain, sha="0" * 64)
        (folder / f"{kind}-{chain}.yaml").write_text(f"apiVersion: tidemill/v1\n{text}")
    return root
