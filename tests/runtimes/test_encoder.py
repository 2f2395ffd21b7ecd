"""Classifiers and sentence encoders give the same result in a batch as alone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tidemill.errors import ArtefactError
from tidemill.form import ModelForm
from tidemill.runtimes import open_runtime
from tidemill.runtimes.sentence import Encoder

TEXTS = ["where is my order", "refund", "I want to return a lamp", "lamp lamp lamp lamp lamp"]


@pytest.fixture(scope="module")
def classifier(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    shutil.copytree(tiny_encoder, folder, dirs_exist_ok=True)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=3)
    model.save_pretrained(folder)
    replace(ModelForm.read(tiny_encoder), labels=("a", "b", "c")).write(folder)
    return folder


def test_scores_come_in_order_and_as_from_transformers(classifier: Path) -> None:
    runtime = open_runtime(classifier, resolve=Path)

    found = runtime.classify(TEXTS)

    model = AutoModelForSequenceClassification.from_pretrained(classifier).eval()
    tokenizer = AutoTokenizer.from_pretrained(classifier)
    for text, scores in zip(TEXTS, found, strict=True):
        expected = model(**tokenizer(text, return_tensors="pt")).logits.softmax(-1)[0].tolist()
        assert list(scores.all.values()) == pytest.approx(expected, abs=1e-5)
        assert scores.probability == max(scores.all.values())
        assert scores.all[scores.label] == scores.probability


def test_a_classifier_does_not_write(classifier: Path) -> None:
    runtime = open_runtime(classifier, resolve=Path)

    with pytest.raises(ArtefactError, match="'answer' needs a causal language model"):
        runtime.answer([], max_tokens=1)


def test_an_encoder_without_labels_says_it_has_to_be_taught(tiny_encoder: Path) -> None:
    with pytest.raises(ArtefactError, match="has no labels yet; fine-tune it"):
        open_runtime(tiny_encoder, resolve=Path)


def test_sentences_have_length_one_and_do_not_depend_on_their_neighbours(
    tiny_encoder: Path,
) -> None:
    encoder = Encoder(tiny_encoder)

    together = encoder.encode(TEXTS)
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])

    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, alone, atol=1e-5)


def test_no_sentences_give_an_empty_array(tiny_encoder: Path) -> None:
    encoder = Encoder(tiny_encoder)

    assert encoder.encode([]).shape == (0, encoder.size)
