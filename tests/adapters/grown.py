"""A home that has lived: two releases of one service, and feedback on the first in the second."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.adapters.streams import answer, contract, correct, take
from tests.records import release_record

from tidemill.adapters.memory.bus import MemoryBus
from tidemill.engine.release_record import SpecCommit
from tidemill.events import hash_subject
from tidemill.home import Home
from tidemill.ports import Materialisation
from tidemill.records import RolloutUpdate
from tidemill.settings import Settings
from tidemill.spec.load import read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = "a key of the tests"
SUBJECT = "ann"
SPECS = {
    "rows.yaml": """apiVersion: tidemill/v1
kind: Dataset
name: rows
owner: ann
format: classification
sources:
  - {type: file, path: rows.jsonl}
  - {type: feedback, of: said, kinds: [correction]}
consensus: {new_label: 1}
split: {by: random, ratios: {train: 0.8, validation: 0.1, test: 0.1}, seed: 1}
""",
    "said.yaml": """apiVersion: tidemill/v1
kind: Feedback
name: said
topic: chat.feedback
service: chat
kinds: [thumbs, correction]
max_weight_per_subject: 1
""",
    "rows.jsonl": "".join(
        json.dumps({"text": f"where is parcel {n} now", "label": "ab"[n % 2]}) + "\n"
        for n in range(40)
    ),
}


@dataclass(frozen=True)
class Grown:
    """Where it is, and what is in it."""

    root: Path
    commit: str
    releases: tuple[str, str]
    """The first was trained on the file alone; the second on the correction of its answer too."""
    datasets: tuple[str, str]
    adapters: tuple[str, str]
    model: str

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to find it."""
        return {
            "TIDEMILL_SPECS": str(self.root / "specs"),
            "TIDEMILL_HOME": str(self.root / "home"),
            "TIDEMILL_SUBJECT_KEY": KEY,
        }

    @property
    def home(self) -> Home:
        """A fresh look at it."""
        return Home(Settings.read(self.environment))


def git(folder: Path, *arguments: str, author: str = "Ann", date: str = "") -> str:
    """Run Git as somebody."""
    who = ["-c", f"user.name={author}", "-c", f"user.email={author.lower()}@example.invalid"]
    command = ["git", "-C", str(folder), *who, *arguments]
    quiet = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    quiet |= {"GIT_AUTHOR_DATE": date} if date else {}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    return done.stdout.strip()


def grow(root: Path) -> Grown:
    """Live through it: a dataset, a release, an answer, its correction, and all of it again."""
    project = root / "specs" / "shop"
    project.mkdir(parents=True)
    for name, text in SPECS.items():
        (project / name).write_text(text)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "specs")
    git(root, "commit", "--quiet", "--message", "Describe the shop", date="2026-01-01T00:00:00Z")
    (project / "rows.yaml").write_text(SPECS["rows.yaml"].replace("seed: 1", "seed: 2"))
    again = ["commit", "--quiet", "--all", "--message", "Deal the rows anew"]
    git(root, *again, author="Ben", date="2026-02-01T00:00:00Z")
    commit = git(root, "rev-parse", "HEAD")
    settings = {"TIDEMILL_SPECS": str(root / "specs"), "TIDEMILL_HOME": str(root / "home")}
    home = Home(Settings.read(settings))
    # Read on its own: the checks across files want a whole line behind a service.
    home.__dict__["workspace"] = read(root / "specs").workspace
    bus = MemoryBus()
    model = _put(home, "model", "weights of the base")
    made = []
    for number in (1, 2):
        # As a trigger would, the second time asks for the feedback up to now.
        until = home.ledger.feedback.frozen_offsets("chat.feedback")
        dataset = home.builder("shop").materialise("rows", offsets=until).artefact.digest
        made.append(_release(home, number, model, dataset, commit))
        release = made[-1][0]
        who = hash_subject(SUBJECT, KEY.encode())
        asked = {"text": f"where is parcel {number} today"}
        said = answer(number, release=release, subject=who, input=asked)
        corrected = correct(number, subject=who, output="lost")
        take(home.ledger.events, bus, [said, corrected], said=contract())
    home.ledger.engine.dispose()
    first, second = made
    return Grown(root, commit, *zip(first, second, strict=True), model)  # type: ignore[arg-type]


def _release(
    home: Home, number: int, model: str, dataset: str, commit: str
) -> tuple[str, str, str]:
    adapter = _put(home, "adapter", f"weights {number}")
    report = _put(home, "report", f"report {number}")
    facts = {"sha": commit, "author": "Ben <ben@example.invalid>", "when": NOW.isoformat()}
    facts |= {"subject": "Deal the rows anew", "dirty": False}
    for kind, name, artefact, inputs in (
        ("Model", "base", model, {}),
        ("FineTune", "tuned", adapter, {"base": model, "rows": dataset}),
        ("Evaluation", "judged", report, {"tuned": adapter, "rows": dataset}),
    ):
        home.ledger.materialisations.add(_making(kind, name, artefact, inputs, facts))
    kinds = {"base": ("model", model), "rows": ("dataset", dataset)}
    kinds |= {"tuned": ("adapter", adapter), "judged": ("report", report)}
    spec = home.builder("shop").spec_digest("rows")
    record = release_record(
        digest=f"sha256:{number}{'e' * 63}",
        project="shop",
        service="chat",
        specs={"rows": spec, "tuned": f"sha256:{'5' * 64}"},
        artefacts={
            name: {"digest": digest, "kind": kind, "bytes": 10, "meta": {}}
            for name, (kind, digest) in kinds.items()
        },
        bases=[{"name": "base", "digest": model, "source": {}, "sha256": "c" * 64}],
        dataset={"name": "rows", "digest": dataset, "offsets": {}, "rows": {"train": 30}},
        evaluation={"name": "judged", "digest": report, "measures": (), "checks": ()},
        commit=facts,
        seed=1,
        tools={"tidemill": "0"},
        approved_by=["Cleo"] if number == 2 else [],
        created=NOW.isoformat(),
    )
    home.ledger.materialisations.add_release(record)
    key = home.ledger.rollouts.request("chat", record.digest, "folder", {}, NOW)
    change = RolloutUpdate("done", "every step went well", "live", 100.0)
    home.ledger.rollouts.record_decision(key, change, NOW)
    return record.digest, dataset, adapter


def _making(kind: str, name: str, artefact: str, inputs: Any, commit: Any) -> Materialisation:
    empty: dict[str, Any] = {"steps": {}, "measures": (), "checks": (), "facts": {}}
    spec = f"sha256:{'5' * 64}"
    return Materialisation(
        project="shop",
        name=name,
        kind=kind,
        version=artefact,
        spec_digest=spec,
        artefact=artefact,
        inputs=inputs,
        commit=SpecCommit.from_dict(commit),
        tools={"tidemill": "0"},
        started_at=NOW,
        seconds=1.0,
        **empty,
    )


def _put(home: Home, kind: str, text: str) -> str:
    folder = home.settings.home / "arriving"
    folder.mkdir(parents=True)
    (folder / "file.txt").write_text(text)
    made = home.store.put(folder, kind=kind)
    home.record_artefacts([made])
    return made.digest
