"""`tidemill init` on files of five shapes: does each end in a second release that serves?

    python -m tests.proofs.outcome.shapes                     all five
    python -m tests.proofs.outcome.shapes --shape two-labels  one of them

Nothing that `init` wrote is edited but waiting times. Users ask what the file does not hold, and
correct every wrong answer.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from tests.proofs.outcome import turn
from tests.proofs.outcome.crowd import Crowd
from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Question, Questions
from tidemill.errors import TidemillError

SPECS = Path(__file__).parents[3] / "specs"
Row = Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """A file as somebody has it, and what its users will ask."""

    file: str
    rows: Sequence[Row]
    """What the file holds; the other rows are the users'."""
    pool: Sequence[Question]
    texts: bool = False
    """True where answers are texts, not labels."""


def intents(dice: random.Random) -> Shape:
    """Text and label; the users bring three labels that the file does not know."""
    rows = _support(dice)
    new = set(dice.sample(sorted({row["intent"] for row in rows}), 3))
    kept = [{"text": r["request"], "label": r["intent"]} for r in rows if r["intent"] not in new]
    first, others = kept[:150], kept[150:]
    unknown = [{"text": r["request"], "label": r["intent"]} for r in rows if r["intent"] in new]
    pool = [Question(r["text"], r["label"]) for r in [*others, *unknown]]
    return Shape("intents.csv", first, dice.sample(pool, len(pool)))


def two_labels(dice: random.Random) -> Shape:
    """Few rows, two uneven labels, columns beside them."""
    money = ("refund_status", "payment_failed", "discount_code")
    rows = [
        {
            "customer": row["customer"],
            "message": row["request"],
            "category": "money" if row["intent"] in money else "other",
        }
        for row in _support(dice)
    ]
    pool = [Question(row["message"], row["category"]) for row in rows[60:]]
    return Shape("tickets.csv", rows[:60], pool)


def ranking(dice: random.Random) -> Shape:
    """What a visitor looks for, and the category that was bought."""
    signals = Path(__file__).with_name("signals.csv")
    rows = list(csv.DictReader(signals.open(encoding="utf-8")))
    rows = dice.sample(rows, len(rows))
    pool = [Question(row["signal"], row["category"]) for row in rows[120:]]
    return Shape("signals.csv", rows[:120], pool)


def replies(dice: random.Random) -> Shape:
    """A label and a text to write."""
    rows = _support(dice)
    pool = [Question(r["request"], f"{r['intent']} | {r['reply']}") for r in rows[150:]]
    return Shape("replies.jsonl", rows[:150], pool, texts=True)


def summaries(dice: random.Random) -> Shape:
    """A long text and a short one, no label."""
    lines = (SPECS / "legal-summaries/data/clauses.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    rows = [{"clause": r["clause"], "summary": r["summary"]} for r in dice.sample(rows, len(rows))]
    pool = [Question(row["clause"], row["summary"]) for row in rows[120:]]
    return Shape("clauses.jsonl", rows[:120], pool, texts=True)


SHAPES: dict[str, Callable[[random.Random], Shape]] = {
    "intents": intents,
    "two-labels": two_labels,
    "ranking": ranking,
    "replies": replies,
    "summaries": summaries,
}


def support_requests(seed: int) -> list[Question]:
    """The shop's requests with their intents, shuffled."""
    return [Question(row["request"], row["intent"]) for row in _support(random.Random(seed))]


def _support(dice: random.Random) -> list[Row]:
    lines = (SPECS / "support-chat/data/requests.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["intent"] and row["reply"]]
    return dice.sample(rows, len(rows))


def play(shape: Shape, folder: Path, seed: int) -> dict[str, Any]:
    """From the file to a second release, or to what stood in the way."""
    shutil.rmtree(folder, ignore_errors=True)
    desk = Desk(folder)
    desk.begin_with(_write(folder / shape.file, shape.rows))
    labels = sorted({str(one.label) for one in shape.pool})
    desk.types("run", SERVICE)
    desk.types("up")
    crowd = Crowd(
        desk.settings, SERVICE, labels, seed, rated=1.0, wrong=0.0, whole_answers=shape.texts
    )
    questions = Questions((), shape.pool, (), frozenset(labels))
    pool = itertools.cycle(shape.pool)
    try:
        turn.await_service(desk, crowd)
        done = turn.play(desk, crowd, questions, pool, "none", asked=len(shape.pool))
    finally:
        desk.types("down")
    return {"ok": done.live_changed, "outcome": done.outcome, "reason": done.reason,
            "corrections": done.corrections, "seconds": done.seconds}  # fmt: skip


def _write(path: Path, rows: Sequence[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        if path.suffix == ".csv":
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
    return path


@click.command()
@click.option("--shape", "chosen", multiple=True, type=click.Choice(list(SHAPES)))
@click.option("--seed", default=1, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".tidemill/shapes"))
def main(chosen: tuple[str, ...], seed: int, folder: Path) -> None:
    """Exit 0 where each shape ended in a second release."""
    ok = True
    for name in chosen or tuple(SHAPES):
        try:
            found = play(SHAPES[name](random.Random(seed)), folder.resolve() / name, seed)
        except TidemillError as error:
            found = {"ok": False, "outcome": "an error", "reason": str(error)}
        print(f"{name}: {json.dumps(found)}", flush=True)
        ok = ok and found["ok"]
    sys.exit(0 if ok else 2)


if __name__ == "__main__":
    main()
