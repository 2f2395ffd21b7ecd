"""The YAML block of a card, in the vocabulary of the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tidemill.engine.licence import UNKNOWN, LicenceChain
from tidemill.report.cards.hub_metadata import HubMetadata
from tidemill.report.release_facts import SpecValues

_HUB_LICENCES = frozenset(
    [
        "apache-2.0",
        "mit",
        "openrail",
        "bigscience-openrail-m",
        "creativeml-openrail-m",
        "bigscience-bloom-rail-1.0",
        "bigcode-openrail-m",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "wtfpl",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "agpl-3.0",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "isc",
        "intel-research",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "ms-pl",
        "apple-ascl",
        "apple-amlr",
        "mpl-2.0",
        "odc-by",
        "odbl",
        "openrail++",
        "osl-3.0",
        "postgresql",
        "ofl-1.1",
        "ncsa",
        "unlicense",
        "zlib",
        "pddl",
        "lppl-1.3c",
        "gemma",
        "deepfloyd-if-license",
    ]
)
"""What the hub knows (hf.co/docs/hub/repositories-licenses); anything else is `other`."""
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))


def block(values: HubMetadata) -> str:
    """The block between its two lines; keys without a value are left out."""
    present = {
        key: _tidy(value) for key, value in values.items() if value not in (None, "", [], {})
    }
    text = yaml.safe_dump(present, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---\n"


def licence(chain: LicenceChain) -> HubMetadata:
    """`license`, and its name where the hub has no word for it."""
    name = chain.licence
    if name in _HUB_LICENCES:
        return {"license": name}
    return {"license": "other", "license_name": _identifier(name)} if name != UNKNOWN else {}


def repository(name: str) -> str:
    """A name with the characters that a repository's may have."""
    owner, slash, short = name.partition("/")
    return f"{_identifier(owner)}{slash}{_identifier(short)}" if slash else _identifier(name)


def size_category(rows: int) -> str:
    """The hub's word for so many rows."""
    return next((name for most, name in _SIZES if rows < most), "n>1M")


def languages(*specs: SpecValues) -> list[str]:
    """What the label `language` of the specs says: `en`, or `en, de`."""
    labels = [str((spec.get("labels") or {}).get("language") or "") for spec in specs]
    codes = [part.strip().lower() for label in labels for part in label.split(",")]
    return list(dict.fromkeys(part for part in codes if re.fullmatch(r"[a-z]{2,3}", part)))


def tags(names: Sequence[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(name for name in names if name))


def _identifier(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text, flags=re.ASCII).strip("-.") or "unnamed"


def _tidy(value: Any) -> Any:
    """Texts on one line and without control characters, all the way down."""
    if isinstance(value, str):
        return " ".join("".join(c if c.isprintable() else " " for c in value).split())
    if isinstance(value, Mapping):
        return {str(key): _tidy(inside) for key, inside in value.items()}
    return [_tidy(inside) for inside in value] if isinstance(value, list | tuple) else value
