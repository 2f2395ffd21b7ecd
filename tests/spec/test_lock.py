"""The lock reads back as it was written, and what a person or a merge broke is told with a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.errors import SpecError
from tidemill.spec.load import load
from tidemill.spec.lock import FILE, HEADER, LockFile, lock_bytes, parse_lock, read_lock

SHA = "sha256:" + "a" * 64
WHERE = Path("specs/chat/tidemill.lock")
RELEASE: dict[str, Any] = {
    "release": SHA,
    "rollout": "canary",
    "driver": "local",
    "commit": "12345678901234567890123456789012345678e5",
    "specs": {"canary": SHA, "reply": SHA},
    "artefacts": {
        "reply": {
            "digest": SHA,
            "kind": "int8",
            "bytes": 12,
            "dvc": {"md5": "1e5.dir", "size": 12, "nfiles": 2},
        }
    },
    "dataset": {"name": "requests", "digest": SHA, "offsets": {"t/0": 4}, "rows": {"train": 3}},
    "evaluation": {
        "name": "quality",
        "digest": SHA,
        "figures": [{"metric": "accuracy", "value": 0.9, "low": 0.8, "high": 1.0, "rows": 40}],
    },
    "approvals": [{"who": "ann@shop.example", "how": "unsigned", "at": "2026-01-01T00:00:00Z"}],
}


def lock(**release: Any) -> LockFile:
    live = {**RELEASE, **release}
    return LockFile.model_validate(
        {"version": 1, "project": "chat", "services": {"c": {"live": live}}}
    )


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=12) | (
    st.sampled_from(["no", "1e5", "0x1f", "0o17", "~", "null", "12:30", "- a", "a: b", "=", "<<"])
)


@given(commit=words, metric=words, value=st.floats(-1e9, 1e9), names=st.lists(words, max_size=3))
def test_a_lock_reads_back_as_it_was_written(
    commit: str, metric: str, value: float, names: list[str]
) -> None:
    evaluation = {**RELEASE["evaluation"], "figures": [{"metric": metric, "value": value}]}
    written = lock(commit=commit, evaluation=evaluation, specs=dict.fromkeys(names, SHA))

    assert parse_lock(lock_bytes(written), WHERE) == written


@given(st.permutations(list(RELEASE)))
def test_the_order_in_which_things_were_found_changes_no_byte(keys: list[str]) -> None:
    shuffled = {key: RELEASE[key] for key in keys}

    assert lock_bytes(lock(**shuffled)) == lock_bytes(lock())


def test_the_file_says_what_it_is_and_is_no_spec(tmp_path: Path) -> None:
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / FILE).write_bytes(lock_bytes(lock()))

    assert (tmp_path / "chat" / FILE).read_text().startswith(HEADER)
    assert load(tmp_path).projects == {}
    assert read_lock(tmp_path / "chat" / FILE) == lock()
    assert read_lock(tmp_path / FILE) is None


GOOD = lock_bytes(lock()).decode()
BROKEN = {
    "a merge conflict": (
        GOOD.replace("services:", "<<<<<<< HEAD\nservices:\n=======\n>>>>>>> theirs"),
        "specs/chat/tidemill.lock:4: an unresolved merge conflict; keep one side, drop the markers",
    ),
    "a tab": (
        GOOD.replace("  c:", "\tc:"),
        "specs/chat/tidemill.lock:5: a tab in the indentation; use spaces",
    ),
    "an unknown key": (
        GOOD.replace("driver:", "drivers:"),
        "specs/chat/tidemill.lock:29: 'drivers' is no key of 'live'; did you mean 'driver'?",
    ),
    "a digest cut short": (
        GOOD.replace(f"release: {SHA}", "release: sha256:abc"),
        "'release: sha256:abc' is no digest; write `sha256:` and 64 hexadecimal digits",
    ),
    "a key twice": (
        GOOD.replace("project: chat", "project: chat\nproject: chat"),
        "specs/chat/tidemill.lock:4: 'project' is given twice; line 3 has it already",
    ),
    "a later version": (
        GOOD.replace("version: 1", "version: 2"),
        "'version: 2' is not known here, only 1; update Tidemill: a later one wrote it",
    ),
    "an alias": (
        GOOD.replace("project: chat", "project: &a chat"),
        "specs/chat/tidemill.lock:3: '&a' is an anchor; write the value where it is used",
    ),
    "no mapping": ("- a\n", "the document is a list, not a lock; write it again with"),
    "nothing": ("", "specs/chat/tidemill.lock:1: the file is empty"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_lock_is_told_with_its_line_and_the_way_out(name: str) -> None:
    content, said = BROKEN[name]

    with pytest.raises(SpecError) as caught:
        parse_lock(content.encode(), WHERE)

    assert said in str(caught.value)


def test_bytes_that_are_no_utf8_and_a_file_that_may_not_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(SpecError, match="the file is not UTF-8"):
        parse_lock(b"version: \xff\n", WHERE)
    with pytest.raises(SpecError, match="the file cannot be read"):
        read_lock(tmp_path / "folder")
