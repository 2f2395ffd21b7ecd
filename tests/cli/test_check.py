"""`tidemill check`: the cheap assets of a pull request, made in a scratch home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.adapters.forges.places import commit, quiet, sh, who, write
from tests.spec.conftest import COMPLETE, write_project

from tidemill.cli import commands
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]

DATASET = """apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.csv}]
split: {by: random, seed: 1}
expectations:
  - {type: expect_column_values_to_not_be_null, column: text}
"""
PROMPT = """apiVersion: tidemill/v1
kind: Prompt
name: ask
template: ask.j2
inputs: [text]
output: {type: label, column: label}
technique: zero-shot
"""
ROWS = "text,label\n" + "".join(f"request number {n},{'ab'[n % 2]}\n" for n in range(40))


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TIDEMILL_SPECS", "TIDEMILL_HOME", "TIDEMILL_CACHE"):
        monkeypatch.delenv(name, raising=False)
    project(tmp_path / "specs" / "shop")
    return tmp_path / "specs"


def project(folder: Path) -> None:
    for name, text in {
        "rows.yaml": DATASET,
        "ask.yaml": PROMPT,
        "rows.csv": ROWS,
        "ask.j2": "Which kind is it?\n{{ text }}\n",
    }.items():
        write(folder, name, text)


def check(capsys: Captured, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    code = run(commands, ["check", "--json", *arguments])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is (code == 0)
    return code, {asset["name"]: asset for asset in told["assets"]}


def test_a_good_project_passes_and_leaves_nothing_behind(specs: Path, capsys: Captured) -> None:
    code = run(commands, ["check"])
    out = capsys.readouterr().out

    assert code == 0
    assert "passed   shop/rows  (Dataset, " in out
    assert "passed   shop/ask  (Prompt, " in out
    assert out.endswith("2 passed\n")
    assert not (specs.parent / ".tidemill").exists()


def test_rows_that_break_an_expectation_fail_and_stop_what_needs_them(
    specs: Path, capsys: Captured
) -> None:
    needy = PROMPT.replace("name: ask", "name: shots").replace("zero-shot", "few-shot")
    write(
        specs / "shop", "shots.yaml", needy + "examples: {source: rows, k: 2, selection: fixed}\n"
    )
    set_ = "{type: expect_column_values_to_be_in_set, column: label, value_set: [a]}"
    write(specs / "shop", "rows.yaml", DATASET + f"  - {set_}\n")

    code, found = check(capsys)

    assert code == 2
    assert found["rows"]["state"] == "failed"
    assert "20 of 40 rows fail" in str(found["rows"]["messages"])
    assert found["shots"]["messages"] == ["skipped: 'rows' failed"]
    assert found["ask"]["state"] == "passed"


def test_a_warning_is_shown_and_fails_nothing(specs: Path, capsys: Captured) -> None:
    set_ = "expect_column_values_to_be_in_set, column: label, value_set: [a], severity: warning"
    write(specs / "shop", "rows.yaml", DATASET + f"  - {{type: {set_}}}\n")

    code, found = check(capsys)

    assert code == 0
    assert "warning: expect_column_values_to_be_in_set" in str(found["rows"]["messages"])


def test_a_filter_there_is_none_of_is_named_with_its_line(specs: Path, capsys: Captured) -> None:
    write(specs / "shop", "ask.j2", "Which kind?\n{{ text | nothing_such }}\n")

    code = run(commands, ["check"])

    assert code == 1
    assert "specs/shop/ask.j2:2: this is no Jinja2 template: No filter named" in (
        capsys.readouterr().err
    )


def test_a_template_that_breaks_on_a_real_row_fails(specs: Path, capsys: Captured) -> None:
    write(specs / "shop", "ask.j2", "Which kind?\n{{ text / 2 }}\n")

    code, found = check(capsys)

    assert code == 2
    assert found["ask"]["state"] == "failed"


def test_a_source_that_is_missing_fails_its_dataset_alone(specs: Path, capsys: Captured) -> None:
    project(specs / "other")
    write(specs / "shop", "rows.csv", "")

    code = run(commands, ["check"])
    out = capsys.readouterr().out

    assert code == 2
    assert "failed   shop/rows" in out
    assert "passed   other/rows" in out


ANSWERS = "".join(
    f'{{"request": "where is order {n}", "answer": "On its way, {n}.", "intent": "track"}}\n'
    for n in range(20)
)


def test_a_dataset_of_feedback_alone_is_skipped(specs: Path, capsys: Captured) -> None:
    alone = COMPLETE["requests.yaml"].replace("  - type: file\n    path: data/requests.jsonl\n", "")
    write_project(specs / "chat", requests_yaml=alone)

    code, found = check(capsys, "chat/requests")

    assert code == 0
    assert found["requests"]["messages"] == [
        "skipped: all its rows come from feedback, and there is none here"
    ]


def test_feedback_beside_a_file_counts_as_none_so_far(specs: Path, capsys: Captured) -> None:
    write_project(specs / "chat")
    write(specs / "chat", "data/requests.jsonl", ANSWERS)

    code, found = check(capsys, "chat")

    assert code == 0
    assert {name: asset["state"] for name, asset in found.items()} == {
        "requests": "passed",
        "reply": "passed",
    }


def test_what_needs_a_model_is_not_tried(specs: Path, capsys: Captured) -> None:
    model = (
        "apiVersion: tidemill/v1\nkind: Model\nname: base\nsource: {type: path, path: .}\n"
        "format: safetensors\ntask: sequence-classification\nlicence: Apache-2.0\n"
    )
    write(specs / "shop", "base.yaml", model)
    shots = "examples: {source: rows, k: 2, selection: similar, encoder: base}\n"
    write(specs / "shop", "ask.yaml", PROMPT.replace("zero-shot", "few-shot") + shots)

    code, found = check(capsys)

    assert code == 0
    assert found["ask"]["messages"] == [
        "skipped: it needs 'base' (Model), which `check` does not build"
    ]
    assert "base" not in found


def test_against_a_ref_only_projects_that_changed_are_checked(
    specs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quiet(monkeypatch, tmp_path / "home")
    project(specs / "other")
    root = specs.parent
    sh(root, "init", "--quiet", "-b", "main")
    who(root)
    commit(root, "Start")
    sh(root, "checkout", "--quiet", "-b", "change")
    nothing = run(commands, ["check", "--against", "main"])
    said = capsys.readouterr().out
    write(specs / "other", "rows.csv", ROWS + "one more,a\n")
    commit(root, "A row")
    sh(root, "checkout", "--quiet", "main")
    write(specs / "shop", "ask.j2", "{{ text }}\n")
    commit(root, "Meanwhile on main")
    sh(root, "checkout", "--quiet", "change")

    code = run(commands, ["check", "--against", "main"])
    out = capsys.readouterr().out

    assert (nothing, code) == (0, 0)
    assert said.startswith("nothing to check")
    assert "other/rows" in out
    assert "shop/" not in out


def test_against_a_ref_that_is_not_there_is_an_error(
    specs: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quiet(monkeypatch, tmp_path / "home")
    sh(specs.parent, "init", "--quiet", "-b", "main")

    code = run(commands, ["check", "--against", "origin/main"])

    assert code == 1
    assert "'origin/main' is no commit here" in capsys.readouterr().err


def test_broken_specs_are_named_before_anything_is_made(specs: Path, capsys: Captured) -> None:
    write(specs / "shop", "rows.yaml", DATASET + "nonsense: 1\n")

    code = run(commands, ["check"])

    assert code == 1
    assert "specs/shop/rows.yaml:9: " in capsys.readouterr().err
