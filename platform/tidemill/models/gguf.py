"""GGUF to safetensors, once: weights through transformers, the tokenizer rebuilt from its parts.

Weights are written in bf16: a 4-bit block keeps steps of about 6 % of its range and an 8-bit one
0.8 %, bf16 rounds to 0.4 %, so nothing that survived quantisation is lost, at half the disk and a
quicker load than fp32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

from tidemill.errors import ArtefactError, MissingExtra
from tidemill.models import Notify, tokenizer_rebuild
from tidemill.models.tokenizer_rebuild import GgufTokenizer

REVISION = 1
"""Raise it when a conversion gives other bytes, so that old ones in the cache are not used."""


def convert(path: Path, sha256: str, cache: Path, tell: Notify) -> Path:
    """The folder with the converted model, made under the hash of the GGUF's bytes."""
    folder = cache / "converted" / f"{sha256[:32]}-{REVISION}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as temporary:
        tell(f"converting {path.name} to safetensors")
        fields = _fields(path)
        work = Path(temporary) / "model"
        tokenizer = tokenizer_rebuild.rebuild(fields)
        _weights(path, work, tokenizer)
        tokenizer.save_pretrained(work)
        try:
            work.rename(folder)
        except OSError:
            if not folder.exists():  # another process may have been quicker
                raise
    return folder


def _fields(path: Path) -> GgufTokenizer:
    try:
        from gguf import GGUFReader
    except ImportError:
        raise MissingExtra("gguf", "train") from None
    try:
        reader = GGUFReader(path)
    except (ValueError, IndexError) as error:
        raise ArtefactError(f"{path}: is no GGUF file ({error}); correct `file`") from None
    contents = {k: f.contents() for k, f in reader.fields.items() if k.startswith("tokenizer.")}
    return cast(GgufTokenizer, contents)


def _weights(path: Path, work: Path, tokenizer: Any) -> None:
    try:
        import torch
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging
    except ImportError as error:
        raise MissingExtra(str(error.name), "train") from None

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.bfloat16
    )
    for config in (model.config, model.generation_config):
        config.bos_token_id = tokenizer.bos_token_id
        config.eos_token_id = tokenizer.eos_token_id
        config.pad_token_id = tokenizer.pad_token_id
    model.config._name_or_path = ""
    model.save_pretrained(work, safe_serialization=True)
