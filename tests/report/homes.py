"""A real home with a small project, and releases put into it without training anything."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.records import release_record
from tests.report.stories import GATE, MEASURES, answered, failure

from tidemill.engine.release_record import ReleaseRecord
from tidemill.form import ModelForm
from tidemill.home import Home
from tidemill.pipeline.answer_file import write_answers
from tidemill.records import RolloutUpdate
from tidemill.settings import Settings
from tidemill.spec.digest import spec_digest

ROWS = "text,label\n" + "".join(f"please help with matter {n},{'ab'[n % 2]}\n" for n in range(40))
FILES = {
    "rows.csv": ROWS,
    "rows.yaml": """apiVersion: tidemill/v1
kind: Dataset
name: rows
description: What people ask.
labels: {licence: CC0-1.0, language: en}
format: classification
sources: [{type: file, path: rows.csv}]
""",
    "encoder.yaml": """apiVersion: tidemill/v1
kind: Model
name: encoder
source: {type: path, path: weights.safetensors}
task: sequence-classification
licence: Apache-2.0
""",
    "weights.safetensors": "",
    "quality.yaml": """apiVersion: tidemill/v1
kind: Evaluation
name: quality
of: tune
dataset: rows
metrics: [accuracy]
""",
    "tune.yaml": """apiVersion: tidemill/v1
kind: FineTune
name: tune
base: encoder
dataset: rows
method: full
train: {epochs: 2}
""",
    "rollout.yaml": """apiVersion: tidemill/v1
kind: Rollout
name: canary
of: tune
judged_by: quality
service: desk
steps: [{percent: 100}]
""",
}


def fresh(tmp_path: Path) -> Home:
    """The project in a folder of its own, nothing made yet."""
    folder = tmp_path / "repository" / "specs" / "shop"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    environment = {"TIDEMILL_HOME": str(tmp_path / "home")}
    return Home(Settings.read(environment, specs=tmp_path / "repository" / "specs"))


def put(home: Home, kind: str, files: Mapping[str, str]) -> str:
    folder = home.settings.home / f"making-{kind}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return home.store.put(folder, kind=kind).digest


def put_report(home: Home) -> str:
    folder = home.settings.home / "making-answers"
    folder.mkdir(parents=True)
    write_answers(folder, [answered(1, "a", "b"), answered(2, "a", "a")])
    files = {
        "report.json": json.dumps({"rows": 2, "confidence": 0.9, "gains": None}),
        "failures.json": json.dumps({"failures": [failure()], "clusters": []}),
        "answers.jsonl": (folder / "answers.jsonl").read_text(),
    }
    return put(home, "report", files)


def put_model(home: Home, note: str) -> str:
    folder = home.settings.home / f"form-{note}"
    folder.mkdir(parents=True)
    ModelForm("safetensors", "sequence-classification", labels=("a", "b")).write(folder)
    return put(home, "model", {"form.json": (folder / "form.json").read_text(), "note": note})


def release(home: Home, note: str = "first", commit: str = "") -> ReleaseRecord:
    """A release of the project as it stands, its dataset really made, the model a stand-in."""
    rows = home.builder("shop").materialise("rows").artefact
    model, project = put_model(home, note), home.project("shop")
    record = release_record(
        digest=f"sha256:{note.encode().hex():0<64}",
        project="shop",
        service="desk",
        rollout="canary",
        specs={name: spec_digest(loaded, project) for name, loaded in project.specs.items()},
        model=model,
        prompt=None,
        artefacts={
            name: {"digest": value, "kind": kind, "bytes": 10, "meta": {}}
            for name, value, kind in (("rows", rows.digest, "dataset"), ("tune", model, "model"))
        },
        bases=[],
        dataset={"name": "rows", "digest": rows.digest, "offsets": {}, "rows": {}},
        seed=0,
        commit={"sha": commit} if commit else {},
        evaluation={
            "name": "quality",
            "digest": put_report(home),
            "measures": MEASURES,
            "checks": [GATE],
        },
        tools={},
        approved_by=[],
        created=home.clock.now().isoformat(),
    )
    home.ledger.materialisations.add_release(record)
    shutil.rmtree(home.settings.home / "making-answers")
    return record


def go_live(home: Home, record: ReleaseRecord) -> None:
    key = home.ledger.rollouts.request("desk", record.digest, "folder", {})
    done = RolloutUpdate("done", "every step went well", state="live", percent=100.0)
    home.ledger.rollouts.record_decision(key, done, home.clock.now())


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    command = ["git", *who, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def committed(home: Home, message: str) -> str:
    root = home.settings.specs.parent
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)
    return git(root, "rev-parse", "HEAD")


def change_spec(home: Home) -> None:
    path = home.settings.specs / "shop" / "tune.yaml"
    path.write_text(path.read_text().replace("epochs: 2", "epochs: 9"))
