"""Causal language models on ONNX Runtime GenAI: one conversation at a time, token by token."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidemill import chat, machine
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import Form
from tidemill.runtimes import Messages, Reply, Resolve, Scores, load, refuse
from tidemill.runtimes._stop import cut, pieces
from tidemill.runtimes.onnx_causal import within

_CHECK_STOP_EVERY = 4


def open(folder: Path, form: Form, resolve: Resolve) -> GenAI:  # noqa: A001
    """Load the graph with this machine's threads; raises ArtefactError for a broken folder."""
    try:
        import onnxruntime_genai as og
    except ImportError:
        raise MissingExtra("onnxruntime-genai", "compress") from None
    threads = {"intra_op_num_threads": machine.cores()}
    try:
        said = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))
        config = og.Config(str(folder))
        config.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
        model = og.Model(config)
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtefactError(f"{folder}: ONNX Runtime GenAI cannot load it ({error})") from None
    return GenAI(form, model, load.tokenizer(folder), said["model"])


class GenAI:
    """A `Runtime` on ONNX Runtime GenAI. Decoding is greedy."""

    def __init__(self, form: Form, model: Any, tokenizer: Any, said: dict[str, Any]) -> None:
        self.form, self.model, self.tokenizer = form, model, tokenizer
        ends = said["eos_token_id"]
        self._ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self._limit = int(said["context_length"])

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        """One reply per conversation, in their order; each takes the time it takes when served."""
        return [self._answer(messages, max_tokens, stop) for messages in conversations]

    def stream(
        self, messages: Messages, *, max_tokens: int, stop: Sequence[str] = ()
    ) -> Iterator[str | Reply]:
        """Pieces of text as they are made, then the `Reply`."""
        begun = time.perf_counter()
        ids = self._encode(messages, max_tokens)
        made: list[int] = []
        grown = (self._grown(made, token) for token in self._tokens(ids, max_tokens))
        yield from pieces(grown, stop)
        yield self._reply(ids, made, max_tokens, stop, begun)

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        """Not what a causal language model does."""
        raise refuse("classify", self.form)

    def close(self) -> None:
        """Free the weights."""
        self.model = None

    def _answer(self, messages: Messages, max_tokens: int, stop: Sequence[str]) -> Reply:
        begun = time.perf_counter()
        ids = self._encode(messages, max_tokens)
        made: list[int] = []
        for token in self._tokens(ids, max_tokens):
            made.append(token)
            if stop and len(made) % _CHECK_STOP_EVERY == 0 and cut(self._text(made), stop)[1]:
                break
        return self._reply(ids, made, max_tokens, stop, begun)

    def _reply(
        self, ids: list[int], made: list[int], max_tokens: int, stop: Sequence[str], begun: float
    ) -> Reply:
        text, stopped = cut(self._text(made), stop)
        long = len(made) >= max_tokens and not stopped
        seconds = time.perf_counter() - begun
        return Reply(text, len(ids), len(made), seconds, "length" if long else "stop")

    def _tokens(self, ids: list[int], max_tokens: int) -> Iterator[int]:
        """New tokens up to the end token, which is not given; at most `max_tokens`.

        `max_length` bounds the KV buffer, which would otherwise be made for the model's maximum.
        """
        import onnxruntime_genai as og

        params = og.GeneratorParams(self.model)
        # One more than wanted: at `max_length` GenAI says it is done whether or not the model is.
        length = min(len(ids) + max_tokens + 1, self._limit)
        params.set_search_options(max_length=length, do_sample=False, batch_size=1)
        generator = og.Generator(self.model, params)
        generator.append_tokens(ids)
        for _ in range(max_tokens):
            generator.generate_next_token()
            token = int(generator.get_next_tokens()[0])
            if token in self._ends:
                return
            yield token
            if generator.is_done():
                return

    def _encode(self, messages: Messages, max_tokens: int) -> list[int]:
        return within(chat.encode(self.tokenizer, messages), max_tokens, self._limit)

    def _grown(self, made: list[int], token: int) -> str:
        made.append(token)
        return self._text(made)

    def _text(self, made: list[int]) -> str:
        return str(self.tokenizer.decode(made, skip_special_tokens=True))
