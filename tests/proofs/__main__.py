"""`make prove`: the slow proofs, each with a summary; `python -m tests.proofs NAME …` runs some.

`python -m tests.proofs outcome --data FOLDER …` needs data of yours; see `tests.proofs.outcome`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

PROOFS = ("ingest_kill", "shuffled_labels", "banking77", "gitops", "aa")


def main(wanted: list[str]) -> int:
    """Run the named proofs (all without names); 0 when every one held."""
    ok = True
    for name in wanted or PROOFS:
        print(f"── {name}", flush=True)
        for summary in run(name):
            print(json.dumps(summary, indent=1, default=str), flush=True)
            ok = ok and bool(summary["ok"])
    print("proved" if ok else "NOT proved")
    return 0 if ok else 1


def run(name: str) -> Iterator[dict[str, Any]]:
    """The summaries of one proof."""
    module = import_module(f"tests.proofs.{Path(name).name}")
    yield from module.run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["outcome"]:
        import_module("tests.proofs.outcome.__main__").main(sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
