"""What the machine can do is asked, never assumed, and what a person has set wins."""

from __future__ import annotations

import os

import pytest

from tidemill import machine


def test_a_set_number_of_threads_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    assert machine.cores() == 3


def test_there_are_as_many_threads_as_cores_we_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    assert 1 <= machine.cores() <= (os.cpu_count() or 1)


def test_waiting_threads_sleep_unless_a_person_said_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")

    machine.configure_torch()

    assert os.environ["GOMP_SPINCOUNT"] == "7"


@pytest.mark.parametrize("name", ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"])
def test_a_machine_that_is_kept_to_avx2_multiplies_no_bf16_and_has_no_vnni(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "AVX2")
    machine.bf16.cache_clear()
    machine.instruction_set.cache_clear()

    assert not machine.bf16()
    assert machine.instruction_set() in ("avx2", "arm64")

    machine.bf16.cache_clear()
    machine.instruction_set.cache_clear()


def test_the_heap_can_be_kept_more_than_once() -> None:
    machine.keep_heap()
    machine.keep_heap()
