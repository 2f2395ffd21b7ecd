"""A model server over a runtime that repeats what it is told: `python tests/serving/echo.py …`.

Words in the release's model folder steer it: a file `faults` with `fail`, or `slow 0.2`, plants a
failing or a slow release.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tidemill.errors import PromptTooLong
from tidemill.form import ModelForm
from tidemill.runtimes import LabelScores, Messages, Reply, Resolve

LIMIT = 10_000
"""Letters of the longest message; a real model counts tokens."""


class Echo:
    """Says the last message backwards, word by word."""

    def __init__(self, folder: Path, form: ModelForm) -> None:
        path = folder / "faults"
        self.faults = path.read_text().split() if path.exists() else []
        self.form, self.calls, self.closed = form, 0, False

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        return [self._one(messages, max_tokens) for messages in conversations]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        reply = self._one(messages, max_tokens)
        for number, word in enumerate(reply.text.split()):
            yield f" {word}" if number else word
            if self.faults[:1] == ["dribble"]:
                time.sleep(float(self.faults[1]))
        yield reply

    def classify(self, texts: Sequence[str]) -> list[LabelScores]:
        return [LabelScores("short" if len(t) < 10 else "long", 0.9, {"short": 0.9}) for t in texts]

    def close(self) -> None:
        self.closed = True

    def _one(self, messages: Messages, max_tokens: int) -> Reply:
        self.calls += 1
        said = messages[-1]["content"]
        if self.faults[:1] == ["fail"] and said != "hello":
            raise RuntimeError("planted fault")
        if len(said) > LIMIT:
            raise PromptTooLong(f"a prompt of {len(said)} letters exceeds the model's {LIMIT}")
        if self.faults[:1] == ["slow"]:
            time.sleep(float(self.faults[1]))
        words = said.split()[::-1][:max_tokens]
        finish = "stop" if len(words) < max_tokens else "length"
        return Reply(" ".join(words), len(said.split()), len(words), 0.0, finish)  # type: ignore[arg-type]


def open_echo(folder: Path, *, resolve: Resolve) -> Echo:
    return Echo(folder, ModelForm.read(folder))


if __name__ == "__main__":
    from tidemill.serving import model_server

    model_server.open_runtime = open_echo
    model_server.load.__kwdefaults__["open_model"] = open_echo
    model_server.main()
