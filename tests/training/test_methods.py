"""Every fine-tuning method keeps one contract, on both kinds of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training import killable
from transformers import AutoModelForSequenceClassification

from tidemill.catalog import TRAINING
from tidemill.errors import TrainingError
from tidemill.spec.finetune import Train, Watchdog
from tidemill.training.causal import CausalLearner
from tidemill.training.encoder import EncoderLearner
from tidemill.training.examples import Example
from tidemill.training.loop import TrainingJob, run_training

METHODS = TRAINING.names()
TASKS = ("causal-lm", "sequence-classification")


def silent(message: str, **_: Any) -> None:
    """Says nothing."""


def base(task: str, causal: Path, encoder: Path) -> Any:
    if task == "causal-lm":
        return killable.model(causal)
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=3)


def learner(task: str, model: Any) -> Any:
    kind = CausalLearner if task == "causal-lm" else EncoderLearner
    return kind(model, pad=0, low=False)


def rows(task: str) -> list[Example]:
    if task == "causal-lm":
        return killable.with_starts(killable.rows(12))
    return [Example((40 + 10 * (i % 3), 7, 8), label=i % 3) for i in range(12)]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_training_lowers_the_loss_and_saves_safetensors_only(
    method: str, task: str, tiny_llm: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    technique = TRAINING.load(method)
    train = Train(epochs=8, learning_rate=1e-2, batch_tokens=64, max_length=32)
    model = technique.prepare(
        base(task, tiny_llm, tiny_encoder), TRAINING.options(method, {}), train, task
    )
    job = TrainingJob(train, None, Watchdog(), "x", tmp_path / "checkpoints")

    outcome = run_training(learner(task, model), rows(task), rows(task), job, silent)
    technique.save(model, tmp_path / "saved")

    endings = {path.suffix for path in (tmp_path / "saved").iterdir()}
    assert outcome.validation_losses[-1][1] < 0.9 * outcome.losses[0][1]
    assert technique.FORM in ("adapter", "safetensors")
    assert endings <= {".safetensors", ".json"}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", METHODS)
def test_the_top_layers_alone_can_be_trained(
    method: str, task: str, tiny_llm: Path, tiny_encoder: Path
) -> None:
    technique = TRAINING.load(method)
    options = TRAINING.options(method, {"layers": 1})

    model = technique.prepare(base(task, tiny_llm, tiny_encoder), options, Train(), task)

    moving = [name for name, p in model.named_parameters() if p.requires_grad]
    below = [n for n in moving if ".layers.0." in n or ".layer.0." in n or "embed" in n]
    assert moving
    assert not below


def test_lora_names_the_layers_there_are(tiny_llm: Path) -> None:
    lora = TRAINING.load("lora")

    with pytest.raises(TrainingError, match="no linear layer called qproj; there are: down_proj,"):
        lora.prepare(
            killable.model(tiny_llm), lora.Options(targets=("qproj",)), Train(), "causal-lm"
        )


def test_a_saved_adapter_names_no_folder_of_this_machine(tiny_llm: Path, tmp_path: Path) -> None:
    lora = TRAINING.load("lora")
    model = lora.prepare(killable.model(tiny_llm), lora.Options(), Train(), "causal-lm")

    lora.save(model, tmp_path)

    assert str(tiny_llm) not in (tmp_path / "adapter_config.json").read_text()
    assert {p.name for p in tmp_path.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
