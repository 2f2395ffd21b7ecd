"""`method: head`: a linear head on the frozen encoder, in every form that serves it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests.pipeline.test_finetune import Shop, rows

from tidemill.adapters.store.memory import MemoryStore
from tidemill.catalog import COMPRESSION
from tidemill.compression import targets
from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.pipeline.context import BuildResult
from tidemill.pipeline.sweep import sweep
from tidemill.progress import no_progress
from tidemill.runtimes import open_runtime
from tidemill.runtimes.sentence import Encoder
from tidemill.spec.compression import OnnxRuntimeTarget
from tidemill.spec.finetune import FineTune, Sweep

TEXTS = [str(row["text"]) for row in rows(30)]


def build_head(shop: Shop, **options: object) -> BuildResult:
    fields = {"options": options} if options else {}
    return shop.train(method="head", train={}, **fields)


def probabilities(folder: Path, texts: Sequence[str] = TEXTS) -> np.ndarray:
    runtime = open_runtime(folder, resolve=Path)
    try:
        return np.array([list(scores.all.values()) for scores in runtime.classify(texts)])
    finally:
        runtime.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    shop.put_base(tiny_encoder)
    shop.put_rows(rows(60), rows(84)[60:])
    return shop


@pytest.fixture(scope="module")
def built(shop: Shop) -> BuildResult:
    return build_head(shop, C=10)


@pytest.fixture(scope="module")
def exported(built: BuildResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms") / "onnx"
    target = OnnxRuntimeTarget(runtime="onnxruntime")
    targets.load("onnxruntime").build(built.artefact.path, folder, target, no_progress)
    return folder


def test_it_answers_as_a_logistic_regression_on_the_same_embeddings(
    built: BuildResult, tiny_encoder: Path
) -> None:
    train, encoder = rows(60), Encoder(tiny_encoder)
    plain = LogisticRegression(C=10, max_iter=5000, tol=1e-6).fit(
        encoder.encode([row["text"] for row in train]).astype(np.float64),
        [row["label"] for row in train],
        sample_weight=[row["weight"] for row in train],
    )

    answers = probabilities(built.artefact.path)

    expected = plain.predict_proba(encoder.encode(TEXTS).astype(np.float64))
    assert np.allclose(answers, expected, atol=1e-4)


def test_it_is_right_far_more_often_than_the_commonest_label(built: BuildResult) -> None:
    fresh = rows(120)[84:]
    answers = probabilities(built.artefact.path, [row["text"] for row in fresh]).argmax(1)

    labels = ModelForm.read(built.artefact.path).labels
    right = np.mean([labels[i] == row["label"] for i, row in zip(answers, fresh, strict=True)])
    assert right > 0.8  # each of three labels is on a third of the rows


def test_the_artefact_is_the_bases_encoder_and_a_head_and_no_pickle(
    built: BuildResult, tiny_encoder: Path
) -> None:
    folder, form = built.artefact.path, ModelForm.read(built.artefact.path)

    assert built.artefact.kind == "model"
    assert (form.form, form.base, form.pooling) == ("safetensors", None, "mean-normalised")
    assert form.parameters == ModelForm.read(tiny_encoder).parameters + 3 * 32 + 3
    assert {path.suffix for path in folder.iterdir()} <= {".safetensors", ".json", ".jinja"}
    encoder = "model.safetensors"
    assert (folder / encoder).read_bytes() == (tiny_encoder / encoder).read_bytes()


def test_onnx_gives_the_same_probabilities(built: BuildResult, exported: Path) -> None:
    assert np.allclose(probabilities(exported), probabilities(built.artefact.path), atol=1e-4)


@pytest.mark.parametrize("step", ["merge", "prune"])
def test_a_step_between_keeps_the_head(built: BuildResult, step: str, tmp_path: Path) -> None:
    options = COMPRESSION.options(step, {"sparsity": 0.1} if step == "prune" else {})
    COMPRESSION.load(step).compress(
        built.artefact.path, tmp_path / "out", options,
        resolve=Path, calibration=None, say=no_progress,
    )  # fmt: skip

    before, after = (probabilities(f).argmax(1) for f in (built.artefact.path, tmp_path / "out"))
    assert np.mean(before == after) > 0.8


def test_int8_agrees_on_nearly_every_label(built: BuildResult, tmp_path: Path) -> None:
    options = COMPRESSION.options("quantise", {"bits": 8})
    COMPRESSION.load("quantise").compress(
        built.artefact.path, tmp_path / "int8", options,
        resolve=Path, calibration=None, say=no_progress,
    )  # fmt: skip

    before, after = (probabilities(f).argmax(1) for f in (built.artefact.path, tmp_path / "int8"))
    assert np.mean(before == after) > 0.9


def test_the_validation_split_chooses_c_and_the_facts_say_how(shop: Shop) -> None:
    found = build_head(shop)

    losses = {trial["C"]: trial["validation_loss"] for trial in found.facts["tried"]}
    assert list(losses) == [0.3, 1, 3, 10, 30, 100, 300]
    assert losses[found.facts["C"]] == min(losses.values()) == found.facts["validation_loss"]
    assert found.facts["C_chosen"] is True
    assert (found.facts["rows"], found.facts["rows_validation"]) == (60, 24)
    assert {m.metric for m in found.measures} == {"validation_loss", "validation_accuracy"}
    assert any("reading rows through the frozen encoder" in message for message in shop.said)


def test_the_same_inputs_give_the_same_bytes(shop: Shop, built: BuildResult) -> None:
    assert build_head(shop, C=10).artefact.digest == built.artefact.digest


def test_a_given_c_and_balanced_labels_change_the_head(shop: Shop, built: BuildResult) -> None:
    loose = build_head(shop, C=100)

    assert loose.facts["C"] == 100
    assert not loose.facts["C_chosen"]
    assert loose.facts["train_loss"] < built.facts["train_loss"]


def test_balanced_labels_lift_a_rare_one(tmp_path: Path, tiny_encoder: Path) -> None:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    train = [row for row in rows(90) if row["label"] != "refund"]
    shop.put_rows([*train, *(row for row in rows(9) if row["label"] == "refund")], [])

    plain, balanced = (build_head(shop, C=0.3, class_weights=w) for w in ("none", "balanced"))

    asked = [row["text"] for row in rows(60) if row["label"] == "refund"]
    mean = [probabilities(made.artefact.path, asked)[:, 1].mean() for made in (plain, balanced)]
    assert mean[1] > 2 * mean[0]
    assert plain.measures == ()


def test_two_labels_give_two_probabilities(tmp_path: Path, tiny_encoder: Path) -> None:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    shop.put_rows([row for row in rows(60) if row["label"] != "return"], [])

    made = build_head(shop)

    answers = probabilities(made.artefact.path)
    assert answers.shape == (30, 2)
    assert np.allclose(answers.sum(1), 1)
    assert made.facts["C"] == 10  # nothing to choose it on
    right = [answers[i].argmax() == i % 3 for i in range(30) if i % 3 < 2]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_head_goes_on_from_an_encoder_that_was_tuned(
    tmp_path: Path, tiny_encoder: Path, method: str
) -> None:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    shop.put_rows(rows(24), rows(30)[24:])
    untuned = build_head(shop, C=10).artefact.path
    train = {"epochs": 2, "learning_rate": 0.01}
    shop.inputs["base"] = shop.train(method=method, train=train).artefact

    tuned = build_head(shop, C=10).artefact.path

    assert not np.allclose(probabilities(tuned), probabilities(untuned), atol=1e-3)
    assert ModelForm.read(tuned).base is None


def test_a_model_whose_head_is_for_other_labels_is_refused(
    built: BuildResult, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(built.artefact.path, tmp_path / "model"))
    replace(ModelForm.read(folder), labels=("order", "refund")).write(folder)

    with pytest.raises(ArtefactError, match=r"head\.safetensors: holds no head for 2 labels on"):
        open_runtime(folder, resolve=Path)


class Memory:
    """Nothing is remembered, and every comparison is the first."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {}

    def put_many(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        """Forget them."""

    def record_comparison(self, rows: Sequence[str], candidate: str) -> int:
        return 1


def test_a_sweep_tries_values_of_c_beside_the_present_one(shop: Shop) -> None:
    spec = FineTune.model_validate(
        {
            "apiVersion": "tidemill/v1", "kind": "FineTune", "name": "tuned", "base": "base",
            "dataset": "requests", "method": "head",
        }
    )  # fmt: skip
    search = Sweep(metric="accuracy", space={"options.C": (0.3, 100.0)}, trials=3)

    swept = sweep(spec, search, shop.inputs, shop.bench, MemoryStore(), Memory())

    assert [trial.candidate for trial in swept.trials[:1]] == [{}]
    assert {trial.candidate.get("options.C") for trial in swept.trials} == {None, 0.3, 100.0}
