"""Finding and gathering: what a name means, and what a real home knows of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import webbrowser
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard
from tests.report.stories import GATE, MEASURES, answered, failure

from tidemill.adapters.home import Home
from tidemill.adapters.ledger.rollouts import Change
from tidemill.build import answers as answering
from tidemill.cli import commands
from tidemill.cli._shell import run
from tidemill.errors import MissingArtefact, SpecError, TidemillError, UnknownName
from tidemill.form import Form
from tidemill.ports import Making
from tidemill.report import gather
from tidemill.report.find import find
from tidemill.report.story import ANSWERS, DATASET, FAILURES, MODEL, REPORT
from tidemill.settings import Settings
from tidemill.spec.digest import digest

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


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = tmp_path / "repository" / "specs" / "shop"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return Home(settings(tmp_path))


def settings(tmp_path: Path) -> Settings:
    environment = {"TIDEMILL_HOME": str(tmp_path / "home")}
    return Settings.read(environment, specs=tmp_path / "repository" / "specs")


def put(home: Home, kind: str, files: Mapping[str, str]) -> str:
    folder = home.settings.home / f"making-{kind}"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return home.store.put(folder, kind=kind).digest


def put_report(home: Home) -> str:
    folder = home.settings.home / "making-answers"
    folder.mkdir(parents=True)
    answering.write(folder, [answered(1, "a", "b"), answered(2, "a", "a")])
    files = {
        "report.json": json.dumps({"rows": 2, "confidence": 0.9, "gains": None}),
        "failures.json": json.dumps({"failures": [failure()], "clusters": []}),
        "answers.jsonl": (folder / "answers.jsonl").read_text(),
    }
    return put(home, "report", files)


def put_model(home: Home, note: str) -> str:
    folder = home.settings.home / f"form-{note}"
    folder.mkdir(parents=True)
    Form("safetensors", "sequence-classification", labels=("a", "b")).write(folder)
    return put(home, "model", {"form.json": (folder / "form.json").read_text(), "note": note})


def release(home: Home, note: str = "first", commit: str = "") -> dict[str, Any]:
    """A release of the project as it stands, its dataset really made, the model a stand-in."""
    rows = home.line("shop").make("rows").artefact
    model, project = put_model(home, note), home.project("shop")
    record = {
        "digest": f"sha256:{note.encode().hex():0<64}",
        "project": "shop",
        "service": "desk",
        "rollout": "canary",
        "specs": {name: digest(loaded, project) for name, loaded in project.specs.items()},
        "model": model,
        "prompt": None,
        "artefacts": {
            name: {"digest": value, "kind": kind, "bytes": 10, "meta": {}}
            for name, value, kind in (("rows", rows.digest, "dataset"), ("tune", model, "model"))
        },
        "bases": [],
        "dataset": {"name": "rows", "digest": rows.digest, "offsets": {}, "rows": {}},
        "seed": 0,
        "commit": {"sha": commit} if commit else {},
        "evaluation": {
            "name": "quality", "digest": put_report(home), "measures": MEASURES, "checks": [GATE],
        },
        "tools": {},
        "approved_by": [],
        "created": home.clock.now().isoformat(),
    }  # fmt: skip
    home.ledger.assets.add_release(record)
    shutil.rmtree(home.settings.home / "making-answers")
    return record


def go_live(home: Home, record: Mapping[str, Any]) -> None:
    key = home.ledger.rollouts.request("desk", record["digest"], "folder", {})
    done = Change("done", "every step went well", state="live", percent=100.0)
    home.ledger.rollouts.decided(key, done, home.clock.now())


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


def test_a_service_means_its_live_release_else_its_newest(home: Home) -> None:
    first, second = release(home, "first"), release(home, "second")

    assert find(home, "desk").release == second
    go_live(home, first)
    assert find(home, "desk").release == first
    assert find(home, "shop/canary").release == first


def test_a_release_goes_by_a_beginning_of_its_digest(home: Home) -> None:
    first = release(home)

    assert find(home, first["digest"]).release == first
    assert find(home, first["digest"][7:19]).release == first


def test_a_dataset_goes_by_its_name_with_or_without_its_project(home: Home) -> None:
    assert find(home, "shop/rows").dataset == find(home, "rows").dataset == ("shop", "rows")


def test_a_service_without_a_release_says_how_to_make_one(home: Home) -> None:
    with pytest.raises(TidemillError, match="'desk' has no release yet; `tidemill run` makes one"):
        find(home, "desk")


def test_an_unknown_name_gets_the_nearest(home: Home) -> None:
    with pytest.raises(UnknownName, match="did you mean 'desk'"):
        find(home, "deks")
    with pytest.raises(UnknownName, match="did you mean 'shop/rows'"):
        find(home, "shop/row")


def test_a_report_is_of_a_release_and_of_no_dataset(home: Home) -> None:
    with pytest.raises(UnknownName, match="no release or service is called 'rows'"):
        find(home, "rows", datasets=False)


def test_a_release_can_be_found_while_the_specs_are_broken(home: Home) -> None:
    record = release(home)
    (home.settings.specs / "shop" / "broken.yaml").write_text("kind: [")

    broken = Home(home.settings)
    assert find(broken, "desk").release == record
    with pytest.raises(SpecError, match=r"broken\.yaml"):
        find(broken, "rows")


def test_a_name_that_several_projects_have_is_asked_about(home: Home) -> None:
    shutil.copytree(home.settings.specs / "shop", home.settings.specs / "other")
    other = home.settings.specs / "other" / "rollout.yaml"
    other.write_text(FILES["rollout.yaml"].replace("desk", "counter"))

    with pytest.raises(UnknownName, match="no single spec is called 'rows'"):
        find(Home(home.settings), "rows")


def test_everything_that_is_there_is_gathered(home: Home) -> None:
    record = release(home)
    go_live(home, record)
    story = gather.release(home, record)

    assert story.missing == {}
    assert set(story.specs) == {"rows", "tune", "canary", "encoder", "quality"}
    assert story.report["confidence"] == 0.9
    assert [one.id for one in story.answers] == ["r1", "r2"]
    assert story.faults["failures"][0]["wanted"] == "refund"
    assert story.data.rows == {"train": 34, "validation": 5, "test": 1}
    assert story.form is not None
    assert story.form.labels == ("a", "b")
    assert story.rollout is not None
    assert story.rollout["state"] == "live"
    assert story.steps[0]["decision"] == "done"


def test_the_record_is_that_of_the_run_that_made_the_bytes(home: Home) -> None:
    record = release(home)
    first = home.ledger.assets.latest("shop", "rows")
    assert first is not None
    home.ledger.assets.record(Making(**{**asdict(first), "id": 0, "seconds": 0.0}))

    assert gather.release(home, record).makings["rows"].id == first.id


def test_specs_that_changed_since_are_read_from_their_commit(home: Home) -> None:
    record = release(home, commit=committed(home, "as released"))
    change_spec(home)
    committed(home, "changed since")

    story = gather.release(Home(home.settings), record)
    assert story.specs["tune"]["train"]["epochs"] == 2
    assert git(home.settings.specs, "worktree", "list").count("\n") == 0  # nothing is left behind


def test_a_commit_that_is_not_here_leaves_only_the_changed_specs_unknown(home: Home) -> None:
    record = release(home, commit="0" * 40)
    committed(home, "another history")
    change_spec(home)

    known = set(gather.release(Home(home.settings), record).specs)
    assert known == {"rows", "canary", "encoder", "quality"}


def test_a_spec_whose_file_is_gone_is_read_from_its_commit(home: Home) -> None:
    record = release(home, commit=committed(home, "as released"))
    (home.settings.specs / "shop" / "rows.csv").unlink()

    told = gather.release(Home(home.settings), record)
    assert told.specs["rows"]["description"] == "What people ask."
    without = gather.release(Home(home.settings), {**record, "commit": {}})
    assert "rows" not in without.specs


def test_specs_that_are_gone_altogether_leave_the_record(home: Home) -> None:
    record = release(home)
    shutil.rmtree(home.settings.specs)

    story = gather.release(Home(home.settings), record)
    assert story.specs == {}
    assert story.data.rows["train"] == 34


def test_bytes_that_are_missing_are_named_and_the_rest_is_gathered(home: Home) -> None:
    record = release(home)
    home.store.drop(record["evaluation"]["digest"])
    home.store.drop(record["dataset"]["digest"])

    story = gather.release(home, record)
    assert set(story.missing) == {REPORT, FAILURES, ANSWERS}
    assert "are not in this home; `dvc pull`" in story.missing[ANSWERS]
    assert DATASET in story.data.missing
    assert story.data.rows == {"train": 34, "validation": 5, "test": 1}  # the ledger knows
    assert story.form is not None


def test_bytes_that_were_tampered_with_are_not_shown(home: Home) -> None:
    record = release(home)
    path = home.store.get(record["evaluation"]["digest"]).path / "report.json"
    path.chmod(0o644)
    path.write_text('{"rows": 999}')

    story = gather.release(home, record)
    assert story.report == {}
    assert "do not match their digest" in story.missing[REPORT]


def test_a_report_that_cannot_be_read_is_no_crash(home: Home) -> None:
    record = release(home)
    files = {"report.json": "[", "failures.json": "{", "answers.jsonl": "{}\n"}
    record["evaluation"]["digest"] = put(home, "broken", files)
    record["model"] = put(home, "formless", {"weights": "none"})

    assert set(gather.release(home, record).missing) == {REPORT, FAILURES, ANSWERS, MODEL}


def test_a_dataset_is_told_without_any_release(home: Home) -> None:
    with pytest.raises(MissingArtefact, match="run `tidemill run shop/rows`"):
        gather.dataset(home, "shop", "rows")
    home.line("shop").make("rows")

    data = gather.dataset(home, "shop", "rows")
    assert data.rows["train"] == 34
    assert data.spec["description"] == "What people ask."


def call(home: Home, *arguments: str) -> Any:
    environment = {"TIDEMILL_HOME": str(home.settings.home)}
    told = [*arguments, "--specs", str(home.settings.specs)]
    return CliRunner().invoke(commands, told, env=environment)


def test_the_card_is_printed_or_written_with_that_of_its_dataset(
    home: Home, tmp_path: Path
) -> None:
    release(home)

    printed = call(home, "card", "desk").output
    assert ModelCard(printed).data.license == "cc0-1.0"
    assert call(home, "card", "desk", "--out", str(tmp_path / "cards")).exit_code == 0
    assert (tmp_path / "cards" / "README.md").read_text() == printed
    assert "pretty_name" in (tmp_path / "cards" / "dataset" / "README.md").read_text()


def test_the_card_of_a_dataset_is_its_own(home: Home) -> None:
    home.line("shop").make("rows")
    said = json.loads(call(home, "card", "rows", "--json").output)

    assert said["metadata"]["size_categories"] == ["n<1K"]
    assert said["card"].startswith("---\npretty_name: 'shop: rows'")
    assert said["paths"] == []


def test_the_report_is_one_file_and_says_where(home: Home, tmp_path: Path) -> None:
    record = release(home)
    said = json.loads(call(home, "report", "desk", "--json").output)
    path = Path(said["path"])

    assert path.parent == home.settings.home / "reports"
    assert path.stat().st_size == said["bytes"] < 1_500_000
    assert said["release"] == record["digest"]
    assert said["verdict"].startswith("Passed its gate with accuracy 0.80")
    assert "<!doctype html>" in path.read_text()
    assert call(home, "report", "desk", "--out", str(tmp_path / "r.html")).exit_code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("browser", "words"), [(True, ""), (False, "no browser")])
def test_the_report_can_be_opened_at_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: bool, words: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or browser)
    release(home)

    said = call(home, "report", "desk", "--out", str(tmp_path / "r.html"), "--open")
    assert opened == [(tmp_path / "r.html").as_uri()]
    assert words in said.stderr


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release(home)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TIDEMILL_HOME", str(home.settings.home))
    told = ["report", "desk", "--specs", str(home.settings.specs)]

    assert run(commands, [*told, "--out", str(tmp_path / "file" / "report.html")]) == 1
    assert "report.html" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "no folder"


@pytest.mark.parametrize("verb", ["card", "report"])
def test_a_verb_ends_with_one_message_where_there_is_no_release(
    home: Home, verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(home.settings.home))
    specs = ["--specs", str(home.settings.specs)]

    assert run(commands, [verb, "desk", *specs]) == 1
    assert capsys.readouterr().err == "'desk' has no release yet; `tidemill run` makes one\n"
    assert not (home.settings.home / "reports").exists()
