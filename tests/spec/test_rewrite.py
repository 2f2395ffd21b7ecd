"""A spec's text is changed where it changes, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.errors import SpecError
from tidemill.spec.positions import parse
from tidemill.spec.rewrite import APPEND, REMOVE, rewrite

HERE = Path("prompt.yaml")
TEXT = """\
# A comment at the top.
apiVersion: tidemill/v1
kind: Prompt
name: reply # the name

technique: zero-shot   # led so
output:
  # what an answer is
  type: text
  max_tokens: 40
  system: |
    two
    lines

train: {epochs: 2, learning_rate: 0.002} # on one line
# the end
"""


def changed(text: str, path: tuple[str | int, ...], value: Any) -> str:
    return rewrite(text.encode(), {path: value}, HERE).decode()


def test_a_changed_value_keeps_its_comment_and_all_other_lines() -> None:
    after = changed(TEXT, ("technique",), "few-shot")

    assert after == TEXT.replace("zero-shot", "few-shot")


def test_a_value_inside_is_changed_where_it_stands() -> None:
    after = changed(TEXT, ("output", "max_tokens"), 64)

    assert after == TEXT.replace("max_tokens: 40", "max_tokens: 64")


LISTS = """\
sources: # all of them
  - type: file
    path: a.jsonl # ours

  # and of users
  - type: feedback
    of: stream
gates: [{type: at_least}]
slices:
- {name: b}
"""


def test_an_item_is_appended_where_the_list_ends_as_the_list_is_written() -> None:
    item = {"name": "x", "rows_file": "slices/x.jsonl"}
    changes = {(key, APPEND): item for key in ("sources", "gates", "slices")}
    after = rewrite(LISTS.encode(), changes, HERE).decode()
    written = "{name: x, rows_file: slices/x.jsonl}"

    assert after == LISTS.replace("of: stream\n", f"of: stream\n  - {written}\n").replace(
        "at_least}]", f"at_least}}, {written}]"
    ).replace("- {name: b}\n", f"- {{name: b}}\n- {written}\n")


def test_a_new_block_comes_last_in_its_parent() -> None:
    after = changed(TEXT, ("examples",), {"source": "requests", "k": 2})

    assert after == TEXT.replace(
        "# on one line\n", "# on one line\nexamples:\n  source: requests\n  k: 2\n"
    )


def test_a_new_key_inside_takes_its_neighbours_indentation() -> None:
    after = changed(TEXT, ("output", "column"), "reply")

    assert "    lines\n  column: reply\n\ntrain" in after


def test_a_mapping_on_one_line_stays_on_one_line() -> None:
    after = changed(TEXT, ("train", "learning_rate"), 1e-4)

    assert after == TEXT.replace("learning_rate: 0.002", "learning_rate: 0.0001")


def test_a_text_of_several_lines_becomes_a_block() -> None:
    after = changed(TEXT, ("output", "system"), "one\n\nand: two # no comment")

    assert "  system: |-\n    one\n\n    and: two # no comment\n\ntrain" in after


def test_a_key_can_go() -> None:
    after = changed(TEXT, ("output", "max_tokens"), REMOVE)

    assert after == TEXT.replace("  max_tokens: 40\n", "")
    assert changed(TEXT, ("output", "nothing"), REMOVE) == TEXT


def test_a_text_that_is_no_spec_is_refused_with_its_line() -> None:
    with pytest.raises(SpecError, match=r"prompt\.yaml:3: 'a' is given twice"):
        rewrite(b"b: 1\na: 1\na: 2\n", {("a",): 3}, HERE)


VALUES = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=30),
    st.lists(st.sampled_from(["a line", "two: words", "- three", "# four", ""]), max_size=4).map(
        "\n".join
    ),
    st.dictionaries(st.sampled_from(["one", "two"]), st.integers(-(2**63), 2**63 - 1), min_size=1),
)
PATHS = st.sampled_from(
    [
        ("name",),
        ("technique",),
        ("output",),
        ("output", "max_tokens"),
        ("output", "system"),
        ("train",),
        ("train", "epochs"),
        ("new",),
    ]
)


@given(PATHS, VALUES)
def test_what_is_written_is_what_is_read(path: tuple[str, ...], value: Any) -> None:
    after = rewrite(TEXT.encode(), {path: value}, HERE)
    found: Any = parse(after, HERE).value
    for part in path:
        found = found[part]

    assert found == value
    assert b"# A comment at the top." in after
    assert b"# the end" in after
