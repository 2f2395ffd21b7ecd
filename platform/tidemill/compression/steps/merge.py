"""Adapter and base become whole weights; weights that are whole already pass through."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from tidemill.compression import Conversations, Resolve
from tidemill.compression.model_folder import (
    TOKENIZER,
    check_full_weights,
    copy,
    link,
    silence_tools,
    write_note,
)
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import FORM, ModelForm
from tidemill.progress import Progress
from tidemill.spec.base import Frozen

VERSION = 1
KIND = "merged"


class Options(Frozen):
    """Options of `type: merge`."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Number format of the weights; `auto` keeps the base's, so that nothing grows."""


def compress(
    source: Path,
    out: Path,
    options: Options,
    *,
    resolve: Resolve,
    calibration: Conversations | None,  # noqa: ARG001 - merging looks at no rows
    say: Progress,
) -> None:
    """Merge in fp32, round once, save as safetensors."""
    form = ModelForm.read(source)
    if form.form != "adapter":
        _pass_through(source, out, form)
        return
    if not form.base:
        raise ArtefactError(f"{source}: an adapter without a base in its form.json; train it again")
    base_folder = resolve(form.base)
    base = ModelForm.read(base_folder)
    precision = base.precision if options.precision == "auto" else options.precision
    say("merging the adapter into its base")
    model = _merge(source, base_folder, form)
    merged = replace(
        form,
        form="safetensors",
        base=None,
        precision=precision,
        parameters=int(model.num_parameters()),
    )
    _save(model, out, merged)
    for folder in (source, base_folder):
        copy(folder, out, TOKENIZER)
    write_note(out, "merge", {"base": form.base, "precision": precision})
    merged.write(out)


def _merge(source: Path, base_folder: Path, form: ModelForm) -> Any:
    try:
        import torch
        import transformers
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtra(str(error.name), "train") from None

    classes: dict[str, object] = {}
    auto: Any = transformers.AutoModelForCausalLM
    if form.task == "sequence-classification":
        names = dict(enumerate(form.labels))
        auto = transformers.AutoModelForSequenceClassification
        classes = {"num_labels": len(names), "id2label": names}
        classes["label2id"] = {name: number for number, name in names.items()}
    with silence_tools():
        base = auto.from_pretrained(base_folder, dtype=torch.float32, **classes)
        return PeftModel.from_pretrained(base, source).merge_and_unload(safe_merge=True)


def _save(model: Any, out: Path, form: ModelForm) -> None:
    import torch

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(form.precision, torch.float32)
    model.config._name_or_path = ""
    model.to(dtype).save_pretrained(out, safe_serialization=True)


def _pass_through(source: Path, out: Path, form: ModelForm) -> None:
    check_full_weights(source, "merge")
    try:
        for path in sorted(p for p in source.rglob("*") if p.is_file() and p.name != FORM):
            link(path, out / path.relative_to(source))
        form.write(out)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
