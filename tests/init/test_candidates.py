"""`tidemill init` writes candidates where rows and machine allow them, the cheapest first."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.init.conftest import Init

from tidemill import machine
from tidemill.cli import commands
from tidemill.engine.statistics import wilson
from tidemill.init.candidates import LONGEST, propose_candidates
from tidemill.spec.finetune import FineTune
from tidemill.spec.load import load
from tidemill.terminal.shell import run


def rows(each: int) -> str:
    lines = [
        f"please help me with case {n} of {label},{label}" for n in range(each) for label in "abcd"
    ]
    return "text,label\n" + "".join(f"{line}\n" for line in lines)


def tuned(place: Path) -> FineTune:
    return load(place / "specs").projects["desk"].spec("tuned", FineTune)


def test_with_many_rows_the_head_comes_first_and_tuning_after_it(
    place: Path, init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)
    (place / "rows.csv").write_text(rows(300))

    assert init("desk", "--data", "rows.csv", "--task", "classification", "--yes") == 0
    assert run(commands, ["validate"]) == 0
    spec = tuned(place)
    assert (spec.method, spec.sweep) == ("head", None)
    assert spec.candidates is not None
    assert [one.label for one in spec.candidates.alternatives] == [
        "method full, options.layers 2",
        "method full, train.learning_rate 5e-05",
    ]
    assert spec.candidates.choose == "first_passing"
    assert spec.candidates.at_least == pytest.approx(0.77)
    text = (place / "specs" / "desk" / "finetune.yaml").read_text()
    assert "# the upper 2 layers: at most about 2 min" in text
    assert "# all weights: at most about 5 min" in text


def test_with_few_rows_the_head_is_alone_and_a_sweep_may_try_its_settings(
    place: Path, init: Init
) -> None:
    (place / "rows.csv").write_text(rows(30))

    assert init("desk", "--data", "rows.csv", "--task", "classification", "--yes") == 0
    spec = tuned(place)
    assert (spec.method, spec.candidates) == ("head", None)
    assert spec.sweep is not None


def test_what_would_take_too_long_here_is_left_out() -> None:
    one, many = (propose_candidates([6000] * 5, cores) for cores in (2, 64))
    slow = propose_candidates([100_000] * 5, 1)

    assert one is not None
    assert [tuning.layers for tuning in one.tunings] == [2]
    assert many is not None
    assert [tuning.layers for tuning in many.tunings] == [2, None]
    assert slow is None


@given(st.lists(st.integers(1, 20_000), min_size=2, max_size=30), st.integers(1, 64))
def test_the_bar_is_above_guessing_and_the_time_within_its_limit(
    counts: list[int], cores: int
) -> None:
    found = propose_candidates(counts, cores)

    if found is not None:
        majority = round(max(counts) / sum(counts) * found.validation_rows)
        assert wilson(majority, found.validation_rows, 0.95).low < found.at_least < 0.9
        assert sum(one.minutes for one in found.tunings) <= LONGEST / 60 + 1
        assert [one.minutes for one in found.tunings] == sorted(o.minutes for o in found.tunings)
