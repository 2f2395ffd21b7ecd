"""What is freed, what stays, and how many bytes that gives back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.garbage import Need, StoredArtefact, StoredFolder, collect

SIZES = {"a": 1, "b": 10, "c": 100, "d": 1000}


def artefact(digest: str, files: str) -> StoredArtefact:
    return StoredArtefact(digest, "model", {name: SIZES[name] for name in files})


def test_what_no_need_names_is_garbage_largest_first() -> None:
    stored = [artefact("one", "a"), artefact("two", "b"), artefact("three", "c")]
    found = collect(stored, [], [Need("two", "live release of chat")])

    assert [one.digest for one in found.artefacts] == ["three", "one"]
    assert found.reasons == {"two": "live release of chat"}
    assert found.bytes == found.artefact_bytes == 101


def test_the_first_reason_is_the_one_that_is_told() -> None:
    needs = [Need("one", "live release of chat"), Need("one", "newest build of shop/tune")]

    assert collect([artefact("one", "a")], [], needs).reasons == {"one": "live release of chat"}


def test_a_file_that_a_kept_artefact_shares_gives_no_bytes_back() -> None:
    stored = [artefact("base", "cd"), artefact("merged", "bc")]
    found = collect(stored, [], [Need("base", "live release of chat")])

    assert found.artefact_bytes == 10


def test_a_folder_stays_where_a_need_names_its_path() -> None:
    folders = [StoredFolder("scratch/shop/tune/1", 5), StoredFolder("scratch/shop/tune/2", 7)]
    found = collect([], folders, [Need("scratch/shop/tune/1", "unfinished build of shop/tune")])

    assert found.folders == (folders[1],)
    assert found.bytes == 7


@given(
    files=st.lists(st.sets(st.sampled_from("abcd"), min_size=1), max_size=6),
    needed=st.sets(st.integers(0, 5)),
)
def test_the_bytes_are_what_the_store_shrinks_by(files: list[set[str]], needed: set[int]) -> None:
    stored = [artefact(str(n), "".join(names)) for n, names in enumerate(files)]
    found = collect(stored, [], [Need(str(n), "needed") for n in needed])
    dropped = {one.digest for one in found.artefacts}
    before = set().union(*(one.files for one in stored)) if stored else set()
    left = [one.files for one in stored if one.digest not in dropped]
    after = set().union(*left) if left else set()

    assert found.artefact_bytes == sum(SIZES[name] for name in before - after)
    assert dropped.isdisjoint(str(n) for n in needed)
    assert dropped | found.reasons.keys() == {one.digest for one in stored}
