"""`tidemill optimise` prints, declines or proposes; a second run updates what is open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.search.planted import Planted
from tests.search.shop import BRANCH, FILES, Shop, git

from tidemill.adapters.forge import MemoryForge, open_forge
from tidemill.cli import commands
from tidemill.home import Home
from tidemill.pipeline import optimise
from tidemill.settings import Settings
from tidemill.terminal.shell import run


@pytest.fixture
def shop(tmp_path: Path, tiny_llm: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    return Shop(tmp_path, tiny_llm)


Plant = Callable[[Planted], Planted]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    def put(model: Planted) -> Planted:
        monkeypatch.setattr(optimise, "open_runtime", lambda folder, *, resolve: model)
        return model

    return put


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["optimise", "shop/rows"], "'rows' is a Dataset, not a Prompt; choose one of ask"),
        (["sweep", "shop/rows"], "'rows' is a Dataset, not a FineTune; shop has none"),
        (
            ["optimise", "shop/ask"],
            "'ask' has no `optimise` block; add one with a dataset and a metric to ask.yaml",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_with_the_way_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("TIDEMILL_HOME", str(tmp_path / "home"))
    project = tmp_path / "specs" / "shop"
    (project / "weights").mkdir(parents=True)
    for name, text in FILES.items():
        (project / name).write_text(text.partition("optimise:")[0])

    assert run(commands, [*command, "--specs", str(tmp_path / "specs")]) == 1
    assert said in capsys.readouterr().err


def test_a_gain_is_printed_with_its_diff_and_nothing_is_written(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(Planted(0.1, told=0.8))

    assert shop.run() == 2
    shown = capsys.readouterr().out
    assert "a gain: accuracy +0." in shown
    assert "\n+system: " in shown
    assert "no files changed; use --open-pr to open a pull request" in shown
    assert git(shop.clone, "status", "--porcelain") == ""
    assert "tidemill" not in git(shop.clone, "branch", "--all")


def test_no_gain_beyond_the_interval_opens_nothing(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(Planted(0.5))

    assert shop.run("--open-pr") == 0
    assert "nothing is proposed" in capsys.readouterr().out.splitlines()[-1]
    assert git(shop.bare, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_a_gain_becomes_one_branch_that_changes_only_what_changes(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(Planted(0.1, each=0.2))

    assert shop.run("--open-pr") == 2
    changed = git(shop.bare, "diff", "--name-only", "main", BRANCH).split()
    spec = git(shop.bare, "show", f"{BRANCH}:specs/shop/ask.yaml")
    shown = git(shop.bare, "show", f"{BRANCH}:specs/shop/ask.examples.jsonl")
    assert changed == ["specs/shop/ask.examples.jsonl", "specs/shop/ask.yaml"]
    assert spec.startswith("# How a request is put.\n")
    assert "template: ask.j2 # the template\n" in spec
    assert "technique: few-shot" in spec
    assert "  file: ask.examples.jsonl" in spec
    assert all({"text", "label"} == set(json.loads(line)) for line in shown.splitlines())
    assert git(shop.clone, "status", "--porcelain") == ""


def test_what_is_proposed_makes_the_prompt_that_was_measured(shop: Shop, plant: Plant) -> None:
    model = plant(Planted(0.1, each=0.2))
    shop.run("--open-pr")
    measured = model.asked[-1]
    git(shop.clone, "merge", "--quiet", BRANCH)
    home = Home(Settings.read(specs=shop.clone / "specs"))
    made = home.builder("shop").materialise("ask")
    from tidemill.prompts import PromptProgram

    again = PromptProgram.load(made.artefact.path).messages({"text": measured[-1]["content"]})

    assert again == list(measured)


def test_a_second_run_updates_the_open_proposal(shop: Shop, plant: Plant) -> None:
    plant(Planted(0.1, each=0.2))
    shop.run("--open-pr")
    first = git(shop.bare, "rev-parse", BRANCH)
    shop.run("--open-pr")
    same = git(shop.bare, "rev-parse", BRANCH)
    shop.run("--open-pr", "--seed", "7")
    settings = Settings.read(specs=shop.clone / "specs")
    found = open_forge(settings).find_pull_request(BRANCH)

    assert same == first
    assert git(shop.bare, "rev-list", "--count", f"main..{BRANCH}").strip() == "1"
    assert found is not None
    assert found.state == "open"


def test_the_pull_request_says_what_a_person_needs(
    shop: Shop, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = MemoryForge()
    monkeypatch.setattr("tidemill.adapters.forge.open_forge", lambda settings: forge)
    plant(Planted(0.1, told=0.8))
    shop.run("--open-pr")
    shop.run("--open-pr")
    (page,) = forge.pages.values()

    assert page.pull_request.base == "main"
    for wanted in (
        "| gain, paired | +0.",
        "### Changed answers",
        "found a prompt that answers better",
        "- calls: ",
        "tidemill optimise shop/ask --model tiny --seed 0",
        "which the search never used (first comparison on these rows)",
    ):
        assert wanted in page.body


def test_uncommitted_changes_are_not_built_upon(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    model = plant(Planted(0.1, told=0.8))
    (shop.project / "ask.j2").write_text("{{ text }} please\n")

    assert shop.run("--open-pr") == 1
    assert "ask.j2 is not committed; commit or stash" in capsys.readouterr().err
    assert not model.asked


def test_machines_read_the_outcome_as_json(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(Planted(0.1, told=0.8))

    assert shop.run("--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert told["proposes"]
    assert told["decision"]["gain"]["low"] > 0
    assert told["trials"][0] == {
        "candidate": "current prompt",
        "value": pytest.approx(0.1, abs=0.2),
    }


def test_a_budget_that_is_too_small_says_so_with_exit_3(
    shop: Shop, plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(Planted())

    assert shop.run("--calls", "30") == 3
    assert (
        "the final comparison needs 92 calls and ranking one candidate needs 16"
        in capsys.readouterr().err
    )


def test_a_real_model_is_searched_to_the_end(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shop.run("--method", "instructions", "--calls", "140") == 0
    assert "no gain" in capsys.readouterr().out


def test_a_prompt_that_nobody_asks_through_needs_a_model(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["optimise", "shop/ask", "--specs", str(shop.clone / "specs")]

    assert run(commands, arguments) == 1
    assert (
        "no model is evaluated with 'ask'; choose one with --model NAME, or name it as "
        "`optimise.model`" in capsys.readouterr().err
    )
