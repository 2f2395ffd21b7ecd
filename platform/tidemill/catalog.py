"""A folder of techniques, read as a registry: a new file is a new technique.

Each technique is one module of a package such as `tidemill.metrics`. The file name is the name a
spec uses (`few_shot.py` is `few-shot` where the catalog's separator is a hyphen). A technique
module imports nothing heavy at its top and has:

- a docstring whose first line says what it does (shown by `--help` and the JSON Schema),
- `VERSION: int`, part of the digest of every spec that uses it; raise it when results change,
- optionally `class Options(Frozen)`, the pydantic model of its options,
- the functions of its folder's contract (see the folder's `__init__.py`).
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from tidemill.errors import UnknownName


@dataclass(frozen=True)
class Catalog:
    """The techniques of one package; modules whose name starts with `_` are not techniques."""

    package: str
    label: str
    separator: str = "_"
    digest_key: str = ""
    """Names the catalog in the digests of specs: fixed for ever, wherever the package lies."""

    def names(self) -> tuple[str, ...]:
        """The names specs may use, sorted; imports nothing but the empty package."""
        return _names(self.package, self.separator)

    def load(self, name: str) -> ModuleType:
        """The technique's module; raises `UnknownName` with the nearest name."""
        if name not in self.names():
            raise UnknownName(self.label, name, self.names())
        return import_module(f"{self.package}.{name.replace(self.separator, '_')}")

    def options(self, name: str, option_values: dict[str, object]) -> Any:
        """The technique's validated options, or None for a technique that takes none."""
        model = getattr(self.load(name), "Options", None)
        return model.model_validate(option_values) if model else None


@cache
def _names(package: str, separator: str) -> tuple[str, ...]:
    module_spec = find_spec(package)
    folders = module_spec.submodule_search_locations if module_spec else None
    stems = (module.name for module in pkgutil.iter_modules(folders or []))
    return tuple(sorted(s.replace("_", separator) for s in stems if not s.startswith("_")))


CLEAN = Catalog("tidemill.data.clean", "cleaning step", digest_key="tidemill.data.clean")
PROMPTS = Catalog(
    "tidemill.prompts.techniques", "prompt technique", separator="-", digest_key="tidemill.prompts"
)
TRAINING = Catalog(
    "tidemill.training.methods", "fine-tuning method", digest_key="tidemill.training"
)
COMPRESSION = Catalog(
    "tidemill.compression.steps", "compression step", digest_key="tidemill.compression"
)
METRICS = Catalog("tidemill.metrics", "metric", digest_key="tidemill.metrics")
SEARCH = Catalog("tidemill.search.methods", "search method", digest_key="tidemill.search")
TRIGGERS = Catalog(
    "tidemill.triggers.conditions", "trigger condition", digest_key="tidemill.triggers"
)
