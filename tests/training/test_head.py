"""The loss over wanted tokens only equals the loss over full logits with the others masked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training import killable
from torch.nn.functional import cross_entropy as torch_cross_entropy

from tidemill.training import classifier_head
from tidemill.training.causal import CausalLearner
from tidemill.training.classifier_head import cross_entropy
from tidemill.training.examples import Example
from tidemill.training.loop import validation_loss


def setting(n: int = 11, bias: bool = False) -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "hidden": torch.randn(n, 8, requires_grad=True),
        "head": torch.randn(23, 8, requires_grad=True),
        "bias": torch.randn(23) if bias else None,
        "targets": torch.randint(0, 23, (n,)),
        "weights": torch.rand(n),
    }


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chunk", [4, 512])
def test_loss_and_gradients_are_those_of_torch(
    smoothing: float, bias: bool, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_head, "CHUNK", chunk)
    given = setting(bias=bias)
    logits = torch.nn.functional.linear(given["hidden"], given["head"], given["bias"])
    losses = torch_cross_entropy(
        logits, given["targets"], reduction="none", label_smoothing=smoothing
    )
    expected = (losses * given["weights"]).sum()
    wanted = torch.autograd.grad(expected, [given["hidden"], given["head"]])

    found = cross_entropy(**given, smoothing=smoothing)

    gradients = torch.autograd.grad(found, [given["hidden"], given["head"]])
    torch.testing.assert_close(found, expected)
    for gradient, reference in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, reference)


def test_a_frozen_head_gets_no_gradient() -> None:
    given = setting()
    given["head"].requires_grad_(False)

    cross_entropy(**given, smoothing=0.0).backward()

    assert given["head"].grad is None
    assert given["hidden"].grad is not None


def test_only_completion_tokens_count_as_with_full_logits_and_a_mask(tiny_llm: Path) -> None:
    model = killable.model(tiny_llm)
    rows = [
        Example((10, 11, 12, 13, 5, 2), start=4),
        Example((20, 21, 6, 7, 2), start=2, weight=2.0),
        Example((30, 8, 2), start=1, weight=0.5),
    ]

    found = CausalLearner(model, pad=0, low=False).loss(rows, 0.0)

    expected = torch.tensor(0.0)
    for row in rows:
        ids = torch.tensor([row.ids])
        labels = torch.tensor([[-100] * row.start + list(row.ids[row.start :])])
        expected += model(input_ids=ids, labels=labels).loss * row.targets * row.weight
    torch.testing.assert_close(found, expected)


def test_frozen_lower_layers_read_once_give_the_same_loss(tiny_llm: Path) -> None:
    rows = killable.with_starts(killable.rows(8))
    model = killable.model(tiny_llm).requires_grad_(False)
    model.model.layers[1].requires_grad_(True)
    learner = CausalLearner(model, pad=0, low=False)
    whole = learner.loss(rows, 0.0)
    whole.backward()
    gradients = [p.grad.clone() for p in model.model.layers[1].parameters()]
    model.zero_grad()

    saved = learner.prepare(rows, lambda done, total: None)

    again = learner.loss(rows, 0.0)
    again.backward()
    assert saved == 1
    torch.testing.assert_close(again, whole)
    for parameter, gradient in zip(model.model.layers[1].parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert len(model.model.layers) == 2


def test_rows_read_once_are_found_again_whatever_they_weigh(tiny_llm: Path) -> None:
    heavy = [replace(row, weight=2.0) for row in killable.with_starts(killable.rows(4))]
    model = killable.model(tiny_llm).requires_grad_(False)
    model.model.layers[1].requires_grad_(True)
    learner = CausalLearner(model, pad=0, low=False)
    before = validation_loss(learner, heavy)

    learner.prepare(heavy, lambda done, total: None)

    assert validation_loss(learner, heavy) == pytest.approx(before, rel=1e-5)
