"""Training tokens a second of our loop against transformers' Trainer with peft on its defaults.

Same base, rows, rank, learning rate and number of epochs; each in a process of its own, so that
none profits from what another has set. The Trainer's rows are tokenised and masked as ours. We run
three times: with the Trainer's adapter on all 30 layers, on the top 22 (as many as it takes to be
faster at no worse loss), and on the top 8 (what a quick retrain takes).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, object]
TRAIN_ROWS, HELD_OUT, EPOCHS, RATE, RANK = 80, 40, 2, 1e-3, 16
ENOUGH, QUICK = 22, 8
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SYSTEM = "You are the help desk of a shop for furniture."


def run() -> list[Row]:
    """Four runs, some four minutes together on two idle cores, most of them the Trainer's."""
    from tests.bench.bench_generation import _base

    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        base = _base(Path(folder))
        trainer, ours, enough, quick = (_alone(name, base) for name in CONTESTANTS)
    rows = [
        _row("training by Trainer, tokens", trainer["speed"], "/s"),
        _row("training by us, tokens", ours["speed"], "/s"),
    ]
    for what, found, judged in (
        ("training, same adapter", ours, False),
        (f"training the top {ENOUGH} layers", enough, True),
        (f"training the top {QUICK} layers", quick, False),
    ):
        faster, worse = found["speed"] / trainer["speed"], found["loss"] / trainer["loss"]
        fast, good = (2.0, 1.02) if judged else (None, None)
        rows.append(_row(f"{what}, against Trainer", faster, "×", at_least=fast))
        rows.append(_row(f"{what}, validation loss", worse, "×", at_most=good))
    return rows


def _row(
    name: str,
    value: float,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    ok = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    limit = f">= {at_least:g}" if at_least else f"<= {at_most:g}" if at_most else ""
    return {"name": name, "value": round(value, 3), "unit": unit, "limit": limit, "ok": ok}


def _alone(name: str, base: Path) -> dict[str, float]:
    """One contestant in a fresh process: tokens/s of the whole training, and validation loss."""
    command = [sys.executable, "-m", "tests.bench.bench_training", name, str(base)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, check=True, env=environment, capture_output=True, text=True, timeout=900
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _examples(base: Path) -> tuple[list[Any], list[Any], Any]:
    from tidemill import chat
    from tidemill.runtimes import load
    from tidemill.training.examples import truncate_example

    tokenizer = load.tokenizer(base)
    lines = Path("specs/support-chat/data/requests.jsonl").read_text().splitlines()
    found = []
    for row in map(json.loads, lines[: TRAIN_ROWS + HELD_OUT]):
        asked = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": row["request"]},
        ]
        wanted = chat.completion(tokenizer, f"{row['intent']} | {row['reply']}")
        found.append(truncate_example(chat.encode(tokenizer, asked), wanted, 128))
    return found[:TRAIN_ROWS], found[TRAIN_ROWS:], tokenizer


def _tokens(rows: Sequence[Any]) -> int:
    return EPOCHS * sum(len(row.ids) for row in rows)


def _ours(base: Path, layers: int | None) -> dict[str, float]:
    """Seconds from the loaded model to the trained one, everything counted but the looks."""
    from tidemill import machine
    from tidemill.form import ModelForm
    from tidemill.runtimes import load
    from tidemill.spec.finetune import Train, Watchdog
    from tidemill.training.causal import CausalLearner
    from tidemill.training.loop import TrainingJob, run_training, validation_loss
    from tidemill.training.methods import lora

    rows, held_out, tokenizer = _examples(base)
    low = machine.bf16()
    train = Train(epochs=EPOCHS, learning_rate=RATE, scheduler="linear", batch_tokens=400,
                  checkpoint_every=1000)  # fmt: skip
    model = load.model(base, ModelForm.read(base), Path, precision="bf16" if low else "fp32")
    model = lora.prepare(model, lora.Options(r=RANK, layers=layers), train, "causal-lm")
    learner = CausalLearner(model, pad=tokenizer.pad_token_id, low=low)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as checkpoints:
        job = TrainingJob(train, None, Watchdog(), "bench", Path(checkpoints))
        run_training(learner, rows, [], job, lambda message, **_: None)
    seconds = time.perf_counter() - started
    learner.forget()
    return {"speed": _tokens(rows) / seconds, "loss": validation_loss(learner, held_out)}


def _trainer(base: Path) -> dict[str, float]:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    rows, held_out, tokenizer = _examples(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=TARGETS, task_type="CAUSAL_LM")

    def collate(batch: list[dict[str, Any]]) -> dict[str, Any]:
        padded = tokenizer.pad([{"input_ids": r["input_ids"]} for r in batch], return_tensors="pt")
        width = padded["input_ids"].shape[1]
        labels = [r["labels"] + [-100] * (width - len(r["labels"])) for r in batch]
        return {**padded, "labels": torch.tensor(labels)}

    data = [
        {"input_ids": list(r.ids), "labels": [-100] * r.start + list(r.ids[r.start :])}
        for r in rows
    ]
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=get_peft_model(model, config),
            args=TrainingArguments(
                folder, num_train_epochs=EPOCHS, learning_rate=RATE, report_to=[],
                remove_unused_columns=False, disable_tqdm=True, save_strategy="no",
            ),
            train_dataset=data,  # type: ignore[arg-type]
            data_collator=collate,
        )  # fmt: skip
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    from tidemill.training.causal import CausalLearner
    from tidemill.training.loop import validation_loss

    learner = CausalLearner(trainer.model, pad=tokenizer.pad_token_id, low=False)
    return {"speed": _tokens(rows) / seconds, "loss": validation_loss(learner, held_out)}


CONTESTANTS: dict[str, Callable[[Path], dict[str, float]]] = {
    "trainer": _trainer,
    "ours": lambda base: _ours(base, None),
    "enough": lambda base: _ours(base, ENOUGH),
    "quick": lambda base: _ours(base, QUICK),
}


def main(name: str, base: str) -> None:
    """One contestant; its figures as the last line."""
    print(json.dumps(CONTESTANTS[name](Path(base))))


if __name__ == "__main__":
    main(*sys.argv[1:])
