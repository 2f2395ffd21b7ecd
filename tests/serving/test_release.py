"""What a release folder says, and what is refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.content import digest_of
from tidemill.errors import ArtefactError, MissingArtefact, TamperedArtefact, UnsafeFormat
from tidemill.pipeline.release_folder import ArtefactFolder, EventPrivacy, ServedRelease

Make = Callable[..., tuple[ServedRelease, Path]]


def test_a_release_reads_back_as_it_was_written(release: Make, tmp_path: Path) -> None:
    made, folder = release()
    rich = ServedRelease(
        **{
            **vars(made),
            "prompt": ArtefactFolder("sha256:1", tmp_path / "prompt"),
            "bases": {"sha256:2": tmp_path / "base"},
            "privacy": EventPrivacy("hash", ("email",)),
            "topic": "answers",
        }
    )

    rich.write(folder)

    assert ServedRelease.read(folder) == rich


def test_a_folder_without_a_release_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"there is no release\.json.*run the Rollout again"):
        ServedRelease.read(tmp_path)


def test_a_broken_release_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text('{"digest": 1')

    with pytest.raises(ArtefactError, match="cannot be read"):
        ServedRelease.read(tmp_path)


def test_an_untouched_release_verifies(release: Make) -> None:
    made, _ = release()

    made.verify()


def test_one_changed_byte_is_tampering(release: Make) -> None:
    made, folder = release(faults="slow 0")
    (folder / "model" / "faults").write_text("slow 1")

    with pytest.raises(TamperedArtefact, match=r"is not what was released.*it is not loaded"):
        made.verify()


def test_an_artefact_that_is_not_there_is_named(release: Make, tmp_path: Path) -> None:
    made, _ = release()
    lost = ServedRelease(
        **{**vars(made), "prompt": ArtefactFolder("sha256:1234", tmp_path / "gone")}
    )

    with pytest.raises(MissingArtefact, match="the prompt 1234 is missing at"):
        lost.verify()


def test_a_pickle_is_refused_even_with_the_right_digest(release: Make) -> None:
    made, folder = release()
    (folder / "model" / "weights.bin").write_bytes(b"\x80\x04\x95")
    same = ServedRelease(
        **{**vars(made), "model": ArtefactFolder(digest_of(folder / "model"), folder / "model")}
    )

    with pytest.raises(UnsafeFormat, match="pickle"):
        same.verify()


def test_a_base_is_found_by_its_digest_and_a_strange_one_is_not(release: Make) -> None:
    made, folder = release()

    assert made.artefact_folder(made.model.digest) == folder / "model"
    with pytest.raises(MissingArtefact, match="has no artefact"):
        made.artefact_folder("sha256:feed")
