"""Model folders of compression steps: check the source, copy files, record the step."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tidemill.errors import ArtefactError
from tidemill.form import ModelForm

NOTE = "compression.json"
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
)
_NOISY = ("optimum", "onnxruntime.quantization", "torch.onnx", "root", "transformers")


def check_full_weights(source: Path, step: str) -> ModelForm:
    """The form of whole safetensors weights; raises ArtefactError for any other form."""
    form = ModelForm.read(source)
    if form.form == "adapter":
        raise ArtefactError(
            f"step '{step}' needs full weights and got an adapter; add a `merge` step before it"
        )
    if form.form != "safetensors":
        raise ArtefactError(
            f"step '{step}' needs safetensors and got the form '{form.form}'; put it before the "
            "step that quantises"
        )
    return form


def copy(source: Path, out: Path, names: Iterable[str]) -> None:
    """Copy the named files that are there, by hard link where the file system allows."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (source / name).is_file() and not (out / name).exists():
            link(source / name, out / name)


def link(source: Path, target: Path) -> None:
    """A hard link, or a copy where the file system has none."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def write_note(out: Path, step: str, facts: Mapping[str, object]) -> None:
    """Keep how the artefact was made beside its bytes; nothing that differs from run to run."""
    text = json.dumps({"step": step, **facts}, indent=1, sort_keys=True, ensure_ascii=False)
    (out / NOTE).write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def silence_tools() -> Iterator[None]:
    """Tools that print, log and draw bars of their own say nothing while the block runs."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
