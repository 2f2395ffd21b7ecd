"""A fine-tune learns its rows, says what it did, and gives an artefact that answers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.store.memory import MemoryStore
from tidemill.errors import DataError, Diverged
from tidemill.form import ModelForm
from tidemill.pipeline import finetune
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.pipeline.loss_curve import curve_points
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram
from tidemill.runtimes import open_runtime
from tidemill.spec.finetune import FineTune
from tidemill.spec.prompt import TextOutput
from tidemill.training.loop import TrainingResult

PNG = b"\x89PNG\r\n"
REPLIES = {"order": "It is on its way.", "refund": "refund it is.", "return": "I want a lamp"}
TRAIN = {"epochs": 12, "learning_rate": 0.01, "batch_tokens": 256, "max_length": 64}


def rows(n: int, labels: Mapping[str, str] = REPLIES) -> list[dict[str, Any]]:
    names = list(labels)
    found = []
    for i in range(n):
        label = names[i % len(names)]
        text = f"where is my {label} {i}"
        row = {"text": text, "label": label, "reply": labels[label], "weight": 1.0 + i % 2}
        found.append(row)
    return found


class Shop:
    """Everything a fine-tune needs, in a folder."""

    def __init__(self, root: Path) -> None:
        self.root, self.store, self.said = root, MemoryStore(), list[str]()
        self.inputs: dict[str, Artefact] = {}

    @property
    def bench(self) -> BuildContext:
        def say(message: str, **_: Any) -> None:
            self.said.append(message)

        return BuildContext(
            self.root, self.root / "scratch", self.root / "cache", self.store, SystemClock(), say
        )

    def put_base(self, folder: Path) -> None:
        import shutil

        copy = shutil.copytree(folder, self.root / "base")
        self.inputs["base"] = self.store.put(copy, kind="model")

    def put_rows(
        self, train: list[dict[str, Any]], validation: list[dict[str, Any]] | None = None
    ) -> None:
        folder = self.root / "dataset"
        folder.mkdir()
        held_out = rows(6)[3:] if validation is None else validation
        empty = {"text": pa.string(), "label": pa.string()}
        for split, content in (("train", train), ("validation", held_out), ("test", [])):
            table = pa.Table.from_pylist(content) if content else pa.schema(empty).empty_table()
            pq.write_table(table, folder / f"{split}.parquet")
        self.inputs["requests"] = self.store.put(folder, kind="dataset")

    def put_prompt(self) -> None:
        program = PromptProgram(
            technique="zero-shot",
            template="{{ text }}",
            inputs=("text",),
            output=TextOutput(type="text", column="reply", label="label", max_tokens=24),
        )
        program.save(self.root / "prompt")
        self.inputs["prompt"] = self.store.put(self.root / "prompt", kind="prompt")

    def train(self, **fields: Any) -> BuildResult:
        known = {
            "apiVersion": "tidemill/v1",
            "kind": "FineTune",
            "name": "reply",
            "base": "base",
            "dataset": "requests",
            "prompt": "prompt" if "prompt" in self.inputs else None,
            "train": TRAIN,
        }
        return finetune.build(FineTune.model_validate({**known, **fields}), self.inputs, self.bench)


@pytest.fixture
def chat_shop(tmp_path: Path, tiny_llm: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.put_base(tiny_llm)
    shop.put_prompt()
    return shop


@pytest.fixture
def label_shop(tmp_path: Path, tiny_encoder: Path) -> Shop:
    shop = Shop(tmp_path)
    shop.put_base(tiny_encoder)
    return shop


def test_a_lora_becomes_an_adapter_that_knows_its_base_and_answers(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(24))

    made = chat_shop.train()

    form = ModelForm.read(made.artefact.path)
    runtime = open_runtime(made.artefact.path, resolve=lambda d: chat_shop.store.get(d).path)
    (reply,) = runtime.answer([[{"role": "user", "content": "where is my order 1"}]], max_tokens=8)
    assert made.artefact.kind == "adapter"
    assert (form.form, form.base, form.chat) == (
        "adapter", chat_shop.inputs["base"].digest, True
    )  # fmt: skip
    assert reply.tokens_out > 0


def test_the_facts_say_what_was_done(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(24))

    made = chat_shop.train()

    facts = made.facts
    (measure,) = made.measures
    assert facts["steps"] == facts["steps_planned"] > 0
    assert facts["rows"] == 24
    assert facts["tokens"] > 24 * 10
    assert facts["tokens_per_second"] > 0
    assert (measure.metric, measure.rows) == ("validation_loss", 3)
    assert made.charts["loss"].startswith(PNG)
    assert not (chat_shop.root / "scratch" / "checkpoints").exists()


def test_the_record_keeps_the_points_of_the_curve_and_the_artefact_does_not(
    chat_shop: Shop,
) -> None:
    chat_shop.put_rows(rows(24))

    made = chat_shop.train()
    curve = made.facts["curve"]

    assert [step for step, _ in curve["train"]] == list(range(1, made.facts["steps"] + 1))
    assert min(loss for _, loss in curve["validation"]) == made.facts["validation_loss"]
    assert curve["unit"] == "nats per token"
    assert "curve" not in made.artefact.meta


def test_a_long_curve_is_thinned_to_the_means_of_neighbours() -> None:
    outcome = TrainingResult(
        losses=[(step, float(step % 2)) for step in range(1, 1001)], validation_losses=[(9, 0.5)]
    )
    kept = curve_points(outcome, "nats per row")

    assert len(kept["train"]) == 200
    assert kept["train"][0] == [5, 0.6]
    assert kept["train"][-1][0] == 1000
    assert curve_points(TrainingResult(), "nats per row")["train"] == []


def test_the_same_inputs_give_the_same_bytes(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(12))

    first, again = chat_shop.train(), chat_shop.train()

    assert first.artefact.digest == again.artefact.digest


def test_a_full_fine_tune_becomes_a_whole_model(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(12))

    made = chat_shop.train(method="full")

    form = ModelForm.read(made.artefact.path)
    assert made.artefact.kind == "model"
    assert (form.form, form.base) == ("safetensors", None)
    assert form.parameters == ModelForm.read(chat_shop.inputs["base"].path).parameters


@pytest.mark.parametrize("method", ["full", "lora"])
def test_an_encoder_learns_to_classify(label_shop: Shop, method: str) -> None:
    label_shop.put_rows(rows(24))

    slow = {**TRAIN, "epochs": 40, "learning_rate": 3e-3}
    made = label_shop.train(method=method, early_stop=None, train=slow)

    form = ModelForm.read(made.artefact.path)
    runtime = open_runtime(made.artefact.path, resolve=lambda d: label_shop.store.get(d).path)
    found = runtime.classify([row["text"] for row in rows(6)])
    assert form.labels == ("order", "refund", "return")
    assert made.facts["curve"]["unit"] == "nats per row"
    assert [scores.label for scores in found] == [row["label"] for row in rows(6)]


def test_a_fine_tune_can_start_from_a_fine_tune(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(12))
    first = chat_shop.train()
    chat_shop.inputs["base"] = first.artefact

    second = chat_shop.train(train={**TRAIN, "epochs": 1})

    runtime = open_runtime(second.artefact.path, resolve=lambda d: chat_shop.store.get(d).path)
    assert ModelForm.read(second.artefact.path).base == first.artefact.digest
    assert runtime.answer([[{"role": "user", "content": "refund"}]], max_tokens=2)


def test_an_interrupted_run_goes_on_and_says_so(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(24))
    whole = chat_shop.train(train={**TRAIN, "checkpoint_every": 2})
    chat_shop.said = Stopper(7)
    with pytest.raises(KeyboardInterrupt):
        chat_shop.train(train={**TRAIN, "checkpoint_every": 2})
    chat_shop.said = []

    made = chat_shop.train(train={**TRAIN, "checkpoint_every": 2})

    assert made.facts["resumed_from"] == 6
    assert made.facts["steps"] == whole.facts["steps"]
    assert made.artefact.digest == whole.artefact.digest


class Stopper(list[str]):
    """Interrupts when a step is told of."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def append(self, message: str) -> None:
        if message.startswith(f"step {self.step}/"):
            raise KeyboardInterrupt


def test_no_training_rows_stop_the_run(chat_shop: Shop) -> None:
    chat_shop.put_rows([])

    with pytest.raises(DataError, match="dataset 'requests' has no rows in its train split"):
        chat_shop.train()


def test_answers_longer_than_the_limit_stop_the_run(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(6))

    with pytest.raises(DataError, match=r"every answer is longer than train\.max_length"):
        chat_shop.train(train={**TRAIN, "max_length": 8})


def test_a_causal_model_without_a_prompt_is_told_to_name_one(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(6))
    del chat_shop.inputs["prompt"]

    with pytest.raises(DataError, match="has no prompt: a causal language model learns"):
        chat_shop.train()


def test_a_validation_row_with_a_label_of_its_own_is_left_out_and_counted(label_shop: Shop) -> None:
    strange = [{**rows(1)[0], "label": "complaint"}]
    label_shop.put_rows(rows(12), [*rows(3), *strange])

    facts = label_shop.train(method="full").facts
    assert facts["rows_unscored"] == 1


def test_labels_that_only_validation_has_stop_the_run(label_shop: Shop) -> None:
    strange = [{**rows(1)[0], "label": "complaint"}]
    label_shop.put_rows(rows(12), strange)

    with pytest.raises(DataError, match="labels that no training row has: complaint; split"):
        label_shop.train(method="full")


def test_one_label_is_not_enough(label_shop: Shop) -> None:
    one = rows(6, {"order": "x"})
    label_shop.put_rows(one, one[:2])

    with pytest.raises(DataError, match="all rows have the label 'order'; two are needed"):
        label_shop.train(method="full")


def test_rows_that_all_weigh_nothing_stop_the_run(label_shop: Shop) -> None:
    label_shop.put_rows([{**row, "weight": 0.0} for row in rows(6)])

    with pytest.raises(DataError, match="every training row of 'requests' has weight 0; give"):
        label_shop.train(method="full")


def test_rows_without_text_name_the_map(label_shop: Shop) -> None:
    label_shop.put_rows([{**row, "text": None} for row in rows(4)] + rows(2))

    with pytest.raises(DataError, match="4 of 9 rows of 'requests' have no `text`"):
        label_shop.train(method="full")


def test_a_run_that_diverges_leaves_no_checkpoint(chat_shop: Shop) -> None:
    chat_shop.put_rows(rows(24))
    wild = {**TRAIN, "learning_rate": 50.0, "warmup_ratio": 0, "checkpoint_every": 1, "epochs": 40}

    with pytest.raises(Diverged, match="training diverged at step"):
        chat_shop.train(method="full", train=wild)

    assert not (chat_shop.root / "scratch" / "checkpoints").exists()
