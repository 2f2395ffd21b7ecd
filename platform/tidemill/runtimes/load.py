"""Loading weights of any safetensors form: a whole model, or an adapter merged into its base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill import machine
from tidemill.errors import ArtefactError, MissingExtra
from tidemill.form import ModelForm
from tidemill.runtimes import Resolve


def tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, with a pad token."""
    machine.limit_spin_wait()
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MissingExtra("transformers", "train") from None
    try:
        loaded = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise ArtefactError(
            f"{folder}: has no tokenizer ({error}); build the model again"
        ) from None
    if loaded.pad_token is None:
        loaded.pad_token = loaded.eos_token
    return loaded


def model(folder: Path, form: ModelForm, resolve: Resolve, *, precision: str = "auto") -> Any:
    """The model in memory, ready to answer; an adapter is merged in fp32, then rounded once."""
    torch = machine.configure_torch()
    quiet()
    low = machine.bf16() if precision == "auto" else precision == "bf16"
    dtype = torch.bfloat16 if low else torch.float32
    if form.pooling:
        from tidemill.runtimes import sentence_classifier

        loaded = sentence_classifier.load(folder, len(form.labels))
    elif form.form == "adapter":
        loaded = _merge_adapter(folder, form, resolve)
    else:
        loaded = _auto(form).from_pretrained(folder, dtype=dtype, **_classes(form))
    return loaded.to(dtype).eval()


def encoder(folder: Path, form: ModelForm, resolve: Resolve) -> Any:
    """The encoder alone in fp32, without any head; an adapter is merged in."""
    torch = machine.configure_torch()
    quiet()
    if form.form == "adapter":
        return _merge_adapter(folder, form, resolve).base_model.eval()
    from transformers import AutoModel

    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def _merge_adapter(folder: Path, form: ModelForm, resolve: Resolve) -> Any:
    import torch

    try:
        from peft import PeftModel
    except ImportError:
        raise MissingExtra("peft", "train") from None
    if not form.base:
        raise ArtefactError(f"{folder}: an adapter without a base in its form.json; train it again")
    below = resolve(form.base)
    if (base_form := ModelForm.read(below)).form == "adapter":
        base = _merge_adapter(below, base_form, resolve)
    else:
        base = _auto(form).from_pretrained(below, dtype=torch.float32, **_classes(form))
    return PeftModel.from_pretrained(base, folder).merge_and_unload()


def _auto(form: ModelForm) -> Any:
    import transformers

    if form.task == "causal-lm":
        return transformers.AutoModelForCausalLM
    return transformers.AutoModelForSequenceClassification


def _classes(form: ModelForm) -> dict[str, object]:
    """Keyword arguments that give a base without a head one of the right size."""
    if form.task == "causal-lm":
        return {}
    names = dict(enumerate(form.labels))
    return {
        "num_labels": len(names),
        "id2label": names,
        "label2id": {v: k for k, v in names.items()},
    }


def quiet() -> None:
    """Keep transformers from drawing bars and warning of what is meant."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
