"""A trigger that runs a prompt: a search on the feedback of the firing, then a pull request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from tests.adapters.streams import NOW, answer, contract, correct, take, thumb
from tests.search.planted import Planted
from tests.search.shop import BRANCH, PROMPT, Shop, git

from tidemill.adapters.git.mirror import Mirror
from tidemill.adapters.git.worktrees import Worktrees
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.cli import commands
from tidemill.control.prompt_search import PromptSearch
from tidemill.control.trigger_evaluation import evaluate_and_report
from tidemill.control.triggered_search import search_and_propose
from tidemill.errors import ServiceError
from tidemill.home import Home
from tidemill.pipeline import optimise
from tidemill.progress import no_progress
from tidemill.records import TriggerDecision
from tidemill.settings import Settings
from tidemill.spec.prompt import Prompt
from tidemill.spec.trigger import Trigger
from tidemill.terminal.shell import run
from tidemill_assets.definitions import definitions
from tidemill_assets.runs import follow, key, search_key
from tidemill_assets.sensors import pending

HEAD = "apiVersion: tidemill/v1\n"
MORE = {
    "ask.yaml": PROMPT + "  model: tiny\n",
    "rows.yaml": HEAD
    + """kind: Dataset
name: rows
format: classification
sources: [{type: file, path: rows.jsonl}, {type: feedback, of: stream}]
split: {ratios: {train: 0.5, validation: 0.25, test: 0.25}}
""",
    "stream.yaml": HEAD
    + """kind: Feedback
name: stream
topic: chat.feedback
service: chat
kinds: [thumbs, score, correction, comment]
max_weight_per_subject: 1.0
""",
    "tune.yaml": HEAD + "kind: FineTune\nname: tune\nbase: tiny\ndataset: rows\nprompt: ask\n",
    "quality.yaml": HEAD
    + "kind: Evaluation\nname: quality\nof: tune\ndataset: rows\nmetrics: [accuracy]\n",
    "rollout.yaml": HEAD
    + """kind: Rollout
name: release
of: tune
judged_by: quality
service: chat
steps: [{percent: 100}]
""",
    "trigger.yaml": HEAD
    + """kind: Trigger
name: better-prompt
of: stream
when: {any: [{type: new_rows, at_least: 2}]}
run: [ask]
cooldown: 0s
""",
}


class BusyShop:
    """A shop whose users correct answers, and whose trigger is looked at minute by minute."""

    def __init__(self, shop: Shop, instance: dg.DagsterInstance) -> None:
        self.shop, self.instance = shop, instance
        self.bus, self.minutes, self.home = MemoryBus(), 0, shop.home

    def correct(self, *numbers: int) -> None:
        asked = [
            answer(n, input={"text": f"request number {n} about refund"}, output="track")
            for n in numbers
        ]
        self.take([*asked, *(correct(n, output="refund") for n in numbers)])

    def take(self, messages: list[object]) -> None:
        take(self.home.ledger.events, self.bus, messages, stream=contract())  # type: ignore[arg-type]

    def look(self) -> str:
        self.minutes += 1
        self.home = self.shop.home
        project = self.home.project("shop")
        now = NOW + timedelta(minutes=self.minutes)
        trigger = project.spec("better-prompt", Trigger)
        return evaluate_and_report(self.home, project, trigger, now)

    def turn(self) -> TriggerDecision:
        """Look, run what is asked for, and carry the end over."""
        self.look()
        (request,) = pending(self.home, self.home.project("shop"), self.instance)
        assets = list(definitions(self.home).get_repository_def().assets_defs_by_key.values())
        dg.materialize(
            assets,
            selection=list(request.asset_selection or ()),
            instance=self.instance,
            tags=request.tags,
        )
        follow(self.home, self.instance, NOW)
        return self.decisions()[0]

    def decisions(self) -> list[TriggerDecision]:
        return self.home.ledger.trigger_decisions.history("shop", "better-prompt")


@pytest.fixture
def busy(
    tmp_path: Path,
    tiny_llm: Path,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> BusyShop:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMILL_BOOTSTRAP_SERVERS", "x:1")
    monkeypatch.setenv("TIDEMILL_NOTIFY_URLS", "json://127.0.0.1:1")
    return BusyShop(Shop(tmp_path, tiny_llm, MORE), instance)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Planted], Planted]:
    def put(model: Planted) -> Planted:
        monkeypatch.setattr(optimise, "open_runtime", lambda folder, *, resolve: model)
        return model

    return put


Plant = Callable[[Planted], Planted]


def test_corrections_start_a_search_and_a_gain_is_a_pull_request_and_nothing_else(
    busy: BusyShop, plant: Plant
) -> None:
    plant(Planted(0.1, told=0.8))
    busy.correct(201, 202, 203)
    before = git(busy.shop.bare, "rev-parse", "main")
    decision = busy.turn()
    rows = busy.home.ledger.materialisations.latest("shop", "rows")

    assert decision.state == "finished"
    assert decision.message.startswith("'ask': a gain: accuracy +0.")
    assert decision.message.endswith(BRANCH.replace("/", "%2F"))
    assert "; pull request: " in decision.message
    assert rows is not None
    assert rows.facts["offsets"] == dict(decision.offsets)
    assert git(busy.shop.bare, "diff", "--name-only", "main", BRANCH).split() == [
        "specs/shop/ask.yaml"
    ]
    assert git(busy.shop.bare, "rev-parse", "main") == before
    assert git(busy.shop.clone, "status", "--porcelain") == ""
    assert busy.home.ledger.materialisations.latest("shop", "tune") is None
    subjects = [n.notification.subject for n in busy.home.ledger.notifications.next_queued()]
    assert "shop/ask: a search found a better prompt" in subjects


def test_without_a_gain_the_decision_says_so_and_nothing_is_proposed(
    busy: BusyShop, plant: Plant
) -> None:
    plant(Planted(0.5))
    busy.correct(201, 202)
    decision = busy.turn()

    assert decision.message.startswith("'ask': no ")
    assert decision.message.endswith("nothing is proposed")
    assert busy.shop.branches() == ["main"]


def test_a_search_whose_inputs_did_not_change_is_not_run_again(
    busy: BusyShop, plant: Plant
) -> None:
    model = plant(Planted(0.5))
    busy.correct(201, 202)
    busy.turn()
    asked = len(model.asked)
    busy.take([thumb(n, event_id=f"t{n}", consent=True) for n in (201, 202)])
    decision = busy.turn()

    assert len(busy.decisions()) == 2
    assert decision.message.startswith(
        "'ask': not searched again: no row, comment, model or spec changed since the search of"
    )
    assert len(model.asked) == asked
    busy.correct(204, 205)
    busy.turn()
    assert len(model.asked) > asked


def test_a_search_that_cannot_be_proposed_fails_before_it_asks_the_model(
    busy: BusyShop, plant: Plant
) -> None:
    model = plant(Planted(0.1, told=0.8))
    busy.correct(201, 202)
    (busy.shop.project / "ask.j2").write_text("{{ text }} please\n")
    with pytest.raises(ServiceError, match=r"ask\.j2 is not committed; commit or stash"):
        busy.turn()
    (failure,) = busy.home.ledger.notifications.next_queued()

    assert not model.asked
    assert failure.notification.command == "tidemill optimise shop/ask"


def test_a_search_reads_the_comments_up_to_the_firing_and_no_later_ones(busy: BusyShop) -> None:
    busy.correct(201, 202)
    busy.look()
    (decision,) = busy.decisions()
    builder = busy.home.builder("shop")
    for name in ("rows", "ask"):
        builder.materialise(name, offsets=decision.offsets)
    busy.take([thumb(201, kind="comment", value=None, comment="late", consent=True, event_id="l")])
    search = PromptSearch(builder, builder.project.spec("ask", Prompt), "tiny", "gepa")
    frozen, now = (search.read_inputs(busy.home, frozen=frozen) for frozen in (True, False))

    assert [comment.correction for comment in frozen.comments] == ["refund", "refund"]
    assert [comment.comment for comment in now.comments] == ["", "", "late"]
    assert search.key(busy.home, frozen) != search.key(busy.home, now)


def test_the_run_builds_what_the_search_reads_and_searches_last(busy: BusyShop) -> None:
    busy.correct(201, 202)
    busy.look()
    (request,) = pending(busy.home, busy.home.project("shop"), busy.instance)
    graph = definitions(busy.home).get_repository_def().asset_graph

    names = ("ask", "rows", "stream", "tiny")
    assert set(request.asset_selection or ()) == {
        *(key("shop", name) for name in names),
        search_key("shop", "ask"),
    }
    assert graph.get(search_key("shop", "ask")).parent_keys == {
        key("shop", name) for name in ("ask", "rows", "tiny")
    }


def test_a_retraining_leaves_the_feedback_to_the_search(busy: BusyShop) -> None:
    text = MORE["trigger.yaml"].replace("better-prompt", "retrain").replace("[ask]", "[release]")
    (busy.shop.project / "retrain.yaml").write_text(text)
    busy.correct(201, 202)
    busy.home = Home(busy.home.settings)
    project = busy.home.project("shop")
    evaluate_and_report(busy.home, project, project.spec("retrain", Trigger), NOW)
    waiting = busy.look()
    (retraining,) = busy.home.ledger.trigger_decisions.queued_decisions()
    busy.home.ledger.trigger_decisions.mark_finished(retraining.key, NOW, ok=True)

    assert "the run of 'retrain' of 2026-03-01 12:00 UTC is still under way" in waiting
    assert busy.look() == "better-prompt: 2 of 2 new rows"
    assert len(busy.decisions()) == 1


def test_where_a_remote_is_followed_the_proposal_is_based_on_the_commit_that_was_applied(
    busy: BusyShop, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(Planted(0.1, told=0.8))
    monkeypatch.setenv("TIDEMILL_GIT_REMOTE", str(busy.shop.bare))
    settings = Settings.read()
    mirror = Mirror(settings.git_home / "mirror.git", str(busy.shop.bare), "main")
    trees, tip = Worktrees(settings.git_home / "trees", mirror), mirror.fetch()
    trees.add(tip)
    trees.make_current(tip)
    home = Home(settings)
    builder = home.builder("shop")
    for name in ("rows", "tiny", "ask"):
        builder.materialise(name)
    outcome = search_and_propose(home, builder, "ask", no_progress)

    assert outcome.pull_request
    assert git(busy.shop.bare, "rev-parse", f"{BRANCH}^").strip() == tip
    assert git(busy.shop.bare, "diff", "--name-only", "main", BRANCH) == "specs/shop/ask.yaml\n"


def test_explain_names_what_is_searched_and_its_budget(
    busy: BusyShop, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = str(busy.shop.clone / "specs")

    assert run(commands, ["trigger", "explain", "better-prompt", "--specs", specs]) == 0
    assert (
        "    searches       'ask' by bootstrap, answered by 'tiny', at most 400 calls; a gain is a "
        "pull request" in capsys.readouterr().out.splitlines()
    )
