"""Rows keep their answer, batches keep their size, and the order is a function of the seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tidemill.training.examples import Example, epoch_batches, run_batches, truncate_example

LENGTHS = st.lists(st.integers(min_value=1, max_value=60), min_size=1, max_size=80)


def examples(lengths: list[int]) -> list[Example]:
    return [Example(tuple(range(n))) for n in lengths]


def test_a_long_prompt_loses_its_beginning_and_never_its_answer() -> None:
    example = truncate_example([1, 2, 3, 4, 5], [8, 9], 4)

    assert example == Example((4, 5, 8, 9), start=2, truncated=True)


def test_a_row_whose_answer_does_not_fit_is_left_out() -> None:
    assert truncate_example([1], [7, 8, 9], 3) is None


@given(LENGTHS, st.integers(min_value=16, max_value=256), st.integers(0, 5))
def test_every_row_is_in_one_batch_of_the_wanted_size(
    lengths: list[int], tokens: int, seed: int
) -> None:
    rows = examples(lengths)

    batches = epoch_batches(rows, batch_tokens=tokens, seed=seed)

    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    for batch in batches:
        width = max(len(rows[i].ids) for i in batch)
        assert len(batch) == 1 or width * len(batch) <= tokens


def test_the_same_seed_gives_the_same_order_and_another_one_another() -> None:
    rows = examples([5 + i % 9 for i in range(60)])

    first, again, other = (epoch_batches(rows, batch_tokens=64, seed=s) for s in (1, 1, 2))

    assert first == again
    assert first != other


def test_half_an_epoch_takes_half_the_steps() -> None:
    rows = examples([8] * 64)

    steps, ends = run_batches(rows, batch_tokens=64, epochs=1.5, max_steps=None, seed=0)

    assert (len(steps), ends) == (12, [8, 12])


def test_max_steps_ends_the_run_whatever_the_epochs_say() -> None:
    rows = examples([8] * 64)

    steps, ends = run_batches(rows, batch_tokens=64, epochs=3, max_steps=10, seed=0)

    assert (len(steps), ends) == (10, [8, 10])
