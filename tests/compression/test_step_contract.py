"""Every compression step gives a finished model that answers, and leaves its source alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidemill.catalog import COMPRESSION
from tidemill.compression import artefact_kind
from tidemill.content import digest_of
from tidemill.form import ModelForm
from tidemill.progress import no_progress
from tidemill.runtimes import open_runtime

Resolve = Callable[[str], Path]
CONVERSATIONS = [[{"role": "user", "content": text}] for text in ("where is my order", "refund")]
CASES = [
    ("merge", {}, "tiny_llm"),
    ("merge", {"precision": "bf16"}, "tiny_adapter"),
    ("prune", {"sparsity": 0.5}, "tiny_llm"),
    ("prune", {"sparsity": 0.5, "scope": "global"}, "tiny_classifier"),
    ("quantise", {"bits": 4}, "tiny_llm"),
    ("quantise", {"bits": 4, "method": "k-quant", "embeddings": False}, "tiny_llm"),
    ("quantise", {"bits": 8}, "tiny_llm"),
    ("quantise", {"bits": 8, "scheme": "blocks", "head_bits": 8}, "tiny_llm"),
    ("quantise", {"bits": 8, "per_channel": "auto"}, "tiny_classifier"),
]
CASES += [
    (step, {}, "tiny_llm") for step in COMPRESSION.names() if step not in {c[0] for c in CASES}
]
"""A step that is new is tried with its defaults."""
NAMES = [f"{step}-{source}-{i}" for i, (step, _, source) in enumerate(CASES)]


@pytest.fixture(scope="module", params=CASES, ids=NAMES)
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, resolve: Resolve
) -> Iterator[tuple[str, Any, Path, Path, str]]:
    """Step, options, source, result and the source's digest before."""
    step, given, name = request.param
    source: Path = request.getfixturevalue(name)
    before = digest_of(source)
    options = COMPRESSION.options(step, given)
    out = tmp_path_factory.mktemp("step") / "out"
    COMPRESSION.load(step).compress(
        source, out, options, resolve=resolve, calibration=CONVERSATIONS, say=no_progress
    )
    yield step, options, source, out, before
    shutil.rmtree(out.parent, ignore_errors=True)


Case = tuple[str, Any, Path, Path, str]


def test_a_step_leaves_its_source_as_it_was(made: Case) -> None:
    _, _, source, _, before = made

    assert digest_of(source) == before


def test_a_step_gives_a_form_and_the_tokenizer(made: Case) -> None:
    step, options, source, out, _ = made
    form, of = ModelForm.read(out), ModelForm.read(source)

    assert form.task == of.task
    assert form.labels == of.labels
    assert form.base is None
    assert (out / "tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()
    assert artefact_kind(COMPRESSION.load(step), options) in ("merged", "pruned", "int8", "int4")


def test_what_a_step_gives_answers(made: Case, resolve: Resolve) -> None:
    *_, out, _ = made
    runtime = open_runtime(out, resolve=resolve)

    try:
        if runtime.form.task == "causal-lm":
            replies = runtime.answer(CONVERSATIONS, max_tokens=5)

            assert [reply.tokens_out <= 5 for reply in replies] == [True, True]
        else:
            found = runtime.classify(["where is my order", "refund"])

            assert {scores.label for scores in found} <= set(runtime.form.labels)
    finally:
        runtime.close()


def test_the_same_source_and_options_give_the_same_bytes(
    made: Case, tmp_path: Path, resolve: Resolve
) -> None:
    step, options, source, out, _ = made
    again = tmp_path / "out"
    COMPRESSION.load(step).compress(
        source, again, options, resolve=resolve, calibration=CONVERSATIONS, say=no_progress
    )

    assert digest_of(again) == digest_of(out)


def test_a_step_names_no_folder_of_this_machine(made: Case) -> None:
    *_, source, out, _ = made
    texts = [path.read_text() for path in out.glob("*.json")]

    assert not [text for text in texts if str(source) in text or str(out.parent) in text]
