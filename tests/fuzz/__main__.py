"""`python -m tests.fuzz --minutes 10`: mutated projects through the loader until the time is up.

Ends with 1 at the first exception that is no SpecError; the files that did it are kept, shrunk, in
tests/fuzz/corpus, where the normal suite runs them from then on.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
import traceback
from collections import Counter

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.mutate import changed
from tests.fuzz.projects import CORPUS, Ground, ground

ROUND = 400
"""Projects of one seed; after it the time is looked at."""


def main() -> int:
    """Run until the minutes of CPU time are used; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="CPU minutes (default 1)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    number = options.seed
    with ground() as place:
        while time.process_time() < options.minutes * 60:
            if not _round(place, number, counts):
                return 1
            number += 1
    good, refused = counts["good"], counts.total() - counts["good"]
    print(f"{counts.total()} projects, {good} good, {refused} refused, 0 uncaught exceptions")
    print(f"{time.process_time() / 60:.1f} CPU minutes, seeds {options.seed} to {number - 1}")
    return 0


def _round(place: Ground, number: int, counts: Counter[str]) -> bool:
    last: list[tuple[str, dict[str, bytes]]] = []

    @seed(number)
    @settings(
        max_examples=ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(changed())
    def one(case: tuple[str, dict[str, bytes]]) -> None:
        last[:] = [case]
        told = place.attempt(*case)
        counts["good" if told == "good" else "refused"] += 1

    try:
        one()
    except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
        traceback.print_exc()
        _keep(*last[0])
        return False
    return True


def _keep(project: str, files: dict[str, bytes]) -> None:
    for file, content in files.items():
        name = hashlib.sha256(content).hexdigest()[:8]
        path = CORPUS / f"{project}--{file.replace('/', '+')}--{name}"
        path.write_bytes(content)
        print(f"kept {path}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
