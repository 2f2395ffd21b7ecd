"""Waiting goes on while something moves, and ends after a stated time in which nothing did."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidemill.engine.standstill import BUSY, Signs, Standstill


def test_nothing_that_moves_for_so_long_ends_it() -> None:
    still = Standstill(0.0, Signs("a", 5.0), 60)

    assert not still.look(Signs("a", 5.0), 59.0).over(59.0)
    assert still.look(Signs("a", 5.0), 60.0).over(60.0)


def test_a_new_mark_begins_the_time_anew() -> None:
    still = Standstill(0.0, Signs(1), 60).look(Signs(2), 59.0)

    assert not still.over(118.0)
    assert still.look(Signs(2), 119.0).over(119.0)


def test_a_process_that_works_is_waited_for_and_an_idle_one_is_not() -> None:
    busy = Standstill(0.0, Signs(None, 0.0), 60).look(Signs(None, BUSY * 60), 60.0)
    idle = Standstill(0.0, Signs(None, 0.0), 60).look(Signs(None, BUSY * 50), 60.0)

    assert not busy.over(60.0)
    assert idle.over(60.0)


@given(st.floats(1, 20), st.integers(1, 50))
def test_a_machine_however_slow_is_waited_for(slower: float, steps: int) -> None:
    """A step of training took ten seconds; here it takes `slower` times that, under the limit."""
    still, now = Standstill(0.0, Signs(0), 300), 0.0
    for step in range(steps):
        now += 10 * slower
        still = still.look(Signs(step + 1), now)

        assert not still.over(now)
