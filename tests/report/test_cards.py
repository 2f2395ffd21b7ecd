"""Cards: what the hub's own library reads out of them, and what people may write into them."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from huggingface_hub import DatasetCard, DatasetCardData, ModelCard, ModelCardData
from hypothesis import given
from hypothesis import strategies as some
from markdown_it import MarkdownIt
from tests.report.stories import (
    GONE,
    HOSTILE,
    STORIES,
    dataset_story,
    empty,
    full,
    making,
    partial,
    record,
    specs,
)

from tidemill.engine.licence import LicensedInput, licence_chain
from tidemill.form import ModelForm
from tidemill.report.cards import dataset, metadata, model
from tidemill.report.cards.escape import code, inline
from tidemill.report.release_facts import DatasetFacts, ReleaseFacts

READER = MarkdownIt("commonmark", {"linkify": False}).enable("table")
"""As the hub renders: raw HTML would go through, so a card must hold none."""


@pytest.mark.parametrize("name", list(STORIES))
def test_the_hubs_library_reads_a_model_card_back(name: str) -> None:
    story = STORIES[name]()
    text = model.card(story)
    found = ModelCard(text)

    assert isinstance(found.data, ModelCardData)
    assert "tidemill" in found.data.tags
    assert story.service in found.text
    assert ModelCard(str(found)).data.to_dict() == found.data.to_dict()


def test_a_model_cards_metadata_is_what_is_known() -> None:
    data = ModelCard(model.card(full())).data

    assert data.license == "apache-2.0"
    assert data.language == ["en"]
    assert data.base_model == ["a-wheel"]
    assert data.base_model_relation == "quantized"
    assert data.datasets == ["shop/rows"]
    assert data.pipeline_tag == "text-classification"
    assert data.library_name == "onnx"
    assert data.tags == ["tidemill", "desk", "lora", "quantise", "engine", "int8"]


def test_results_come_with_their_interval_slice_and_dataset() -> None:
    results = ModelCard(model.card(full())).data.eval_results or []
    whole = [one for one in results if one.dataset_config is None]
    part = next(one for one in results if one.dataset_config == "by e-mail")

    assert [one.metric_type for one in whole] == ["accuracy", "f1"]  # speed is the machine's
    assert whole[0].metric_value == 0.8
    assert whole[0].metric_name == "accuracy (95 % interval 0.70–0.90, 60 rows)"
    assert whole[0].dataset_split == "test"
    assert whole[0].dataset_revision == record().dataset.digest
    assert part.metric_name == "accuracy (95 % interval 0.40–0.80, 9 rows)"


@pytest.mark.parametrize("name", list(STORIES))
def test_the_hubs_library_reads_a_dataset_card_back(name: str) -> None:
    data = STORIES[name]().data
    found = DatasetCard(dataset.card(data))

    assert isinstance(found.data, DatasetCardData)
    assert found.data.pretty_name == "shop: rows"
    assert DatasetCard(str(found)).data.to_dict() == found.data.to_dict()


def test_a_dataset_cards_metadata_is_what_is_known() -> None:
    data = DatasetCard(dataset.card(dataset_story())).data.to_dict()

    assert data["license"] == "cc0-1.0"
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["text-classification"]
    files = data["configs"][0]["data_files"]
    assert files == [
        {"split": "train", "path": "train.parquet"},
        {"split": "test", "path": "test.parquet"},
    ]  # an empty split has no rows to load


def test_a_dataset_card_tells_what_was_kept_out_and_expected() -> None:
    text = dataset.card(dataset_story())

    for words in (
        "| no consent | 4 |",
        "| email | 3 |",
        "looked for and replaced by its kind",
        "older than 30 days",
        "10.0 % of the subjects are never trained on",
        "broken (a warning): a short text",
        "| desk.feedback/0 | 0 up to 12 |",
        "correction of the last 1 day",
        "| return | 20 | 0 | 30 | 50 |",
        "Dropped: 2 exact, 1 near duplicates.",
        "- built: 24 Nov 2026",
    ):
        assert words in text, words


def test_a_model_card_tells_method_data_hops_limits_and_licences() -> None:
    text = model.card(full())

    for words in (
        "lora (r 8); 2 epochs at learning rate 0.001",
        "| quantise | int8 | 95.0 % | 24 | 2.0 MB |",
        "- dataset rows: CC0-1.0",
        "- **this release: apache-2.0**",
        "feedback taken in: desk.feedback/0, offsets 0 up to 12",
        "v2/models/desk/infer",
        "does worst on 'by e-mail'",
        "by Ada,",
    ):
        assert words in text, words
    assert "ada@example.com" not in text


def test_a_card_says_which_evidence_is_lost() -> None:
    text = model.card(partial())

    assert text.count(f"- {GONE}") == 2  # of the release, and of its dataset
    assert "Specs that changed since" in text
    assert f"**Incomplete.** {GONE}" in dataset.card(partial().data)


def test_a_bare_release_gets_a_card() -> None:
    text = model.card(empty())
    data = ModelCard(text).data

    assert data.license is None
    assert data.base_model is None
    assert "nothing was measured" in text
    assert "not in Git" in text


@pytest.mark.parametrize(
    ("form", "steps", "relation"),
    [
        (ModelForm("adapter", "causal-lm"), (), "adapter"),
        (ModelForm("safetensors", "causal-lm", "bf16"), ("merge",), "finetune"),
        (ModelForm("onnx", "causal-lm", "int8"), ("merge", "quantise"), "quantized"),
    ],
)
def test_the_relation_to_the_base_is_the_hubs_word(
    form: ModelForm, steps: tuple[str, ...], relation: str
) -> None:
    hops = [{"step": step, "agreement": 1.0, "rows": 4} for step in steps]
    made = {
        "tune": making("tune", "FineTune"),
        "small": making("small", "Compression", facts={"hops": hops}),
    }

    assert model.relation(replace(full(), form=form, materialisations=made)) == relation


def test_a_base_that_serves_as_it_is_has_no_relation() -> None:
    bare = replace(full(), form=ModelForm("safetensors", "causal-lm"), materialisations={})

    assert model.relation(bare) is None


def test_the_base_goes_by_its_name_on_the_hub_where_that_is_known() -> None:
    story = full()
    labelled = {**story.specs, "base": {**story.specs["base"], "labels": {"hub": "owner/model"}}}
    source = {"type": "hub", "repo": "maker/base", "revision": "0" * 40}
    hub = replace(story.release, bases=(replace(story.release.bases[0], source=source),))

    assert model.base_id(replace(story, specs=labelled)) == "owner/model"
    assert model.base_id(replace(story, release=hub)) == "maker/base"
    assert model.base_id(story) == "a-wheel"


def test_datasets_of_the_hub_go_by_their_own_names() -> None:
    story = full()
    source = {"type": "hub", "repo": "owner/data", "path": "train.csv", "revision": "0" * 40}
    data = replace(story.data, spec={**specs()["rows"], "sources": [source]})

    assert model.dataset_ids(replace(story, data=data)) == ["owner/data"]


@pytest.mark.parametrize("write", [model.card, lambda story: dataset.card(story.data)])
def test_what_people_wrote_into_a_card_does_nothing(write: Any) -> None:
    text = write(STORIES["hostile"]())
    body = ModelCard(text).text
    shown = READER.render(body)

    assert "<script" not in shown
    assert "<a " not in shown
    assert "href" not in shown
    words = re.sub(r"(`+).*?\1", "", body)  # code is inert
    assert "https://evil" not in words  # nothing turns into a link by itself
    assert "@me" not in words
    assert "&lt;script&gt;alert(1)" in shown


def test_hostile_words_break_no_table() -> None:
    shown = READER.render(ModelCard(model.card(STORIES["hostile"]())).text)
    tables = re.findall(r"<table>.*?</table>", shown, re.DOTALL)

    assert tables
    for table in tables:
        rows = re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        assert len({len(re.findall(r"<t[hd]", row)) for row in rows}) == 1


@given(some.text())
def test_escaped_text_reads_as_it_was_written(text: str) -> None:
    """Any text, put into a table and at the start of a line, is shown and starts nothing."""
    shown = READER.render(f"{inline(text)}\n")
    plain = re.sub(r"</?p>", "", shown).strip()
    wanted = " ".join("".join(c if c.isprintable() else " " for c in text).split())

    assert "<" not in plain
    assert _unescaped(plain) == wanted.replace("\N{ZERO WIDTH SPACE}", "")


@given(some.text(min_size=1))
def test_text_in_a_table_cell_stays_in_it(text: str) -> None:
    table = f"| a | b |\n|---|---|\n| {inline(text)} | {code(text)} |\n"
    shown = READER.render(table)

    assert shown.count("<td") == 2
    assert shown.count("<tr>") == 2


def _unescaped(shown: str) -> str:
    return html.unescape(shown).replace("\N{ZERO WIDTH SPACE}", "")


@pytest.mark.parametrize(
    ("rows", "word"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**7, "n>1M")],
)
def test_sizes_are_the_hubs_words(rows: int, word: str) -> None:
    assert metadata.size_category(rows) == word


def test_a_licence_the_hub_has_no_word_for_is_other_with_its_name() -> None:
    odd = licence_chain([LicensedInput("base model", "base", "My Licence 1.0")])

    assert metadata.licence(odd) == {"license": "other", "license_name": "my-licence-1.0"}
    assert metadata.licence(licence_chain([])) == {}


def test_languages_come_from_labels_and_nonsense_is_left_out() -> None:
    said = [{"labels": {"language": "en, DE"}}, {"labels": {"language": "klingon"}}, {}]

    assert metadata.languages(*said) == ["en", "de"]


def test_metadata_cannot_end_its_own_block() -> None:
    block = metadata.block({"pretty_name": "a\n---\nb: c", "tags": ["x\r\n---\r\ny"]})

    assert block.count("\n---") == 1
    assert DatasetCard(block).data.pretty_name == "a --- b: c"


def test_a_dataset_nobody_described_is_still_told() -> None:
    text = dataset.card(DatasetFacts("shop", "rows", "sha256:d"))

    assert "Not stated" in text
    assert "No expectations" in text


def test_stories_of_the_hostile_kind_hold_what_they_say() -> None:
    story: ReleaseFacts = STORIES["hostile"]()

    assert story.gates[0].message == HOSTILE
