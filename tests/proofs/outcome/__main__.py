"""`python -m tests.proofs.outcome`: prints each turn as it ends, writes everything as JSON."""

from __future__ import annotations

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
from tests.proofs.outcome.questions import deal


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
    sys.exit(0 if all(result["ok"] for result in results) else 2)


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
    crowd, pool = Crowd(desk.settings, SERVICE, labels, seed), iter(questions.pool)
    try:
        turn.await_service(desk, crowd)
        result["first"] = turn.measure(crowd, questions)
        tell(seed, "first", result["first"])
        result["turns"] = []
        for lies in plan:
            done = turn.play(desk, crowd, questions, pool, lies)  # type: ignore[arg-type]
            result["turns"].append(done.to_dict())
            tell(seed, f"turn {len(result['turns'])} ({lies})", done.to_dict())
    finally:
        desk.types("down")
    if ceilings:
        result["all_labels"]["recipe"] = ceiling.recipe(folder / "ceiling", questions, crowd)
    result["seconds"] = round(time.monotonic() - started, 1)
    result |= verdict(result, plan)
    tell(seed, "verdict", {key: result[key] for key in ("gap_closed", "ok")})
    return result


def verdict(result: dict[str, Any], plan: list[str]) -> dict[str, Any]:
    """The share of the gap that the honest turns closed, and whether no lie was served."""
    honest = [one for one in result["turns"] if one["lies"] == "none"]
    lied = [one for one in result["turns"] if one["lies"] != "none"]
    first = result["first"]["accuracy"]
    last = honest[-1]["served"]["accuracy"] if honest else first
    harmed = [one for one in lied if one["served"]["accuracy"] < last - 0.01]
    best = max((found["accuracy"] for found in ceilings_of(result)), default=None)
    closed = round((last - first) / (best - first), 3) if best and best > first else None
    ok = not harmed and (closed is None or closed >= 0.9)
    return {"gap_closed": closed, "best_all_labels": best, "ok": ok}


def ceilings_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What all labels gave, by each recipe."""
    return [one for one in result.get("all_labels", {}).values() if isinstance(one, dict)]


def tell(seed: int, what: str, values: dict[str, Any]) -> None:
    """One line of progress."""
    print(f"seed {seed} · {what}: {json.dumps(values)}", flush=True)


if __name__ == "__main__":
    main()
