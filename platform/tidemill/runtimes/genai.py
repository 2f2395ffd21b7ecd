"""Causal language models on ONNX Runtime GenAI: one conversation at a time, token by token."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import ModelForm
from tidemill.runtimes import Resolve, load
from tidemill.runtimes.causal import CausalRuntime, GenerationRow


def open(folder: Path, form: ModelForm, resolve: Resolve) -> GenAI:  # noqa: A001
    """Load the graph with this machine's threads; raises ArtefactError for a broken folder."""
    try:
        import onnxruntime_genai as og
    except ImportError:
        raise MissingExtra("onnxruntime-genai", "compress") from None
    threads = {"intra_op_num_threads": machine.cores()}
    try:
        facts = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))
        config = og.Config(str(folder))
        config.overlay(json.dumps({"model": {"decoder": {"session_options": threads}}}))
        model = og.Model(config)
    except (OSError, ValueError, RuntimeError) as error:
        raise ArtefactError(f"{folder}: ONNX Runtime GenAI cannot load it ({error})") from None
    names = facts["model"]
    ends, limit = names["eos_token_id"], int(names["context_length"])
    return GenAI(form, model, load.tokenizer(folder), ends=ends, limit=limit)


class GenAI(CausalRuntime):
    """A `Runtime` on ONNX Runtime GenAI. Decoding is greedy."""

    def __init__(
        self, form: ModelForm, model: Any, tokenizer: Any, *, ends: int | list[int], limit: int
    ) -> None:
        super().__init__(form, tokenizer, batch=1, ends=ends, limit=limit)
        self.model = model

    def close(self) -> None:
        """Free the weights."""
        self.model = None

    def _run(
        self, rows: list[GenerationRow], max_tokens: int, stop: Sequence[str]
    ) -> Iterator[None]:
        # `max_length` bounds the KV buffer, which would otherwise be made for the model's maximum.
        import onnxruntime_genai as og

        (row,) = rows
        params = og.GeneratorParams(self.model)
        # One more than wanted: at `max_length` GenAI says it is done whether or not the model is.
        length = min(len(row.prompt) + max_tokens + 1, self._limit)
        params.set_search_options(max_length=length, do_sample=False, batch_size=1)
        generator = og.Generator(self.model, params)
        generator.append_tokens(row.prompt)
        while not row.finish:
            generator.generate_next_token()
            row.generated.append(int(generator.get_next_tokens()[0]))
            self._judge(row, max_tokens, stop)
            yield
            if generator.is_done():
                return
