"""`render --docs`: every field under its documentation, and still the same spec."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.spec.digest import with_defaults
from tidemill.spec.load import load
from tidemill.spec.positions import parse
from tidemill.spec.render import render_documented

SPECS = Path(__file__).parents[2] / "specs"


@pytest.mark.parametrize("project", ["support-chat", "product-recs", "legal-summaries"])
def test_it_reads_back_as_the_same_values(project: str) -> None:
    for loaded in load(SPECS).projects[project].specs.values():
        text = render_documented(loaded.spec)

        assert parse(text.encode(), Path("x.yaml")).value == with_defaults(loaded.spec)
        comments = [line for line in text.splitlines() if line.lstrip().startswith("#")]
        assert max(map(len, comments)) <= 100


def test_fields_of_techniques_and_of_inner_parts_are_explained() -> None:
    specs = load(SPECS).projects["support-chat"].specs
    small, tune = (
        render_documented(specs["reply-int8"].spec),
        render_documented(specs["reply-lora"].spec),
    )

    assert "below; words are never compared.\n  min_agreement: 0.9\n" in small
    assert "    # 8: weights and activations; 4: weights in blocks" in small
    assert "  # Peak learning rate of AdamW.\n  learning_rate: 0.002\n" in tune
    assert "layers: 8\n" in tune


def test_fields_without_effect_are_neither_shown_nor_in_the_digest() -> None:
    spec = (
        load(SPECS)
        .projects["product-recs"]
        .specs["recs-ranker"]
        .spec.model_copy(update={"method": "head", "options": {}})
    )

    values = with_defaults(spec)

    assert values["train"] == {"max_length": spec.train.max_length}
    assert not {"early_stop", "watchdog", "resume"} & values.keys()
    assert values["options"] == {"C": None, "class_weights": "none"}
    assert "\n  learning_rate:" not in render_documented(spec)
