"""Every fine-tuning method keeps one contract, on both kinds of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training import killable
from transformers import AutoModelForSequenceClassification

from tidemill.catalog import TRAINING
from tidemill.errors import TrainingError
from tidemill.form import ModelForm
from tidemill.runtimes import load, sentence_classifier
from tidemill.spec.finetune import Train, Watchdog
from tidemill.training.causal import CausalLearner
from tidemill.training.encoder import EncoderLearner
from tidemill.training.examples import Example
from tidemill.training.linear_head import GRID, EmbeddedRows, fit_head
from tidemill.training.loop import TrainingJob, run_training

METHODS = [name for name in TRAINING.names() if hasattr(TRAINING.load(name), "prepare")]
RANKERS = [name for name in TRAINING.names() if getattr(TRAINING.load(name), "RANKS", False)]
AT_ONCE = [name for name in TRAINING.names() if name not in (*METHODS, *RANKERS)]
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


@pytest.mark.parametrize("method", AT_ONCE)
def test_a_method_without_steps_fits_a_head_and_leaves_the_encoder_as_it_was(
    method: str, tiny_encoder: Path
) -> None:
    technique = TRAINING.load(method)
    encoder = load.encoder(tiny_encoder, ModelForm.read(tiny_encoder), Path)
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    model = sentence_classifier.add_head(encoder, 3)
    examples = rows("sequence-classification")

    fit = technique.fit(model, examples, examples, TRAINING.options(method, {}), pad=0, say=silent)

    assert technique.FORM == "safetensors"
    assert set(technique.TRAIN_FIELDS) <= set(Train.model_fields)
    assert (fit.weight.shape, fit.bias.shape) == ((3, 32), (3,))
    assert fit.train.accuracy == fit.validation.accuracy == 1.0
    assert all(torch.equal(p, before[name]) for name, p in encoder.named_parameters())


def test_equal_losses_take_the_stronger_regularisation() -> None:
    nothing_to_learn = np.zeros((12, 2), dtype=np.float32)
    data = EmbeddedRows(nothing_to_learn, np.tile([0, 1], 6), np.ones(12))

    fit = fit_head(data, data, C=None, balanced=False, say=silent)

    assert min(GRID) == fit.C


def test_a_row_counts_as_often_as_its_weight_says() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(20, 4)).astype(np.float32)
    classes = draw.integers(0, 3, 20)
    data = EmbeddedRows(vectors, classes, draw.integers(1, 4, 20).astype(float))
    often = np.repeat(np.arange(20), data.weights.astype(int))
    repeated = EmbeddedRows(vectors[often], classes[often], np.ones(len(often)))

    weighted, plain = (
        fit_head(part, data[:0], C=3.0, balanced=False, say=silent) for part in (data, repeated)
    )

    assert np.allclose(weighted.weight, plain.weight, atol=1e-4)
