"""How long `tidemill why` takes on a large ledger, in every direction, process start included."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from tidemill.adapters.ledger.assets import artefacts, materialisations, releases
from tidemill.adapters.ledger.event_tables import inference
from tidemill.adapters.ledger.lineage_tables import edges, write_rows
from tidemill.data import origins
from tidemill.data.origins import RowOrigin
from tidemill.data.pipeline import PreparedDataset, Quarantine
from tidemill.data.write import write
from tidemill.engine.lineage import Edge, materialisation_edges, release_edges
from tidemill.engine.release_record import ReleaseRecord
from tidemill.home import Home
from tidemill.settings import Settings

PROJECT = "support-chat"
ANSWERS = 1_000_000
RELEASES = 1_650
"""Each brings six artefacts, so that there are about ten thousand."""
ROWS, HELD = 20_000, 60
"""Rows of the newest dataset, whose files are there; of each older one the ledger knows these."""
LIMIT = 1.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MADE = ("dataset", "adapter", "merged", "int8", "engine", "report")
MODEL, PROMPT = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@dataclass(frozen=True)
class Large:
    """A large ledger, and ids in it to ask about."""

    environment: Mapping[str, str]
    release: str
    dataset: str
    row: str
    """A row that every dataset holds."""
    commit: str


def run() -> list[dict[str, object]]:
    """Wall-clock seconds of each direction: the first call, then the best of three."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        large = build(Path(folder))
        print(f"built in {time.perf_counter() - begun:.0f} s", flush=True)
        answer = f"{'0' * 20}{ANSWERS - 1:012x}"
        asked = {
            "back from an answer, Git asked for the first time": [answer],
            "back from an answer": [answer],
            "back from a release": [large.release],
            "back from an artefact": [large.dataset],
            "forward from a commit": ["--forward", f"commit:{large.commit}"],
            "forward from the base model": ["--forward", f"model:{PROJECT}/smollm2"],
            "forward from a row that every dataset holds": ["--forward", f"row:{large.row}"],
            "forward from a subject": ["--forward", "subject:u-1"],
            "forward from a feedback event": ["--forward", "event:e-1"],
            "forward from an answer that was corrected": ["--forward", f"answer:{'0' * 31}1"],
        }
        return [
            row(name, best(arguments, large.environment, 1 if "first" in name else 3))
            for name, arguments in asked.items()
        ]


def row(name: str, seconds: float) -> dict[str, object]:
    """One row of the table."""
    said = f"why, {name} (1M answers, 10k artefacts)"
    limit, ok = f"<= {LIMIT:g}", seconds <= LIMIT
    return {"name": said, "value": seconds, "unit": "s", "limit": limit, "ok": ok}


def best(arguments: Sequence[str], environment: Mapping[str, str], times: int) -> float:
    """Seconds of the quickest run."""
    found = []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(times):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tidemill", "why", *arguments]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - begun)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{' '.join(arguments)[:60]}: {worked / times:.2f} s of processor time", flush=True)
    return min(found)


def build(folder: Path) -> Large:
    """A repository, a store with the newest dataset, and a ledger full of what came before it."""
    specs, home_folder = folder / "specs", folder / "home"
    shutil.copytree(Path(__file__).parents[2] / "specs" / PROJECT, specs / PROJECT)
    commit = _committed(folder)
    environment = {
        **os.environ,
        "TIDEMILL_SPECS": str(specs),
        "TIDEMILL_HOME": str(home_folder),
        "TIDEMILL_LEDGER_URL": "",
    }
    home = Home(Settings.read(environment))
    newest = _newest_dataset(home, folder)
    with home.ledger.engine.begin() as connection:
        _fill(connection, commit, newest.digest)
        home_rows = origins.read(newest.path)
        for number in range(RELEASES - 1):
            write_rows(connection, _digest(number, "dataset"), _held(home_rows, number))
    home.record_artefacts([newest])
    home.ledger.engine.dispose()
    return Large(environment, _release(RELEASES - 1), newest.digest, home_rows[0]["id"], commit)


def _committed(folder: Path) -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.invalid"]
        done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", "specs")
    git("commit", "--quiet", "--message", "Describe the shop")
    return git("rev-parse", "HEAD")


def _newest_dataset(home: Home, folder: Path) -> Any:
    rows = [
        {
            "id": f"{number:016x}",
            "request": f"where is parcel {number} of order {number * 7}",
            "intent": "track_order",
            "source": "data/requests.jsonl",
            "subject": f"u-{number // 4}",
            "weight": 1.0,
            "__origin": f"data/requests.jsonl:{number + 1}",
            **_said(number),
        }
        for number in range(ROWS)
    ]
    splits = {"train": rows[:-2000], "validation": rows[-2000:-1000], "test": rows[-1000:]}
    write(
        folder / "dataset",
        PreparedDataset(splits, Quarantine(), []),
        {"sources": [], "offsets": {}, "labels": {}},
    )
    return home.store.put(folder / "dataset", kind="dataset")


def _said(number: int) -> dict[str, Any]:
    """Every tenth row was feedback on an answer."""
    if number % 10 != 1:
        return {}
    answer = f"{'0' * 20}{number:012x}"
    place = f"{PROJECT}.feedback/0/{number}"
    return {"__event": f"e-{number}", "__place": place, "__answer": answer}


def _held(rows: Sequence[RowOrigin], number: int) -> Sequence[RowOrigin]:
    """The rows of an older dataset: a few that all hold, and some of its own."""
    start = number * 10 % (ROWS - HELD)
    return [*rows[:8], *rows[max(8, start) : start + HELD]]


def _fill(connection: Connection, commit: str, newest: str) -> None:
    made = list(_generations(commit, newest))
    insert(connection, artefacts, (item for one in made for item in one["artefacts"]))
    insert(connection, materialisations, (item for one in made for item in one["makings"]))
    insert(connection, releases, (one["release"] for one in made))
    links = {
        edge
        for one in made
        for edge in [
            *(edge for item in one["makings"] for edge in _making_edges(item)),
            *release_edges(ReleaseRecord.from_dict(one["release"]["record"])),
        ]
    }
    insert(connection, edges, (edge._asdict() for edge in sorted(links)))
    for start in range(0, ANSWERS, 100_000):
        insert(connection, inference, map(_answer, range(start, start + 100_000)))


def _making_edges(item: Mapping[str, Any]) -> list[Edge]:
    digests = {name: item[name] for name in ("artefact", "steps", "inputs", "spec_digest")}
    return materialisation_edges(item["id"], item["name"], **digests, sha=item["commit"]["sha"])


def insert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows past SQLAlchemy, which would take minutes for a million."""
    given = list(rows)
    names = list(given[0])
    marks = ", ".join("?" * len(names))
    columns = ", ".join(f'"{name}"' for name in names)
    connection.exec_driver_sql(
        f'INSERT INTO "{table.name}" ({columns}) VALUES ({marks})',
        [tuple(map(_plain, one.values())) for one in given],
    )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return json.dumps(value) if isinstance(value, dict | list) else value


def _generations(commit: str, newest: str) -> Iterator[dict[str, Any]]:
    for number in range(RELEASES):
        at = BEGIN + timedelta(hours=number)
        digests = {kind: _digest(number, kind) for kind in MADE}
        if number == RELEASES - 1:
            digests["dataset"] = newest
        first = {"model": MODEL, "prompt": PROMPT} if number == 0 else {}
        yield {
            "artefacts": [_artefact(d, kind, at) for kind, d in (first | digests).items()],
            "makings": [_making(number * 10 + i, *one, at, commit) for i, one in _made(digests)],
            "release": _record(number, digests, at, commit),
        }


def _made(digests: Mapping[str, str]) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Place, kind, name, artefact, steps and inputs of each making of one generation."""
    d = digests
    yield 1, ("Model", "smollm2", MODEL, {}, {})
    yield 2, ("Prompt", "reply-prompt", PROMPT, {}, {})
    yield 3, ("Dataset", "requests", d["dataset"], {}, {})
    inputs = {"smollm2": MODEL, "requests": d["dataset"], "reply-prompt": PROMPT}
    yield 4, ("FineTune", "reply-lora", d["adapter"], {}, inputs)
    steps = {"merge": d["merged"], "quantise": d["int8"], "tensorrt-rtx": d["engine"]}
    yield 5, ("Compression", "reply-int8", d["int8"], steps, {"reply-lora": d["adapter"]})
    inputs = {"reply-int8": d["int8"], "requests": d["dataset"]}
    yield 6, ("Evaluation", "reply-quality", d["report"], {}, inputs)


def _making(
    key: int,
    kind: str,
    name: str,
    artefact: str,
    steps: Mapping[str, str],
    inputs: Mapping[str, str],
    at: datetime,
    commit: str,
) -> dict[str, Any]:
    return {
        "id": key,
        "project": PROJECT,
        "name": name,
        "kind": kind,
        "version": f"sha256:{key:064x}",
        "spec_digest": _digest(key // 1000, name),
        "artefact": artefact,
        "steps": steps,
        "inputs": inputs,
        "commit": _commit_facts(key // 100, commit),
        "tools": {f"package-{n}": "1.2.3" for n in range(13)},
        "measures": [{"metric": f"m{n}", "value": 0.5, "slice": None} for n in range(8)],
        "checks": [],
        "facts": {"rows": {"train": 200}},
        "started_at": at,
        "seconds": 12.5,
        "peak_bytes": 1,
        "run_id": "",
    }


def _record(number: int, digests: Mapping[str, str], at: datetime, commit: str) -> dict[str, Any]:
    kinds = {"smollm2": ("model", MODEL), "reply-prompt": ("prompt", PROMPT)}
    kinds |= {kind: (kind, digest) for kind, digest in digests.items()}
    names = ("smollm2", "reply-prompt", "requests", "reply-lora", "reply-int8", "reply-quality")
    measures = [
        {"metric": f"m{n}", "value": 0.5, "low": 0.4, "high": 0.6, "rows": 80, "slice": None}
        for n in range(8)
    ]
    record = {
        "digest": _release(number),
        "project": PROJECT,
        "service": PROJECT,
        "rollout": "rollout",
        "model": digests["int8"],
        "specs": {name: _digest(number // 100, name) for name in names},
        "artefacts": {
            name: {"digest": digest, "kind": kind, "bytes": 10**6, "meta": {}}
            for name, (kind, digest) in kinds.items()
        },
        "bases": [{"name": "smollm2", "digest": MODEL, "source": {}, "sha256": "c" * 64}],
        "dataset": {"name": "requests", "digest": digests["dataset"], "offsets": {}, "rows": {}},
        "evaluation": {
            "name": "reply-quality",
            "digest": digests["report"],
            "measures": measures,
            "checks": [],
        },
        "commit": _commit_facts(number * 10 // 100, commit),
        "seed": 1,
        "tools": {f"package-{n}": "1.2.3" for n in range(13)},
        "approved_by": [],
        "created": at.isoformat(),
    }
    values = {"digest": record["digest"], "project": PROJECT, "service": PROJECT}
    return {**values, "record": record, "created": at}


def _commit_facts(number: int, commit: str) -> dict[str, Any]:
    """The real commit for the newest generations, others that are not in the repository before."""
    sha = commit if number >= RELEASES * 10 // 100 - 1 else f"{number:040x}"
    return {"sha": sha, "author": "A <a@b.invalid>", "when": "", "subject": "s", "dirty": False}


def _artefact(digest: str, kind: str, at: datetime) -> dict[str, Any]:
    return {"digest": digest, "kind": kind, "bytes": 10**6, "meta": {}, "created": at}


def _answer(number: int) -> dict[str, Any]:
    key = f"{'0' * 20}{number:012x}"
    return {
        "event_id": key,
        "source": "/server",
        "topic": "tidemill.inference",
        "partition": 0,
        "offset": number,
        "time": BEGIN.timestamp() + number,
        "arrived": BEGIN.timestamp() + number,
        "response_id": key,
        "service": PROJECT,
        "release": _release(number * RELEASES // ANSWERS),
        "commit": "",
        "prompt": PROMPT,
        "subject": f"u-{number % 5000}",
        "input": json.dumps({"request": f"where is parcel {number % ROWS}, and why so late?"}),
        "output": "track_order | It left the warehouse and is on its way to you.",
        "label": "track_order",
        "tokens_in": 20,
        "tokens_out": 12,
        "latency": 0.2,
        "cached": False,
        "arm": "live",
    }


def _digest(number: int, kind: str) -> str:
    import hashlib

    return f"sha256:{hashlib.sha256(f'{kind}/{number}'.encode()).hexdigest()}"


def _release(number: int) -> str:
    return _digest(number, "release")


if __name__ == "__main__":
    for one in run():
        print(one)
