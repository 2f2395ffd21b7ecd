"""Loads the program of a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidemill.ports import Artefact
from tidemill.spec.base import Spec


def load_program(
    name: str | None, inputs: Mapping[str, Artefact], specs: Mapping[str, Spec]
) -> Any:
    """The prompt's program, with the sentence encoder its spec names; None without a prompt."""
    if name is None or name not in inputs:
        return None
    from tidemill.prompts import PromptProgram

    return PromptProgram.load(inputs[name].path, encode=_encoder(specs.get(name), inputs))


def _encoder(prompt: Any, inputs: Mapping[str, Artefact]) -> Callable[[list[str]], Any] | None:
    parts = (getattr(prompt, "examples", None), getattr(prompt, "context", None))
    names = [part.encoder for part in parts if part is not None and part.encoder]
    if not names or names[0] not in inputs:
        return None
    from tidemill.runtimes.sentence import Encoder

    return Encoder(inputs[names[0]].path).encode
