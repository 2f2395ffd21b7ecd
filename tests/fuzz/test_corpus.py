"""What fuzzing found, kept: each case is a regression test; a short fuzz runs as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.mutate import changed
from tests.fuzz.projects import CORPUS, Ground, ground


@pytest.fixture(scope="module")
def place() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_was_found_once_is_loaded_or_told(path: Path, place: Ground) -> None:
    project, file, _what = path.name.split("--", 2)

    assert place.attempt(project, {file.replace("+", "/"): path.read_bytes()})


@given(case=changed())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_mutated_project_is_loaded_or_told(
    case: tuple[str, dict[str, bytes]], place: Ground
) -> None:
    assert place.attempt(*case)
