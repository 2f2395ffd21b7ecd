"""A model trained on shuffled labels is stopped by its gates, and never becomes a release."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proofs.cli import Person

PROJECT = Path(__file__).parents[2] / "specs" / "product-recs"


def run() -> Iterator[dict[str, Any]]:
    """The same project twice: with its labels, and with its train labels shuffled."""
    with tempfile.TemporaryDirectory() as folder:
        yield prove(Path(folder))


def prove(folder: Path) -> dict[str, Any]:
    """Honest labels release (exit 0), shuffled ones do not (exit 2), whatever else is the same."""
    honest, planted = folder / "honest", folder / "planted"
    for root in (honest, planted):
        shutil.copytree(PROJECT, root / "specs" / PROJECT.name)
    shuffle(planted / "specs" / PROJECT.name / "data" / "visits.jsonl", "next")
    good = Person(honest / "specs", honest / "home").types("run", "product-recs")
    bad = Person(planted / "specs", planted / "home").types("run", "product-recs")
    return {
        "ok": good.returncode == 0 and bad.returncode == 2 and "below" in bad.stderr,
        "honest_exit": good.returncode,
        "planted_exit": bad.returncode,
        "message": bad.stderr.strip().splitlines()[-1:],
        "honest_said": good.stderr.strip().splitlines()[-3:],
    }


def shuffle(path: Path, column: str) -> None:
    """Deal one column's values anew; everything else stays."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    values = [row[column] for row in rows]
    random.Random(1).shuffle(values)
    dealt = ({**row, column: value} for row, value in zip(rows, values, strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in dealt), encoding="utf-8")
