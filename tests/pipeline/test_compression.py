"""A compression checks every hop on real rows, and stops at the one that changes the answers."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill.adapters.clock import SetClock
from tidemill.adapters.store.memory import MemoryStore
from tidemill.errors import DataError, EquivalenceBroken
from tidemill.form import ModelForm
from tidemill.pipeline import compression
from tidemill.pipeline.checks import declared_checks
from tidemill.pipeline.context import BuildContext, BuildResult
from tidemill.ports import Artefact
from tidemill.prompts import PromptProgram
from tidemill.spec.compression import Compression
from tidemill.spec.prompt import TextOutput

ROWS = [
    {"id": f"row{i}", "text": f"{text} {i}", "intent": text.split()[0], "reply": "on its way"}
    for i, text in enumerate(["order a lamp", "refund it", "where is it", "return this"] * 3)
]


LABELLED = [{"text": row["text"][:-2], "label": row["intent"]} for row in ROWS[:4]]


def train_classifier(encoder: Path, folder: Path) -> None:
    """Write an encoder that gets LABELLED right."""
    import torch
    from transformers import AutoTokenizer, BertForSequenceClassification

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    names = [row["label"] for row in LABELLED]
    model = BertForSequenceClassification.from_pretrained(
        encoder, num_labels=4, id2label=dict(enumerate(names))
    )
    batch = tokenizer([row["text"] for row in LABELLED], return_tensors="pt", padding=True)
    batch = {key: batch[key] for key in ("input_ids", "attention_mask")}
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        model(**batch, labels=torch.arange(4)).loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ModelForm("safetensors", "sequence-classification", labels=tuple(names)).write(folder)


def spec(*steps: dict[str, Any], **fields: Any) -> Compression:
    known = {
        "apiVersion": "tidemill/v1",
        "kind": "Compression",
        "name": "small",
        "of": "base",
        "prompt": "ask",
        "dataset": "requests",
        "steps": list(steps),
        "targets": [{"runtime": "onnxruntime"}],
        "equivalence": {"min_agreement": 0.0, "rows": 6},
    }
    return Compression.model_validate({**known, **fields})


class Place:
    """A bench with a tiny model, a dataset and a prompt in its store."""

    def __init__(self, tmp_path: Path, llm: Path) -> None:
        self.tmp, self.store, self.said = tmp_path, MemoryStore(), [""]
        self.inputs = {"base": self._copied(llm), "requests": self._rows(), "ask": self._prompt()}

    def _copied(self, llm: Path) -> Artefact:
        """The tiny model with layers that matter: fresh ones hardly change what comes in."""
        from safetensors.torch import load_file, save_file

        folder = self.tmp / "llm"
        shutil.copytree(llm, folder)
        tensors = load_file(folder / "model.safetensors")
        loud = {name: t * 3 if "proj" in name else t for name, t in tensors.items()}
        save_file(loud, folder / "model.safetensors", metadata={"format": "pt"})
        return self.store.put(folder, kind="model")

    def _rows(self) -> Artefact:
        folder = self.tmp / "rows"
        folder.mkdir()
        for split, rows in (("train", ROWS[4:]), ("validation", ROWS[:4]), ("test", ROWS[:1])):
            pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
        return self.store.put(folder, kind="dataset")

    def _prompt(self) -> Artefact:
        folder = self.tmp / "ask"
        output = TextOutput(type="text", column="reply", label="intent", max_tokens=6)
        PromptProgram("zero-shot", "{{ text }}", ("text",), output).save(folder)
        return self.store.put(folder, kind="prompt")

    def put_classifier(self, encoder: Path) -> None:
        """A tiny encoder that was taught to tell four labels apart, and rows to ask it."""
        folder, rows = self.tmp / "classifier", self.tmp / "labelled"
        train_classifier(encoder, folder)
        rows.mkdir()
        for split in ("train", "validation", "test"):
            table = [{"id": f"{split}{i}", **LABELLED[i % 4]} for i in range(24)]
            pq.write_table(pa.Table.from_pylist(table), rows / f"{split}.parquet")
        self.inputs |= {
            "base": self.store.put(folder, kind="model"),
            "labelled": self.store.put(rows, kind="dataset"),
        }

    def make(self, wanted: Compression) -> BuildResult:
        scratch = self.tmp / "scratch"
        scratch.mkdir(exist_ok=True)
        return compression.build(
            wanted,
            self.inputs,
            BuildContext(
                project_folder=self.tmp,
                scratch=scratch,
                cache=self.tmp,
                store=self.store,
                clock=SetClock(datetime(2026, 1, 1, tzinfo=UTC)),
                progress=lambda message, *, done=None, total=None: self.said.append(message),
            ),
        )


@pytest.fixture
def place(tmp_path: Path, tiny_llm: Path) -> Place:
    return Place(tmp_path, tiny_llm)


def test_the_line_ends_in_what_onnx_runtime_serves_with_an_engine_beside_it(place: Place) -> None:
    engine = {"runtime": "tensorrt-rtx", "compute": ["SM89"], "max_length": 64}
    wanted = spec(
        {"type": "merge"},
        {"type": "quantise", "bits": 4},
        targets=[{"runtime": "onnxruntime"}, engine],
        goals=[
            {"metric": "size", "max_ratio": 0.9},
            {"metric": "latency_p50", "at_most": 30.0},
            {"metric": "accuracy", "max_degradation": 0.5},
        ],
    )
    made = place.make(wanted)
    hops = made.tables["Hops"]

    assert [hop["step"] for hop in hops] == ["merge", "quantise", "onnx-export", "tensorrt-rtx"]
    assert list(made.steps) == ["merge", "quantise", "tensorrt-rtx"]
    assert made.artefact.digest == made.steps["quantise"].digest
    assert made.steps["tensorrt-rtx"].kind == "engine"
    assert hops[0]["agreement"] == 1.0
    assert hops[2]["agreement"] == 1.0
    assert (hops[3]["agreement"], hops[3]["rows"]) == (None, 0)
    assert hops[3]["note"].startswith("built for SM89, not run")
    assert "'tensorrt-rtx' was not run" in made.checks[0].message
    assert [check.name for check in made.checks] == [
        check.name for check in declared_checks(wanted)
    ]
    assert all(check.passed for check in made.checks)
    assert made.facts["ratio"] < 0.9
    assert made.charts["Size and agreement by hop"].startswith(b"\x89PNG")
    assert {"accuracy", "size", "latency_p50"} == {one.metric for one in made.measures}
    assert not (place.tmp / "scratch" / "exports").exists()


def test_a_step_that_breaks_the_answers_is_named_and_stops_the_line(
    place: Place, tiny_encoder: Path
) -> None:
    place.put_classifier(tiny_encoder)
    wanted = spec(
        {"type": "prune", "sparsity": 0.05},
        {"type": "prune", "sparsity": 0.99, "embeddings": True, "head": True},
        {"type": "quantise", "bits": 8},
        prompt=None,
        dataset="labelled",
        equivalence={"min_agreement": 0.9, "rows": 24},
    )

    with pytest.raises(EquivalenceBroken, match="'prune-2' changed the answers") as caught:
        place.make(wanted)

    assert [hop.step for hop in caught.value.hops] == ["prune", "prune-2"]
    assert caught.value.hops[0].agreement == 1.0
    assert caught.value.hops[1].agreement < 0.5
    assert list(caught.value.artefacts) == ["prune", "prune-2"]
    assert place.store.get(caught.value.artefacts["prune-2"].digest).kind == "pruned"
    assert caught.value.exit_code == 2


def test_other_words_without_a_label_stop_nothing(place: Place) -> None:
    """A random model writes other words after a change of digits; no row had a label."""
    made = place.make(
        spec({"type": "prune", "sparsity": 0.5}, equivalence={"min_agreement": 0.9, "rows": 12})
    )
    hop = made.tables["Hops"][0]

    assert hop["texts"] < 0.9
    assert (hop["basis"], hop["agreement"]) == ("accuracy", 1.0)


def test_whole_weights_are_exported_for_onnx_runtime(place: Place) -> None:
    made = place.make(spec({"type": "merge"}))

    assert list(made.steps) == ["merge", "onnxruntime"]
    assert made.artefact.kind == "onnx"
    assert made.facts["agreement"] == 1.0


def test_a_missed_goal_fails_its_check_and_says_by_how_much(place: Place) -> None:
    made = place.make(
        spec({"type": "quantise", "bits": 8}, goals=[{"metric": "size", "max_ratio": 0.01}])
    )
    failed = {check.name: check.message for check in made.checks if not check.passed}

    assert list(failed) == ["goal_size"]
    assert "0.01 was asked" in failed["goal_size"]


def test_rows_come_from_validation_and_are_filled_from_train(place: Place) -> None:
    made = place.make(spec({"type": "merge"}, equivalence={"min_agreement": 0.0, "rows": 500}))

    assert made.facts["rows"] == len(ROWS)


def test_without_a_dataset_there_is_nothing_to_compare_on(place: Place) -> None:
    with pytest.raises(DataError, match="name a `dataset`"):
        place.make(spec({"type": "merge"}, dataset=None))
