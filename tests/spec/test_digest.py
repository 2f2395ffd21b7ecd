"""Laws of the semantic digest: only what would be made differently changes it."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.spec.conftest import COMPLETE, Write, write_project

from tidemill.catalog import TRIGGERS
from tidemill.errors import SpecError
from tidemill.spec.digest import spec_digest, with_defaults
from tidemill.spec.load import load

FILES = [name for name in COMPLETE if name.endswith(".yaml")]


def digests(folder: Path) -> dict[str, str]:
    project = load(folder).projects[folder.name]
    return {name: spec_digest(loaded, project) for name, loaded in project.specs.items()}


PINNED = {
    "base": "8bc1447e7a34",
    "quality": "c5532092a56f",
    "reply": "927d0af38e84",
    "reply-int8": "d46e58c8318c",
    "requests": "fa6dfb9f9aa8",
    "retrain": "d5b723fbfced",
    "rollout": "038074751147",
    "stream": "b957443176d0",
    "tune": "e747339e10fd",
}
"""The first digits of each digest of the complete project, as they have been from the start."""


def changed(chat: Write, **changes: str | None) -> set[str]:
    """Names of the specs whose digest these changes change."""
    before = digests(chat())
    after = digests(chat(**changes))
    return {name for name in before if before[name] != after[name]}


def test_a_digest_is_sha256_and_the_same_every_time(chat: Write) -> None:
    folder = chat()

    assert digests(folder) == digests(folder)
    assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in digests(folder).values())


@given(seed=st.integers(0, 1000), owner=st.text("abc", max_size=5))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_words_for_people_and_the_order_of_keys_change_nothing(
    tmp_path: Path, seed: int, owner: str
) -> None:
    folder = write_project(tmp_path / "chat")
    before = digests(folder)
    shuffle = random.Random(seed)
    for name in FILES:
        spec = yaml.safe_load(COMPLETE[name])
        spec |= {"owner": owner, "description": f"{owner}!", "labels": {"a": owner}}
        keys = shuffle.sample(list(spec), len(spec))
        text = yaml.safe_dump({key: spec[key] for key in keys}, sort_keys=False)
        (folder / name).write_text(text)

    assert digests(folder) == before


def test_a_default_written_out_changes_nothing(chat: Write) -> None:
    written = COMPLETE["tune.yaml"] + "method: lora\ntrain: {seed: 0}\nresume: true\n"

    assert changed(chat, tune_yaml=written) == set()


def test_another_way_to_write_a_value_changes_nothing(chat: Write) -> None:
    one = changed(chat, rollout_yaml=COMPLETE["rollout.yaml"] + "interval: 0.5m # a look\n")
    default = "interval: 30s\n"

    assert one == changed(chat, rollout_yaml=COMPLETE["rollout.yaml"] + default) == set()


def test_a_changed_value_changes_its_own_spec_only(chat: Write) -> None:
    assert changed(chat, tune_yaml=COMPLETE["tune.yaml"] + "train: {seed: 1}\n") == {"tune"}


def test_long_times_that_differ_by_a_second_differ(chat: Write) -> None:
    stream = COMPLETE["stream.yaml"]
    folder = chat(stream_yaml=stream + "late_after: 2592000s\n")
    before = digests(folder)["stream"]
    chat(stream_yaml=stream + "late_after: 2592001s\n")

    assert digests(folder)["stream"] != before


def test_the_bytes_of_a_named_file_count(chat: Write) -> None:
    assert changed(chat, reply_j2="Answer: {{ request }}\n") == {"reply"}


def test_the_rows_that_a_slice_names_count(chat: Write) -> None:
    column = "    column: intent\n    equals: refund\n"
    by_file = COMPLETE["quality.yaml"].replace(column, "    rows_file: refunds.jsonl\n")
    first, second = (
        digests(chat(quality_yaml=by_file, **{"refunds.jsonl": f'{{"id": "{row}"}}\n'}))
        for row in ("a", "b")
    )

    assert {name for name in first if first[name] != second[name]} == {"quality"}


def test_bytes_written_within_the_same_second_count(chat: Write) -> None:
    folder = chat()
    rows = folder / "data" / "requests.jsonl"
    seen = set()
    for text in ("a", "b", "c"):
        rows.write_text(f'{{"request": "{text}", "answer": "x", "intent": "y"}}\n')
        seen.add(digests(folder)["requests"])

    assert len(seen) == 3


def test_a_dvc_pointer_counts_not_what_it_points_to(chat: Write) -> None:
    pointed = COMPLETE["requests.yaml"].replace("type: file", "type: dvc")
    pointed = pointed.replace("requests.jsonl", "requests.jsonl.dvc")
    folder = chat(requests_yaml=pointed)
    pointer = folder / "data" / "requests.jsonl.dvc"
    pointer.write_text("outs:\n- md5: aa\n  path: requests.jsonl\n")
    before = digests(folder)["requests"]
    (folder / "data" / "requests.jsonl").write_text("other\n")
    same = digests(folder)["requests"]
    pointer.write_text("outs:\n- md5: bb\n  path: requests.jsonl\n")

    assert same == before
    assert digests(folder)["requests"] != before


def test_a_new_version_of_a_technique_counts(chat: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = chat()
    before = digests(folder)
    technique = TRIGGERS.load("new_rows")
    monkeypatch.setattr(technique, "VERSION", technique.VERSION + 1)
    after = digests(folder)

    assert {name for name in before if before[name] != after[name]} == {"retrain"}


def test_options_of_a_technique_are_filled_in(chat: Write) -> None:
    folder = chat()
    spec = load(folder).projects["support-chat"].specs["retrain"].spec

    assert with_defaults(spec)["when"]["any"] == [{"type": "new_rows", "at_least": 20, "kinds": []}]


def test_a_file_that_has_gone_is_told(chat: Write) -> None:
    folder = chat()
    project = load(Path("specs")).projects["support-chat"]
    (folder / "reply.j2").unlink()

    with pytest.raises(SpecError) as caught:
        spec_digest(project.specs["reply"], project)

    assert str(caught.value) == (
        "specs/support-chat/reply.yaml:4: 'template: reply.j2' cannot be read: "
        "No such file or directory; check the file"
    )


def test_how_to_search_for_a_better_spec_makes_nothing_stale(chat: Write) -> None:
    from tidemill.spec.graph import references

    folder = chat()
    before = load(Path("specs")).projects["support-chat"]
    prompt, tune = folder / "reply.yaml", folder / "tune.yaml"
    prompt.write_text(prompt.read_text() + "optimise: {dataset: requests, metric: rouge_l}\n")
    space = "sweep: {metric: accuracy, space: {train.epochs: [1, 2]}}\n"
    tune.write_text(tune.read_text() + space)
    after = load(Path("specs")).projects["support-chat"]

    for name in ("reply", "tune"):
        assert spec_digest(after.specs[name], after) == spec_digest(before.specs[name], before)
    assert references(after.specs["reply"].spec) == ()


def test_a_field_that_came_later_is_in_a_digest_only_where_it_is_used(chat: Write) -> None:
    rollout = COMPLETE["rollout.yaml"]
    cluster = rollout + "driver: kserve-standard\n"
    agreed = rollout + "approval: {by: [ann]}\n"
    named = {"apply: {mode: direct}", "apply: {mode: render-to-git}"}
    with_apply = {text: digests(chat(rollout_yaml=f"{cluster}{text}\n")) for text in named}
    plain = digests(chat(rollout_yaml=cluster))

    assert with_apply["apply: {mode: direct}"] == plain
    assert with_apply["apply: {mode: render-to-git}"] != plain
    assert digests(chat(rollout_yaml=agreed)) == digests(
        chat(rollout_yaml=agreed.replace("[ann]", "[ann], not_by_author: false"))
    )
    assert digests(chat(rollout_yaml=agreed)) != digests(
        chat(rollout_yaml=agreed.replace("[ann]", "[ann], not_by_author: true"))
    )


def test_digests_stay_what_they_were_when_modules_move(chat: Write) -> None:
    found = {name: digest[7:19] for name, digest in digests(chat()).items()}

    assert found == PINNED
