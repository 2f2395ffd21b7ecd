"""`tidemill errors` clusters what went wrong by meaning; a cluster becomes a slice."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.streams import TOPIC, answer, correct, take, thumb
from tests.records import release_record

from tidemill.adapters.forge import MemoryForge
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.answer import Answer
from tidemill.cli import commands
from tidemill.home import Home
from tidemill.pipeline.answer_file import write_answers
from tidemill.pipeline.answers import EvaluatedRow
from tidemill.pipeline.slice_members import slice_members
from tidemill.planning.current_dataset import current_dataset
from tidemill.ports import Message
from tidemill.settings import Settings
from tidemill.spec.evaluation import Evaluation
from tidemill.spec.feedback import Feedback
from tidemill.terminal.shell import run

NOW = datetime.now(UTC)
BRANCH = "tidemill/slice/shop/parcel"
DATASET = """\
# The questions of shoppers.
apiVersion: tidemill/v1
kind: Dataset
name: rows
format: classification
sources:
  - {type: file, path: rows.jsonl} # collected by hand
  - type: feedback
    of: stream
map: {subject: customer}
split: {by: group, key: subject}
"""
SPECS = {
    "rows.yaml": DATASET,
    "encoder.yaml": "kind: Model\nname: encoder\nsource: {type: path, path: weights}\n"
    "task: sequence-classification\nlicence: Apache-2.0\n",
    "head.yaml": "kind: FineTune\nname: head\nbase: encoder\ndataset: rows\nmethod: head\n",
    "quality.yaml": "kind: Evaluation\nname: quality\nof: head\ndataset: rows\n"
    "metrics: [accuracy]\n",
    "stream.yaml": f"kind: Feedback\nname: stream\ntopic: {TOPIC}\nservice: chat\n"
    "kinds: [thumbs, correction, review]\nmax_weight_per_subject: 1.0\n",
    "canary.yaml": "kind: Rollout\nname: canary\nof: head\njudged_by: quality\nservice: chat\n"
    "steps: [{percent: 100}]\n",
}
LABELS = ("card", "refund", "track")
PARCEL = ("the parcel is lost", "a lost parcel", "parcel lost today")
REFUND = ("I want a refund", "refund: I want it", "want refund")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


class Shop:
    """A clone of a bare remote with one project, and a ledger that takes events in."""

    def __init__(self, folder: Path) -> None:
        self.bare, self.clone = folder / "remote.git", folder / "clone"
        git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(folder, "init", "--quiet", "--initial-branch=main", str(self.clone))
        git(self.clone, "config", "user.email", "ada@example.com")
        git(self.clone, "config", "user.name", "Ada")
        git(self.clone, "remote", "add", "origin", str(self.bare))
        self.project = self.clone / "specs" / "shop"
        (self.project / "weights").mkdir(parents=True)
        (self.project / "weights" / "config.json").write_text("{}")
        for name, text in SPECS.items():
            version = "" if text.startswith("#") else "apiVersion: tidemill/v1\n"
            (self.project / name).write_text(version + text)
        rows = [
            {"text": f"{label[0]}{n} is the usual question", "label": label, "customer": f"c{n}"}
            for n in range(12)
            for label in LABELS
        ]
        (self.project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.number, self.bus = 0, MemoryBus()
        self.commit()

    @property
    def home(self) -> Home:
        return Home(Settings.read(specs=self.clone / "specs"))

    def commit(self) -> None:
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "--quiet", "-m", "the shop")
        git(self.clone, "push", "--quiet", "origin", "main")

    def take(self, *messages: Message) -> None:
        home = self.home
        contract = home.project("shop").spec("stream", Feedback)
        take(home.ledger.events, self.bus, messages, now=NOW, stream=contract)
        home.ledger.engine.dispose()

    def ask(self, text: str, said: str, subject: str, **fields: Any) -> int:
        """An answer of two days ago, by its number."""
        self.number += 1
        at = NOW - timedelta(days=2)
        about = {"input": {"text": text}, "output": said, "label": said, "subject": subject}
        self.take(answer(self.number, at=at, **about | fields))
        return self.number

    def correct(self, text: str, said: str, right: str, *people: str) -> None:
        """Each of these people asks, and corrects what was said."""
        for person in people:
            number = self.ask(text, said, person)
            self.take(correct(number, output=right, subject=person, at=NOW))

    def evaluate(self, wrong: str) -> None:
        """A release whose evaluation got one row wrong."""
        home = self.home
        rows = [("t1", wrong, "refund"), ("t2", "example 1 of card", "card")]
        folder = self.clone.parent / "report"
        folder.mkdir()
        answers = (
            EvaluatedRow(
                key, Answer("card", "card") if key == "t2" else Answer("track", "track"),
                Answer(given, given), given, 0.1, 1, 1, "stop", {"id": key, "text": text},
            )
            for key, text, given in rows
        )  # fmt: skip
        write_answers(folder, answers)
        report = home.store.put(folder, kind="report")
        measures = [{"metric": "accuracy"}]
        evaluation = {"name": "quality", "digest": report.digest, "measures": measures}
        record = release_record(digest="sha256:abc", service="chat", evaluation=evaluation)
        home.ledger.materialisations.add_release(record)
        home.ledger.engine.dispose()

    def run(self, *arguments: str) -> int:
        return run(commands, ["errors", *arguments, "--specs", str(self.clone / "specs")])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    return Shop(tmp_path)


def fill(shop: Shop) -> None:
    """Two groups of failures, and much that counts nowhere."""
    for text in PARCEL:
        shop.correct(text, "refund", "track", "ann", "bob", "joe")
    for text in REFUND:
        number = shop.ask(text, "card", "cid")
        shop.take(thumb(number, subject="cid", at=NOW))
    shop.correct(PARCEL[0], "track", "card", "eve")  # outvoted
    shadow = shop.ask(PARCEL[1], "refund", "dan", arm="shadow")
    shop.take(thumb(shadow, subject="dan", at=NOW), thumb(900, subject="zoe", at=NOW))
    content = shop.ask(PARCEL[2], "track", "fay")
    shop.take(thumb(content, value=1.0, subject="fay", at=NOW))


def test_failures_of_users_and_of_the_evaluation_are_clustered_named_and_sized(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(shop)
    shop.evaluate("parcel lost again")

    assert shop.run("chat", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    first, second = content["clusters"]
    assert content["left_out"] == {
        "others, or a reviewer, decided otherwise": 1,
        "answers of a shadow, which no user got": 1,
        "about an answer that this service did not give": 1,
    }
    assert (content["failures"], content["release"]) == (13, "sha256:abc")
    assert (first["words"][0], first["size"], first["share"]) == ("lost", 10, 0.7692)
    assert first["mistake"] == {"answered": "refund", "wanted": "track", "count": 10}
    assert (first["people"], first["test_rows"], first["weeks"][-1]) == (3, 1, 3)
    assert (second["words"][0], second["size"], second["mistake"]) == ("refund", 3, None)
    assert first["trend"] is None


def test_the_projects_encoder_compares_the_questions_where_it_is_built(
    shop: Shop, tiny_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in tiny_encoder.iterdir():
        (shop.project / "weights" / path.name).write_bytes(path.read_bytes())
    shop.commit()
    fill(shop)
    shop.run("chat", "--json")
    by_words = json.loads(capsys.readouterr().out)
    shop.home.builder("shop").materialise("encoder")

    assert shop.run("chat", "--json") == 0
    by_meaning = json.loads(capsys.readouterr().out)
    assert by_words["compared_by"] == "their words (TF-IDF)"
    assert by_meaning["compared_by"] == "the encoder 'encoder'"
    assert sum(cluster["size"] for cluster in by_meaning["clusters"]) == 12


def test_the_table_shows_each_cluster_and_the_rows_of_one_come_with_their_ids(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(shop)

    assert shop.run("chat", "--since", "4w") == 0
    table = capsys.readouterr().out
    assert shop.run("chat", "--cluster", "2") == 0
    rows = capsys.readouterr().out

    assert "shop/chat: 12 failures since " in table
    assert "\n  compared by their words (TF-IDF)\n" in table
    assert "\n  left out: 1 answers of a shadow, which no user got\n" in table
    assert "  1      9   75%   ···█   too few to say\n     lost, parcel" in table
    assert "answered 'refund', wanted 'track': 9\n" in table
    assert "rows: tidemill errors chat --cluster 1" in table
    assert rows.count("rated bad · unverified") == 3
    assert "“" not in rows
    assert "answered 'card', nobody said what would be right" in rows


def test_a_cluster_becomes_a_slice_of_rows_that_people_vouch_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forge = MemoryForge()
    monkeypatch.setattr("tidemill.adapters.forge.open_forge", lambda settings: forge)
    fill(shop)
    shop.correct("lost: one parcel", "refund", "track", "gus")  # one person alone

    assert shop.run("chat", "--cluster", "1", "--open-pr", "--name", "Parcel") == 0
    printed = capsys.readouterr().out
    changed = git(shop.bare, "diff", "--name-only", "main", BRANCH).split()
    shown = {path: git(shop.bare, "show", f"{BRANCH}:{path}") for path in changed}
    (page,) = forge.pages.values()

    assert printed.startswith("slice 'parcel': 3 test rows, ")
    assert "  left out: 1 only one person vouches for the answer\n" in printed
    assert changed == [
        f"specs/shop/{name}"
        for name in ("quality.yaml", "rows.yaml", "slices/parcel.jsonl", "slices/test-rows.jsonl")
    ]
    slices = "slices: [{name: parcel, rows_file: slices/parcel.jsonl}]\n"
    assert shown["specs/shop/quality.yaml"].endswith(slices)
    source = "  - {type: file, path: slices/test-rows.jsonl, split: test}\n"
    assert shown["specs/shop/rows.yaml"] == DATASET.replace(
        "    of: stream\n", f"    of: stream\n{source}"
    )
    rows = [json.loads(line) for line in shown["specs/shop/slices/test-rows.jsonl"].splitlines()]
    assert all(row.keys() == {"text", "label", "customer"} for row in rows)
    assert {row["customer"] for row in rows} == {None}
    lines = [json.loads(line) for line in shown["specs/shop/slices/parcel.jsonl"].splitlines()]
    assert {line["question"]["text"] for line in lines} == set(PARCEL)
    assert {line["wanted"] for line in lines} == {"track"}
    assert page.title == "shop/quality: failures become the slice parcel"
    assert "With all 3 rows right it is 0.44, so a higher value could never pass." in page.body
    assert git(shop.clone, "status", "--porcelain") == ""


def test_what_is_merged_is_tested_on_and_never_trained_on_again(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(shop)
    propose = ("chat", "--cluster", "1", "--open-pr", "--name", "parcel")
    shop.run(*propose)
    git(shop.clone, "merge", "--quiet", BRANCH)
    shop.correct(PARCEL[0], "refund", "track", "hal", "ivy")
    home = shop.home
    splits = current_dataset(home, "shop", "rows").preview.prepared.splits
    home.ledger.engine.dispose()
    evaluation = home.project("shop").spec("quality", Evaluation)
    answers = [
        EvaluatedRow(row["id"], Answer(""), Answer(""), "", 0.0, 0, 0, "stop", row)
        for row in splits["test"]
    ]
    (members,) = slice_members(evaluation.slices, answers, shop.project)
    texts = sorted(row.row["text"] for row in members.of(answers))

    assert texts == sorted(PARCEL)
    trained = {row["text"] for name in ("train", "validation") for row in splits[name]}
    assert not trained & set(PARCEL)

    capsys.readouterr()
    assert shop.run(*propose) == 0
    assert capsys.readouterr().out.endswith(
        "nothing is proposed: the slice has all of them already\n"
    )

    shop.correct("the lost parcel", "refund", "track", "ann", "bob", "joe")
    git(shop.clone, "push", "--quiet", "origin", "main")
    assert shop.run(*propose, "--json") == 0
    again = json.loads(capsys.readouterr().out)
    before, after = (
        git(shop.bare, "show", f"{branch}:specs/shop/slices/parcel.jsonl").splitlines()
        for branch in ("main", BRANCH)
    )
    assert (again["rows"], again["added"]) == (4, 1)
    assert (after[:3], len(after)) == (before, 4)
    assert git(shop.bare, "diff", "--name-only", "main", BRANCH).split() == [
        "specs/shop/slices/parcel.jsonl", "specs/shop/slices/test-rows.jsonl",
    ]  # fmt: skip


def test_a_cluster_that_nobody_vouches_for_is_no_slice(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(shop)

    assert shop.run("chat", "--cluster", "2", "--open-pr") == 1
    message = capsys.readouterr().err
    assert "no row of this cluster is fit to be tested on: 3 no row of the dataset asks" in message
    assert "settle some with `tidemill review chat`" in message
    assert git(shop.bare, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chat"], "'chat' has answered nothing: there is no ledger in "),
        (["chatt"], "no service is called 'chatt'; did you mean 'chat'?"),
        (["chat", "--open-pr"], "--open-pr goes with --cluster N"),
        (["chat", "--since", "soon"], "'soon' is no time; write 2026-05-01 or"),
    ],
)
def test_what_cannot_be_done_says_the_way_out(
    shop: Shop, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert shop.run(*arguments) == 1
    assert message in capsys.readouterr().err
