"""`python -m tests.proofs.outcome`: prints each turn as it ends, writes everything as JSON."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click

from tests.proofs.outcome import ceiling, turn
from tests.proofs.outcome.crowd import Crowd
from tests.proofs.outcome.project import SERVICE, Desk
from tests.proofs.outcome.questions import Questions, deal
from tests.proofs.outcome.truth import Truth

COVERED = 0.93
"""The share of all printed 95 % intervals, over all seeds, that has to cover the truth."""


@click.command()
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True
)
@click.option("--seeds", default=5, show_default=True)
@click.option("--first-seed", default=1, show_default=True)
@click.option("--turns", default=2, show_default=True, help="Honest turns.")
@click.option(
    "--lies",
    type=click.Choice(["none", "all", "together"]),
    default="none",
    help="What the turn after the honest ones is like; none: there is no such turn.",
)
@click.option("--ceilings/--no-ceilings", default=True, help="Train on all labels, too.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".tidemill/outcome"))
def main(
    data: Path, seeds: int, first_seed: int, turns: int, lies: str, ceilings: bool, folder: Path
) -> None:
    """Whole turns of the wheel on a data set; exit 0 where every seed closes its gap."""
    results = []
    for seed in range(first_seed, first_seed + seeds):
        plan = ["none"] * turns + ([lies] if lies != "none" else [])
        results.append(
            one_seed(data.resolve(), folder.resolve() / f"seed-{seed}", seed, plan, ceilings)
        )
        (folder / "outcome.json").write_text(json.dumps(results, indent=1))
    counts = [(r["verdict"]["covered"], r["verdict"]["intervals"]) for r in results]
    covered, printed = (sum(column) for column in zip(*counts, strict=True))
    print(f"{covered} of {printed} printed 95 % intervals cover the truth")
    sys.exit(0 if all(r["ok"] for r in results) and covered >= COVERED * printed else 2)


def one_seed(
    data: Path, folder: Path, seed: int, plan: list[str], ceilings: bool
) -> dict[str, Any]:
    """All turns of one seed."""
    shutil.rmtree(folder, ignore_errors=True)
    questions, started = deal(data, seed), time.monotonic()
    labels = sorted({str(one.label) for one in questions.pool if one.label is not None})
    desk = Desk(folder / "desk")
    desk.begin(questions.first)
    result: dict[str, Any] = {"seed": seed, "labels_at_first": len(questions.first)}
    if ceilings:
        everything = ceiling.everything(questions)
        result["all_labels"] = {"rows": len(everything)}
        result["all_labels"]["head"] = ceiling.head(desk, questions, everything)
        result["head_at_first"] = ceiling.head(desk, questions, questions.first)
    desk.types("run", SERVICE)
    desk.types("up")
    crowd, pool = Crowd(desk.settings, SERVICE, labels, seed), itertools.cycle(questions.pool)
    truth, seen = Truth(desk, questions), 0
    try:
        turn.await_service(desk, crowd)
        result["first"] = turn.measure(crowd, questions)
        tell(seed, "first", result["first"])
        result["first"]["candidates"], seen = truth.candidates(seen)
        result["turns"] = []
        for lies in plan:
            done = turn.play(desk, crowd, questions, pool, lies)  # type: ignore[arg-type]
            done.candidates, seen = truth.candidates(seen)
            result["turns"].append(done.to_dict())
            tell(seed, f"turn {len(result['turns'])} ({lies})", done.to_dict())
    finally:
        desk.types("down")
    if ceilings:
        result["all_labels"]["recipe"] = ceiling.recipe(folder / "ceiling", questions, crowd)
    result["seconds"] = round(time.monotonic() - started, 1)
    result["verdict"] = verdict(result, questions)
    result["ok"] = all(value for key, value in result["verdict"].items() if key.startswith("is_"))
    tell(seed, "verdict", {**result["verdict"], "ok": result["ok"]})
    return result


def verdict(result: dict[str, Any], questions: Questions) -> dict[str, Any]:
    """Whether the honest turns closed the gap with few labels, no lie was served, no good candidate
    was stopped or held, known labels stayed, and the printed intervals covered the truth."""
    honest = [one for one in result["turns"] if one["lies"] == "none"]
    lied = [one for one in result["turns"] if one["lies"] != "none"]
    first = result["first"]
    last = honest[-1]["served"] if honest else first
    best = max((found["accuracy"] for found in ceilings_of(result)), default=None)
    gap = best - first["accuracy"] if best else 0
    closed = round((last["accuracy"] - first["accuracy"]) / gap, 3) if gap > 0 else None
    candidates = [c for one in (first, *result["turns"]) for c in one["candidates"]]
    stuck = [
        f"{one['outcome']}: {one['reason']}"
        for one in honest
        if one["outcome"] in ("asks a person", "held")
        or (one["outcome"] == "stopped before the canary" and not one["candidates"])
    ]
    printed = [interval["covers"] for one in candidates for interval in one["printed"]]
    labels = len(questions.first) + max((c["labels_from_people"] for c in candidates), default=0)
    every_label = len(ceiling.everything(questions))
    return {
        "gap_closed": closed,
        "best_all_labels": best,
        "labels_share": round(labels / every_label, 3),
        "known_change": round(last["known"] - first["known"], 4),
        "intervals": len(printed),
        "covered": sum(printed),
        "judged_wrongly": [c["reason"] for c in candidates if c["judged_right"] is False],
        "stuck": stuck,
        "is_turning": not stuck,
        "is_closed": closed is None or closed >= 0.9,
        "is_frugal": labels <= every_label / 2,
        "is_remembered": last["known"] >= first["known"] - 0.01,
        "is_judged_right": all(c["judged_right"] is not False for c in candidates),
        "is_unharmed": all(one["served"]["accuracy"] >= last["accuracy"] - 0.01 for one in lied),
    }


def ceilings_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What all labels gave, by each recipe."""
    return [one for one in result.get("all_labels", {}).values() if isinstance(one, dict)]


def tell(seed: int, what: str, values: dict[str, Any]) -> None:
    """One line of progress."""
    print(f"seed {seed} · {what}: {json.dumps(values)}", flush=True)


if __name__ == "__main__":
    main()
