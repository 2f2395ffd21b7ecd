"""A training run that is killed goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training import killable

from tidemill.training import checkpoint


def silent(message: str, **_: Any) -> None:
    """Says nothing."""


def trained(model: Any) -> dict[str, torch.Tensor]:
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


def kill_at(step: int, base: Path, checkpoints: Path) -> None:
    """Start the run as a process and kill -9 it once it has told of a step."""
    command = [sys.executable, "-m", "tests.training.killable", str(base), str(checkpoints)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith(f"step {step}/"):
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
    assert process.returncode == -signal.SIGKILL


def test_a_run_killed_in_the_middle_ends_as_if_it_had_not_been(
    tiny_llm: Path, tmp_path: Path
) -> None:
    whole, expected = killable.train(tiny_llm, tmp_path / "whole", silent)
    kill_at(expected.steps // 2, tiny_llm, tmp_path / "killed")

    resumed, outcome = killable.train(tiny_llm, tmp_path / "killed", silent)

    assert outcome.resumed_from > 0
    assert outcome.steps == expected.steps
    assert outcome.tokens == expected.tokens
    assert [step for step, _ in outcome.losses] == list(range(1, expected.steps + 1))
    for name, value in trained(whole).items():
        torch.testing.assert_close(dict(resumed.named_parameters())[name], value)


def stop_after(steps: int) -> Any:
    def tell(message: str, **_: Any) -> None:
        if message.startswith(f"step {steps + 1}/"):
            raise KeyboardInterrupt

    return tell


def interrupted(base: Path, folder: Path, steps: int = 5, **how: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        killable.train(base, folder, stop_after(steps), **how)


def test_a_checkpoint_of_other_inputs_is_not_used(tiny_llm: Path, tmp_path: Path) -> None:
    interrupted(tiny_llm, tmp_path, digest="these inputs")

    _, outcome = killable.train(tiny_llm, tmp_path, silent, digest="other inputs")

    assert outcome.resumed_from == 0


def test_resume_can_be_turned_off(tiny_llm: Path, tmp_path: Path) -> None:
    interrupted(tiny_llm, tmp_path)

    _, outcome = killable.train(tiny_llm, tmp_path, silent, resume=False)

    assert outcome.resumed_from == 0


def test_a_checkpoint_broken_on_disk_is_passed_over(tiny_llm: Path, tmp_path: Path) -> None:
    interrupted(tiny_llm, tmp_path)
    (newest,) = tmp_path.glob("step-*")
    (newest / "optimiser.safetensors").write_bytes(b"half a file")

    _, outcome = killable.train(tiny_llm, tmp_path, silent)

    assert outcome.resumed_from == 0
    assert outcome.steps == outcome.planned_steps


def test_a_checkpoint_holds_no_pickle(tiny_llm: Path, tmp_path: Path) -> None:
    interrupted(tiny_llm, tmp_path, steps=7)
    (newest,) = tmp_path.glob("step-*")

    endings = {path.suffix for path in newest.iterdir()}

    assert endings == {".safetensors", ".json"}
    assert json.loads((newest / "state.json").read_text())["step"] == 7


def test_the_best_weights_come_back_from_a_checkpoint(tiny_llm: Path, tmp_path: Path) -> None:
    whole, _ = killable.train(tiny_llm, tmp_path / "whole", silent)
    interrupted(tiny_llm, tmp_path / "cut", steps=11)
    found = checkpoint.load(tmp_path / "cut", "same")

    resumed, _ = killable.train(tiny_llm, tmp_path / "cut", silent)

    assert found is not None
    assert found.best
    for name, value in trained(whole).items():
        torch.testing.assert_close(dict(resumed.named_parameters())[name], value)
