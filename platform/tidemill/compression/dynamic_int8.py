"""Dynamic int8 through Optimum: weights now, activations as they come."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill import machine
from tidemill.compression import Conversations
from tidemill.compression.model_folder import copy, silence_tools, write_note
from tidemill.compression.onnx_export import COPIED_FILES, MODEL, export_onnx
from tidemill.errors import DataError, MissingExtra
from tidemill.form import ModelForm
from tidemill.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from onnxruntime import NodeArg

    from tidemill.compression.steps.quantise import Options

_LOOKED_AT = 16


def quantise(
    source: Path,
    out: Path,
    form: ModelForm,
    options: Options,
    calibration: Conversations | None,
    say: Progress,
) -> None:
    """An ONNX folder with int8 weights; the fp32 export it starts from is made if need be."""
    export = source if form.form == "onnx" else export_onnx(source, out.parent, say)
    processor = machine.instruction_set() if options.processor == "auto" else options.processor
    wide = options.per_channel
    if wide == "auto":
        wide = _better(export, out, processor, calibration, say)
    say(f"quantising to int8 for {processor}")
    out.mkdir(parents=True)
    _quantise(export, out, processor, wide)
    for name in (*COPIED_FILES, "ort_config.json"):
        (out / name).unlink(missing_ok=True)
    copy(export, out, COPIED_FILES)
    facts = {"bits": 8, "scheme": "dynamic", "processor": processor, "per_channel": wide}
    write_note(out, "quantise", facts)
    replace(form, form="onnx", precision="int8").write(out)


def _quantise(export: Path, out: Path, processor: str, per_channel: bool) -> None:
    with silence_tools():
        try:
            from optimum.onnxruntime import ORTQuantizer
            from optimum.onnxruntime.configuration import AutoQuantizationConfig
        except ImportError as error:
            raise MissingExtra(str(error.name), "compress") from None
        config = getattr(AutoQuantizationConfig, processor)(
            is_static=False, per_channel=per_channel
        )
        quantiser = ORTQuantizer.from_pretrained(export, file_name=MODEL)
        quantiser.quantize(quantization_config=config, save_dir=out, file_suffix="")


def _better(
    export: Path, out: Path, processor: str, calibration: Conversations | None, say: Progress
) -> bool:
    """Whether a scale per channel agrees more with fp32 than one per matrix; ties say yes."""
    if not calibration:
        raise DataError(
            "`per_channel: auto` compares both ways on calibration rows and there are none; "
            "name `calibration: {dataset: …}` or write per_channel: true"
        )
    rows = _tokens(export, calibration[:_LOOKED_AT])
    reference = _next_tokens(export / MODEL, rows)
    shares = {}
    for wide in (True, False):
        trial = out.with_name(f"{out.name}.trial")
        shutil.rmtree(trial, ignore_errors=True)
        try:
            _quantise(export, trial, processor, wide)
            trial_tokens = _next_tokens(trial / MODEL, rows)
        finally:
            shutil.rmtree(trial, ignore_errors=True)
        pairs = [a == b for expected, other in zip(reference, trial_tokens, strict=True)
                 for a, b in zip(expected, other, strict=True)]  # fmt: skip
        shares[wide] = sum(pairs) / len(pairs)
        say(f"per_channel {wide}: {shares[wide]:.1%} of the next tokens agree with fp32")
    return shares[True] >= shares[False]


def _tokens(folder: Path, conversations: Conversations) -> list[list[int]]:
    from transformers import AutoTokenizer

    from tidemill import chat

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return [chat.encode(tokenizer, messages) for messages in conversations]


def _next_tokens(path: Path, rows: Sequence[list[int]]) -> list[list[int]]:
    """The likeliest next token at every place of every row (for a classifier: its label)."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), machine.session_options())
    tokens = []
    for row in rows:
        ids = np.array([row], dtype=np.int64)
        logits = session.run(["logits"], _model_inputs(session.get_inputs(), ids))[0]
        tokens.append(np.atleast_1d(logits[0].argmax(-1)).tolist())
    return tokens


def _model_inputs(
    inputs: Sequence[NodeArg], ids: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.generic]]:
    import numpy as np

    plain = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "position_ids": np.arange(ids.shape[1])[None],
        "token_type_ids": np.zeros_like(ids),
    }
    feed: dict[str, npt.NDArray[np.generic]] = {
        tensor.name: plain[tensor.name] for tensor in inputs if tensor.name in plain
    }
    for tensor in inputs:
        if tensor.name.startswith("past_key_values"):
            feed[tensor.name] = np.zeros((1, tensor.shape[1], 0, tensor.shape[3]), np.float32)
    return feed
