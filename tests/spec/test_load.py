"""Folders of specs: what is a project, what is refused before YAML is read, how lines are found."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.spec.conftest import COMPLETE, Messages, Write, write_project

from tidemill.errors import Problem, SpecError
from tidemill.spec.graph import build_order, downstream, references, upstream
from tidemill.spec.load import load
from tidemill.spec.positions import MAX_BYTES, parse


def complaint(root: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load(root)
    return str(caught.value)


def test_a_workspace_holds_projects_by_folder_and_specs_by_name(chat: Write) -> None:
    folder = chat()
    workspace = load(Path("specs"))

    assert list(workspace.projects) == ["support-chat"]
    project = workspace.projects["support-chat"]
    assert project.folder == Path("specs/support-chat")
    assert project.specs["reply-int8"].path == Path("specs/support-chat/small.yaml")
    assert len(project.specs) == len(list(folder.glob("*.yaml"))) == workspace.count


def test_one_project_loads_by_its_own_folder(chat: Write) -> None:
    chat()

    assert list(load(Path("specs/support-chat")).projects) == ["support-chat"]


def test_an_empty_folder_is_an_empty_workspace(tmp_path: Path) -> None:
    assert load(tmp_path).count == 0


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "spec"

    assert complaint(missing) == (
        f"{missing}:1: there is no such folder; name another one, or begin with "
        "`tidemill init --data FILE.csv`"
    )


def test_hidden_folders_and_yaml_of_subfolders_are_not_specs(chat: Write) -> None:
    folder = chat()
    (folder / "data" / "columns.yaml").write_text("a: 1\n")
    (folder.parent / ".cache").mkdir()
    (folder.parent / ".cache" / "x.yaml").write_text("a: 1\n")

    assert load(Path("specs")).count == 9


def test_a_spec_beside_projects_is_told(chat: Write) -> None:
    folder = chat()
    (folder.parent / "stray.yaml").write_text(COMPLETE["base.yaml"])

    assert complaint(Path("specs")) == (
        "specs/stray.yaml:1: the file stands beside projects, not in one; "
        "move it into a project's folder"
    )


def test_the_other_ending_is_told_not_overlooked(chat: Write) -> None:
    folder = chat()
    (folder / "base.yaml").rename(folder / "base.yml")

    assert complaint(Path("specs")) == (
        "specs/support-chat/base.yml:1: specs end in .yaml; rename it to base.yaml"
    )


def test_a_file_too_large_is_not_read(chat: Write) -> None:
    chat(base_yaml=COMPLETE["base.yaml"] + "# " + "x" * MAX_BYTES)

    assert "specs/support-chat/base.yaml:1: the file is larger than 1 MiB; " in complaint(
        Path("specs")
    )


def test_a_file_that_is_not_utf8_is_told_with_its_line(chat: Write) -> None:
    folder = chat()
    text = COMPLETE["rollout.yaml"].encode() + b"owner: M\xfcller\n"
    (folder / "rollout.yaml").write_bytes(text)

    assert complaint(Path("specs")) == (
        "specs/support-chat/rollout.yaml:10: the file is not UTF-8; save it as UTF-8"
    )


def test_a_byte_order_mark_and_windows_lines_do_no_harm(chat: Write) -> None:
    folder = chat()
    text = COMPLETE["rollout.yaml"].replace("\n", "\r\n").replace("percent: 100", "percent: x")
    (folder / "rollout.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())

    assert complaint(Path("specs")).startswith("specs/support-chat/rollout.yaml:9: 'percent: x'")


def test_a_link_out_of_the_folder_is_refused(chat: Write, tmp_path: Path) -> None:
    folder = chat(rollout_yaml=None)
    (tmp_path / "elsewhere.yaml").write_text(COMPLETE["rollout.yaml"])
    (folder / "rollout.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    assert complaint(Path("specs")) == (
        "specs/support-chat/rollout.yaml:1: the link leads out of specs; "
        "copy the file in: a commit holds only what is below the folder"
    )


def test_a_project_that_is_a_link_out_is_refused(chat: Write, tmp_path: Path) -> None:
    chat()
    write_project(tmp_path / "other")
    Path("specs/other").symlink_to(tmp_path / "other")

    assert complaint(Path("specs")) == (
        "specs/other:1: the link leads out of specs; copy the folder in"
    )


def test_a_data_file_that_is_a_link_out_is_refused(chat: Write, tmp_path: Path) -> None:
    folder = chat()
    rows = folder / "data" / "requests.jsonl"
    rows.rename(tmp_path / "rows.jsonl")
    rows.symlink_to(tmp_path / "rows.jsonl")

    assert "requests.yaml:6: 'path: data/requests.jsonl' lies outside" in complaint(Path("specs"))


def test_a_link_within_the_folder_is_fine(chat: Write) -> None:
    folder = chat()
    (folder / "data" / "rollout.txt").write_text(COMPLETE["rollout.yaml"])
    (folder / "rollout.yaml").unlink()
    (folder / "rollout.yaml").symlink_to(folder / "data" / "rollout.txt")

    assert load(Path("specs")).count == 9


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_nobody_may_read_is_told(chat: Write) -> None:
    folder = chat()
    (folder / "rollout.yaml").chmod(0)

    assert "rollout.yaml:1: the file cannot be read: Permission denied" in complaint(Path("specs"))


def test_a_link_to_nothing_is_told(chat: Write) -> None:
    folder = chat(rollout_yaml=None)
    (folder / "rollout.yaml").symlink_to("gone.yaml")

    assert "rollout.yaml:1: the file cannot be read: No such file" in complaint(Path("specs"))


def test_services_are_names_of_the_whole_workspace(chat: Write, messages: Messages) -> None:
    folder = chat()
    write_project(folder.parent / "second")

    assert messages() == [
        "specs/support-chat/rollout.yaml:6: 'service: chat' is taken by specs/second/rollout.yaml;"
        " each Rollout has its own; choose another",
        "specs/support-chat/stream.yaml:4: 'topic: chat-feedback' is taken by"
        " specs/second/stream.yaml; each Feedback has its own; choose another",
    ]


def test_paths_outside_of_the_working_folder_are_shown_whole(
    chat: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = chat(base_yaml="")
    monkeypatch.chdir("/")

    assert complaint(folder).startswith(f"{folder}/base.yaml:1: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("1e-4", 0.0001),
        ("010", 10),
        ("0x10", 16),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("'1'", "1"),
        ("1_000", "1_000"),
        ("-.5", -0.5),
        ("+", "+"),
    ],
)
def test_scalars_follow_yaml_1_2_as_editors_do(text: str, value: object) -> None:
    found = parse(f"a: {text}\n".encode(), Path("x.yaml")).value["a"]

    assert found == value
    assert type(found) is type(value)


def test_each_path_has_its_line() -> None:
    document = parse(b"a:\n  b: 1\n  c:\n    - x\n    - y: 2\n", Path("x.yaml"))

    assert document.line("a", "b") == 2
    assert document.line("a", "c", 1) == 5
    assert document.line("a", "c", 1, "y") == 5
    assert document.line("a", "missing", "deeper") == 1


def test_references_order_and_neighbours_follow_the_road(chat: Write) -> None:
    chat()
    project = load(Path("specs")).projects["support-chat"]
    made = build_order(project)

    assert references(project.specs["quality"].spec) == ("reply-int8", "requests")
    assert all(
        made.index(need) < made.index(name)
        for name in made
        for need in references(project.specs[name].spec)
    )
    assert upstream(project, "tune") == ("base", "reply", "stream", "requests", "tune")
    assert downstream(project, "reply-int8") == ("reply-int8", "quality", "rollout", "retrain")


BITS = st.sampled_from(
    [*"\t\n:-[]{}&*!|>'\"#%@`,? ", "<<", "---", "...", "a", "kind", "é", "\x07", "1e999"]
)


@given(content=st.one_of(st.binary(max_size=200), st.lists(BITS, max_size=60).map("".join)))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_a_document_or_a_spec_error(content: bytes | str) -> None:
    raw = content if isinstance(content, bytes) else content.encode()
    lines = raw.count(b"\n") + raw.count(b"\r") + 2
    told: tuple[Problem, ...] = ()
    try:
        parse(raw, Path("x.yaml"))
    except SpecError as error:
        told = error.problems

    assert all(1 <= problem.line <= lines for problem in told)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(data=st.data())
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_value_anywhere_gives_a_workspace_or_a_spec_error(
    tmp_path: Path, data: st.DataObject
) -> None:
    import yaml

    folder = write_project(tmp_path / "specs" / "chat")
    name = data.draw(st.sampled_from([file for file in COMPLETE if file.endswith(".yaml")]))
    spec = yaml.safe_load(COMPLETE[name])
    holders = [spec, *(v for v in spec.values() if isinstance(v, dict))]
    holder = data.draw(st.sampled_from(holders))
    holder[data.draw(st.sampled_from(sorted(holder)) | st.text(max_size=5))] = data.draw(VALUES)
    text = yaml.safe_dump(spec, allow_unicode=True, sort_keys=False)
    (folder / name).write_text(text, encoding="utf-8")
    told = "nothing"
    try:
        load(tmp_path / "specs")
    except SpecError as error:
        told = str(error)

    assert told


def test_a_thousand_specs_load_in_two_seconds(tmp_path: Path) -> None:
    for number in range(112):
        files = {key: text.replace("chat", f"chat-{number}") for key, text in COMPLETE.items()}
        folder = tmp_path / f"project-{number}"
        (folder / "data").mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    start = time.process_time()
    workspace = load(tmp_path)
    seconds = time.process_time() - start

    assert workspace.count == 1008
    assert seconds < 2


def test_problems_of_the_folder_one_stands_in_are_told_by_the_files_name(
    chat: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(chat(tune_yaml=""))

    with pytest.raises(SpecError, match=r"\Atune\.yaml:1: the file is empty"):
        load(Path())
