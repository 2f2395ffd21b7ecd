"""Weight-only quantisation in blocks, by the model builder of ONNX Runtime GenAI."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tidemill.compression.model_folder import TOKENIZER, copy, silence_tools, write_note
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import ModelForm
from tidemill.progress import Progress

if TYPE_CHECKING:
    from tidemill.compression.steps.quantise import Options


def quantise(source: Path, out: Path, form: ModelForm, options: Options, say: Progress) -> None:
    """A GenAI folder: `genai_config.json`, the graph with fused attention, and its tokenizer."""
    say(f"quantising to {options.bits} bits in blocks of {options.block_size}")
    work = out.with_name(out.name + ".building")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with silence_tools():
            _build(source, work, options)
        _check(work)
        work.replace(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name in TOKENIZER:  # the builder's copies; the source's own are the ones trained with
        (out / name).unlink(missing_ok=True)
    copy(source, out, ["config.json", "generation_config.json", *TOKENIZER])
    settings = options.model_dump(exclude={"scheme", "processor", "per_channel"})
    write_note(out, "quantise", {"scheme": "blocks", **settings})
    precision: Literal["int8", "int4"] = "int8" if options.bits == 8 else "int4"
    replace(form, form="genai", precision=precision).write(out)


def _build(source: Path, work: Path, options: Options) -> None:
    try:
        import onnx_ir  # noqa: F401 - the builder needs it and does not declare it
        from onnxruntime_genai.models.builder import create_model
    except ImportError as error:
        raise MissingExtra(str(error.name), "compress") from None
    extra = {
        "hf_token": "false",
        "hf_remote": False,
        "shared_embeddings": False,
        "int4_accuracy_level": options.accuracy_level,
        "int4_block_size": options.block_size,
        "int4_is_symmetric": True,
        "int4_algo_config": _algorithm(options),
        "int4_op_types_to_quantize": ("MatMul", "Gather") if options.embeddings else ("MatMul",),
    }
    precision = "fp32" if options.bits == 8 else "int4"
    cache = work / ".cache"
    try:
        create_model(None, str(source), str(work), precision, "cpu", str(cache), **extra)
    except NotImplementedError:
        raise ArtefactError(
            f"{source}: ONNX Runtime GenAI cannot build this architecture; "
            "use `{type: quantise, bits: 8}`"
        ) from None
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    if options.bits == 8:
        _eight(work / "model.onnx", options)


def _algorithm(options: Options) -> str:
    if options.method == "k-quant":
        return "k_quant_last"
    return "rtn_last" if options.head_bits == 8 else "default"


def _eight(path: Path, options: Options) -> None:
    """The builder has no 8-bit weights: quantise its fp32 graph with the quantiser it uses."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantiser = MatMulNBitsQuantizer(
        onnx.load(path),
        bits=8,
        block_size=options.block_size,
        is_symmetric=True,
        accuracy_level=options.accuracy_level,
        op_types_to_quantize=("MatMul", "Gather") if options.embeddings else ("MatMul",),
    )
    quantiser.process()
    for old in (path, path.with_name(path.name + ".data")):
        old.unlink()
    onnx.save(
        quantiser.model.model,
        path,
        save_as_external_data=True,
        location=path.name + ".data",
        size_threshold=0,
    )


def _check(work: Path) -> None:
    """GenAI reads its configuration and the graph beside it; a missing one is our fault."""
    config = json.loads((work / "genai_config.json").read_text(encoding="utf-8"))
    if not (work / config["model"]["decoder"]["filename"]).exists():
        raise ArtefactError(f"{work}: the model builder left no graph; try `scheme: dynamic`")
