"""`tidemill eval` on a branch: both versions on the same rows, and nothing is asked twice."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.repositories import Repo
from tests.planning.fake_builds import build_all
from tests.search.planted import LABELS, ROWS, Planted
from tests.spec.conftest import COMPLETE, write_project

from tidemill.adapters import forge
from tidemill.adapters.forge import MemoryForge
from tidemill.cli import commands
from tidemill.errors import PromptTooLong
from tidemill.home import Home
from tidemill.runtimes import Messages, Reply
from tidemill.settings import Settings
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]
GATE = "gates: [{type: at_least, metric: accuracy, value: 0.3}]\n"
SYSTEM = "system: Choose one of refund, track, cancel, other.\n"
FILES = {
    "ask.yaml": """\
apiVersion: tidemill/v1
kind: Prompt
name: ask
template: ask.j2
inputs: [text]
output: {type: label}
"""
    + SYSTEM,
    "ask.j2": "{{ text }}\n",
    "rows.yaml": """\
apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.jsonl}]
split: {ratios: {train: 0.5, validation: 0.25, test: 0.25}}
""",
    "tiny.yaml": """\
apiVersion: tidemill/v1
kind: Model
name: tiny
source: {type: path, path: weights}
licence: Apache-2.0
""",
    "quality.yaml": """\
apiVersion: tidemill/v1
kind: Evaluation
name: quality
of: tiny
dataset: rows
prompt: ask
metrics: [accuracy, macro_f1, latency_p95]
"""
    + GATE,
    "rows.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
}


class Model(Planted):
    """Right on more rows where the system message lists the labels; `loaded` counts its starts."""

    def __init__(self, base: float = 0.2, told: float = 0.7, suffix: str = "") -> None:
        super().__init__(base, told=told)
        self.suffix, self.loaded, self.pause = suffix, 0, 0.0

    def answer(
        self, conversations: Sequence[Messages], *, max_tokens: int, stop: Sequence[str] = ()
    ) -> list[Reply]:
        if max_tokens == 2:  # the warm-up
            return [Reply("", 1, 1, 0.0, "stop") for _ in conversations]
        time.sleep(self.pause)
        replies = super().answer(conversations, max_tokens=max_tokens, stop=stop)
        return [
            Reply(r.text if r.text in LABELS[:2] else r.text + self.suffix, 4, 1, 0.1, "stop")
            for r in replies
        ]


class Shop:
    """A repository on branch `edit`, of whose `main` everything is built."""

    def __init__(self, folder: Path, weights: Path | None = None) -> None:
        self.repo = Repo.new(folder / "repo")
        for name, text in FILES.items():
            self.repo.write(f"specs/shop/{name}", text)
        self._write_weights(weights)
        self.repo.commit("base")
        self.repo.git("checkout", "--quiet", "-b", "edit")

    def build(self, *names: str) -> None:
        home = Home(Settings.read(specs=self.repo.folder / "specs"))
        for name in names or ("rows", "tiny", "ask", "quality"):
            home.builder("shop").materialise(name)

    def edit(self, name: str, old: str, new: str) -> None:
        self.repo.edit(f"specs/shop/{name}", old, new)

    def run(self, *arguments: str, verb: str = "eval") -> int:
        return run(commands, [verb, *arguments, "--specs", str(self.repo.folder / "specs")])

    def report(self, capsys: Captured, *arguments: str) -> tuple[int, Any]:
        code = self.run("--json", *arguments)
        return code, json.loads(capsys.readouterr().out)

    def _write_weights(self, weights: Path | None) -> None:
        folder = self.repo.folder / "specs/shop/weights"
        folder.mkdir()
        if weights is None:
            (folder / "config.json").write_text('{"model_type": "planted"}')
            (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
        else:
            for path in weights.iterdir():
                (folder / path.name).write_bytes(path.read_bytes())


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    for name in ("SPECS", "LEDGER_URL", "REMOTE", "PRICE_PER_HOUR"):
        monkeypatch.delenv(f"TIDEMILL_{name}", raising=False)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    model = Model()

    def open_runtime(folder: Path, *, resolve: object) -> Model:
        model.loaded += 1
        return model

    monkeypatch.setattr("tidemill.runtimes.open_runtime", open_runtime)
    return model


@pytest.fixture
def shop(tmp_path: Path, model: Model) -> Shop:
    shop = Shop(tmp_path)
    shop.build()
    model.asked.clear()
    model.loaded = 0
    return shop


def test_a_worse_prompt_is_shown_with_its_interval_gates_and_flipped_rows(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    shop.edit("ask.yaml", SYSTEM, "")
    code = shop.run()
    text = capsys.readouterr().out

    assert code == 2
    assert "shop/quality  'ask': system" in text
    assert "all 36 test rows; 36 new answers" in text
    assert len(model.asked) == 36  # the former answers stand in the report of the last build
    assert "  accuracy  " in text
    assert "passes → fails  accuracy" in text
    assert "0 better by accuracy" in text
    assert "    worse: request number " in text
    assert text.rstrip().splitlines()[-1].startswith("1 evaluation compared, 1 for the worse (")


def test_flips_come_with_question_both_answers_and_the_right_one(
    shop: Shop, capsys: Captured
) -> None:
    shop.edit("ask.yaml", SYSTEM, "")
    code, report = shop.report(capsys)
    (change,) = report["compared"]
    flips, metrics = change["comparison"]["flips"], change["comparison"]["metrics"]

    first, accuracy = flips["worse"][0], metrics[0]
    assert code == 2
    assert first["reference"] == first["before"] != first["after"]
    assert first["reference"] in first["question"]
    assert (len(flips["worse"]), flips["better_count"]) == (10, 0)
    lost = accuracy["before"]["value"] - accuracy["after"]["value"]
    assert lost == pytest.approx(flips["worse_count"] / 36)
    assert accuracy["gain"]["high"] < 0
    assert change["comparison"]["is_worse"]


def test_a_better_prompt_exits_with_0_and_the_second_time_asks_nothing(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    shop.edit("ask.yaml", "system: Choose", "system: Please choose")
    first = shop.report(capsys)
    asked, started = len(model.asked), model.loaded
    second = shop.report(capsys)

    assert (first[0], second[0]) == (0, 0)
    assert (asked, started) == (36, 1)
    assert (len(model.asked), model.loaded) == (asked, started)
    assert [r["compared"][0]["new_answers"] for _, r in (first, second)] == [36, 0]
    assert first[1]["compared"][0]["comparison"] == second[1]["compared"][0]["comparison"]


def test_a_changed_gate_judges_the_answers_again_and_asks_no_model(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    shop.edit("quality.yaml", "value: 0.3", "value: 0.95")
    code = shop.run()
    text = capsys.readouterr().out

    assert code == 2
    assert model.loaded == 0
    assert "'quality': gates[0].value" in text
    assert "all 36 test rows; no model was asked: every answer was there" in text
    assert "passes → fails  accuracy" in text
    assert "no answer differs by accuracy" in text


def test_a_sample_says_how_many_rows_are_left_and_its_gates_stay_open(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    shop.edit("quality.yaml", "value: 0.3", "value: 0.75")
    code, report = shop.report(capsys, "--rows", "8")
    (change,) = report["compared"]
    shop.run("--rows", "8")

    assert code == 0
    assert (change["comparison"]["rows"], change["comparison"]["total_rows"]) == (8, 36)
    assert change["comparison"]["gates"][0]["after"] == "open"
    assert "8 of 36 test rows, drawn at random; 28 not asked" in capsys.readouterr().out


def test_a_budget_that_is_used_up_is_a_reason_and_no_error(shop: Shop, capsys: Captured) -> None:
    shop.edit("ask.yaml", SYSTEM, "")
    code, report = shop.report(capsys, "--budget", "0s")

    assert (code, report["compared"]) == (0, [])
    assert "the budget was used up before its first row" in report["skipped"][0]["reason"]
    assert shop.run("--budget", "soon") == 1
    assert "--budget: " in capsys.readouterr().err


def test_rows_that_a_slow_model_does_not_reach_in_time_are_counted(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    model.pause = 0.3
    shop.edit("ask.yaml", SYSTEM, "")
    _, report = shop.report(capsys, "--budget", "0.2s")
    (change,) = report["compared"]

    assert (change["comparison"]["rows"], change["comparison"]["total_rows"]) == (16, 36)
    assert change["comparison"]["is_sample"]
    assert len(model.asked) == 16


def test_a_comparison_with_trivial_baselines_is_made_where_it_is_a_gate(
    shop: Shop, model: Model, capsys: Captured
) -> None:
    shop.edit("quality.yaml", GATE, f"{GATE}trivial_baselines: {{gate: true, few_shot: 2}}\n")
    code, report = shop.report(capsys)
    (change,) = report["compared"]
    gates = {gate["name"]: gate for gate in change["comparison"]["gates"]}

    assert code == 2  # the label stands in the question
    assert (gates["trivial_baselines"]["before"], gates["trivial_baselines"]["after"]) == (
        None, "failed"
    )  # fmt: skip
    assert "does not beat the " in gates["trivial_baselines"]["message"]
    assert "the few-shot baseline is left out" in change["comparison"]["notes"][1]
    assert model.loaded == 0


def test_nothing_that_differs_is_one_line_and_exit_0(shop: Shop, capsys: Captured) -> None:
    shop.edit("ask.yaml", SYSTEM, SYSTEM + "description: for people\n")

    assert shop.run() == 0
    assert capsys.readouterr().out.startswith("no evaluation differs (the working tree compared")


def test_a_name_chooses_evaluations_by_what_they_are_built_from(
    shop: Shop, capsys: Captured
) -> None:
    shop.edit("quality.yaml", "value: 0.3", "value: 0.2")
    reports = [shop.report(capsys, name)[1] for name in ("ask", "shop", "shop/quality")]

    assert [len(report["compared"]) for report in reports] == [1, 1, 1]
    assert shop.run("shop/quallity") == 1
    assert "did you mean 'quality'?" in capsys.readouterr().err


def test_a_new_evaluation_is_measured_without_a_comparison(shop: Shop, capsys: Captured) -> None:
    text = FILES["quality.yaml"].replace("name: quality", "name: other")
    shop.repo.write("specs/shop/other.yaml", text)
    code, report = shop.report(capsys)
    (change,) = report["compared"]

    assert code == 0
    assert (change["name"], change["causes"]) == ("other", ["'other' is new"])
    assert change["comparison"]["flips"] is None
    assert change["comparison"]["metrics"][0]["before"] is None
    assert change["comparison"]["gates"][0]["before"] is None


def test_what_breaks_is_an_error_beside_what_was_compared(
    shop: Shop, model: Model, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.edit("ask.yaml", SYSTEM, "")
    text = FILES["quality.yaml"].replace("name: quality", "name: other")
    shop.repo.write("specs/shop/other.yaml", text.replace("prompt: ask", "prompt: long"))
    long = FILES["ask.yaml"].replace("name: ask", "name: long").replace("Choose", "Be long. Choose")
    shop.repo.write("specs/shop/long.yaml", long)

    def refuse(conversations: Sequence[Messages], *, max_tokens: int, **_: object) -> list[Reply]:
        if any("Be long" in turn["content"] for messages in conversations for turn in messages):
            raise PromptTooLong("the conversation has 9,000 tokens; shorten the prompt")
        return Model.answer(model, conversations, max_tokens=max_tokens)

    monkeypatch.setattr(model, "answer", refuse)
    code, report = shop.report(capsys)

    assert code == 1
    assert [item["name"] for item in report["compared"]] == ["quality"]
    (broken,) = report["skipped"]
    assert (broken["name"], broken["is_error"]) == ("other", True)
    assert broken["reason"] == "the conversation has 9,000 tokens; shorten the prompt"


def test_a_former_version_that_cannot_be_asked_leaves_the_new_one_alone(
    shop: Shop, capsys: Captured
) -> None:
    shop.edit("tiny.yaml", "Apache-2.0", "MIT")
    shop.repo.commit("another licence")
    shop.repo.git("branch", "--force", "main")
    shop.edit("tiny.yaml", "MIT", "Apache-2.0")
    code, report = shop.report(capsys)
    (change,) = report["compared"]

    assert code == 0
    assert change["comparison"]["metrics"][0]["gain"] is None
    assert change["notes"] == [
        "the former version cannot be asked here, so there is nothing to compare with"
    ]


def test_what_has_to_be_trained_is_named_with_its_time_and_the_command(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo.new(tmp_path / "chat")
    write_project(repo.folder / "specs" / "chat")
    repo.commit("base")
    build_all(Home(Settings.read(specs=repo.folder / "specs")), "chat")
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 4}\n")
    monkeypatch.chdir(repo.folder)
    code = run(commands, ["eval"])

    assert code == 0
    assert (
        "chat/quality ('tune': train.epochs): needs a training of about 2.3 min: "
        "tidemill run chat/quality\n"
    ) in capsys.readouterr().out


def test_without_a_ledger_nothing_is_evaluated_and_none_begins(
    tmp_path: Path, model: Model, capsys: Captured
) -> None:
    shop = Shop(tmp_path)
    shop.edit("ask.yaml", SYSTEM, "")
    code = shop.run()

    assert code == 0
    assert "needs 'tiny', 'rows' built: tidemill run shop/quality" in capsys.readouterr().out
    assert not (tmp_path / "home" / "ledger.db").exists()


def test_the_section_stands_in_the_comment_of_the_plan(
    shop: Shop, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    memory = MemoryForge()
    number = memory.open_pull_request("edit", "main", "Shorter", "").number
    monkeypatch.setattr(forge, "open_forge", lambda settings: memory, raising=False)
    monkeypatch.setenv("TIDEMILL_PROPOSAL", number)
    shop.edit("ask.yaml", SYSTEM, "")
    section = tmp_path / "eval.md"
    shop.run("--markdown", str(section))
    shop.run("--post", "--section", str(section), verb="plan")
    shop.run("--post", "--section", str(tmp_path / "none.md"), verb="plan")
    with_section = section.read_text()
    shop.run("--post", "--section", str(section), verb="plan")

    (comment,) = memory.pages[number].comments
    assert comment.startswith("<!-- tidemill-plan -->\n")
    assert comment.endswith(with_section)
    assert "**Tidemill eval:** 1 evaluation compared, 1 for the worse." in comment
    assert "| passes | fails | `accuracy " in comment


NASTY = " | <img src=x> @everyone [a](http://e.com) `b` jo@example.com"


def test_words_of_a_model_can_do_nothing_in_a_comment_and_hold_no_personal_data(
    tmp_path: Path, model: Model, capsys: Captured
) -> None:
    shop = Shop(tmp_path)
    model.suffix = NASTY
    shop.build()
    shop.edit("ask.yaml", SYSTEM, "")
    section = tmp_path / "eval.md"
    shop.run("--markdown", str(section))
    text, printed = section.read_text(), capsys.readouterr().out

    assert "img src" in text
    assert "jo@example.com" not in text + printed
    assert "[email]" in text
    for line in text.splitlines():
        outside = "".join(line.split("`")[::2])
        for tag in ("<details>", "</details>", "<summary>", "</summary>", "<sub>", "</sub>"):
            outside = outside.replace(tag, "")
        assert not set("<@[") & set(outside)
        assert line.count("`") % 2 == 0


def test_a_real_model_answers_a_changed_prompt(
    tmp_path: Path, tiny_llm: Path, capsys: Captured
) -> None:
    shop = Shop(tmp_path, tiny_llm)
    shop.edit("quality.yaml", "value: 0.3", "value: 0.0")
    shop.repo.commit("a gate that any model passes")
    shop.repo.git("branch", "--force", "main")
    shop.build("rows", "tiny")
    shop.edit("ask.yaml", SYSTEM, "")
    code, report = shop.report(capsys, "--rows", "6", "--budget", "1h")
    (change,) = report["compared"]

    assert code == 0
    assert change["new_answers"] == 12
    assert change["comparison"]["rows"] == 6
    assert change["comparison"]["gates"][0]["after"] == "passed"


HEAD = """\
apiVersion: tidemill/v1
kind: FineTune
name: {name}
base: tiny
dataset: rows
method: head
options: {{C: {c}}}
"""


def test_another_head_that_is_built_already_is_compared_without_a_training(
    tmp_path: Path, tiny_encoder: Path, capsys: Captured
) -> None:
    shop = Shop(tmp_path, tiny_encoder)
    shop.edit("tiny.yaml", "licence:", "task: sequence-classification\nlicence:")
    for name, c in (("sharp", 100), ("blunt", 0.000001)):
        shop.repo.write(f"specs/shop/{name}.yaml", HEAD.format(name=name, c=c))
    shop.edit("quality.yaml", "of: tiny", "of: sharp")
    shop.edit("quality.yaml", "prompt: ask\n", "")
    shop.edit("quality.yaml", "value: 0.3", "value: 0.0")
    shop.repo.commit("heads")
    shop.repo.git("branch", "--force", "main")
    shop.build("rows", "tiny", "sharp", "blunt")
    shop.edit("quality.yaml", "of: sharp", "of: blunt")
    code, report = shop.report(capsys)
    (change,) = report["compared"]
    compared = change["comparison"]

    assert (code, change["causes"]) == (2, ["'quality': of"])
    assert change["new_answers"] == 72
    assert compared["gates"][0]["after"] == "passed"
    assert compared["metrics"][0]["gain"]["high"] < 0
    assert compared["flips"]["worse_count"] > 10
