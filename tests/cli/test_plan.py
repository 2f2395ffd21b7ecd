"""`tidemill plan` and `tidemill data` in real repositories: what a reviewer reads."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.repositories import Repo
from tests.adapters.streams import answer, contract, take, thumb
from tests.planning.fake_builds import build, build_all
from tests.spec.conftest import COMPLETE, write_project

from tidemill.adapters import forge
from tidemill.adapters.forge import MemoryForge
from tidemill.adapters.ledger import Ledger
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.cli import _plan_markdown, commands
from tidemill.cli._plan_markdown import MARKER, code
from tidemill.engine.release_record import SpecCommit
from tidemill.home import Home
from tidemill.planning import dataset_differences
from tidemill.ports import Materialisation
from tidemill.records import RolloutUpdate
from tidemill.settings import Settings
from tidemill.terminal.shell import run

Captured = pytest.CaptureFixture[str]
ROWS = "".join(
    f'{{"request": "question {n}", "answer": "answer {n}", "intent": "{"ab"[n % 2]}"}}\n'
    for n in range(40)
)
LONGER = COMPLETE["tune.yaml"] + "train: {epochs: 4}\n"
QUALITY = "quality: {metric: thumbs, margin: 0.05}\n"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    made = Repo.new(tmp_path / "repo")
    write_project(made.folder / "specs" / "chat", data__requests=None)
    made.write("specs/chat/data/requests.jsonl", ROWS)
    made.write(".gitignore", ".tidemill/\n")
    made.commit("base")
    made.git("checkout", "--quiet", "-b", "edit")
    monkeypatch.chdir(made.folder)
    for name in ("SPECS", "HOME", "PRICE_PER_HOUR", "LEDGER_URL", "REMOTE"):
        monkeypatch.delenv(f"TIDEMILL_{name}", raising=False)
    return made


def planned(capsys: Captured, *arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    code = run(commands, ["plan", *arguments])
    return code, capsys.readouterr().out


def reported(capsys: Captured, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(planned(capsys, "--json", *arguments)[1])
    return found


def asset(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["assets"] if one["name"] == name)
    return found


def made(repo: Repo, name: str = "tune", kind: str = "FineTune", **changes: Any) -> None:
    """Put one making into the ledger."""
    fields: dict[str, Any] = {
        "project": "chat",
        "name": name,
        "kind": kind,
        "version": "sha256:v",
        "spec_digest": "sha256:s",
        "artefact": "sha256:a",
        **{key: {} for key in ("steps", "inputs", "tools", "facts")},
        "commit": SpecCommit(),
        "measures": (),
        "checks": (),
        "started_at": datetime(2026, 3, 1, tzinfo=UTC),
        "seconds": 600.0,
        "peak_bytes": 2 << 30,
        **changes,
    }
    ledger = Ledger.open(f"sqlite:///{repo.folder / '.tidemill' / 'ledger.db'}")
    ledger.materialisations.add(Materialisation(**fields))
    ledger.engine.dispose()


def home_of(repo: Repo) -> Home:
    home = {"TIDEMILL_HOME": str(repo.folder / ".tidemill")}
    return Home(Settings.read(home, specs=repo.folder / "specs"))


def test_nothing_to_do_is_two_lines_and_exit_0(repo: Repo, capsys: Captured) -> None:
    build_all(home_of(repo), "chat")
    code, out = planned(capsys)

    assert code == 0
    assert out.splitlines()[0] == "Nothing to build: 9 assets are up to date."
    assert out.splitlines()[1].endswith("and with what is built here)")
    assert len(out.splitlines()) == 2


def test_what_was_never_built_here_is_said_and_no_ledger_begins(
    repo: Repo, capsys: Captured
) -> None:
    code, out = planned(capsys)
    counts = reported(capsys)["counts"]

    assert code == 2
    assert out.splitlines()[0] == "7 never built here; 2 reused."
    assert "  + tune        FineTune    never built here   [no history yet]" in out
    assert (counts["never_built"], counts["reused"], counts["new"]) == (7, 2, 0)
    assert "| `chat/tune` | never built here |" in planned(capsys, "--format", "md")[1]
    assert not (repo.folder / ".tidemill" / "ledger.db").exists()


def test_a_branch_without_a_ledger_compares_specs_alone_and_says_so(
    repo: Repo, capsys: Captured
) -> None:
    repo.write("README.md", "as on the machine of a pull request")
    repo.commit()
    code, out = planned(capsys)

    assert code == 0
    assert out.splitlines()[0] == (
        "No asset changes: 9 assets reused. There is no ledger here, so the plan does not know "
        "what is built."
    )


def test_a_branch_also_shows_what_its_change_leaves_alone_and_is_not_built(
    repo: Repo, capsys: Captured
) -> None:
    home = home_of(repo)
    for name in ("base", "requests", "reply", "tune"):
        build(home, "chat", name)
    repo.write("specs/chat/small.yaml", COMPLETE["small.yaml"] + "owner: ada\n")
    repo.write("specs/chat/retrain.yaml", COMPLETE["retrain.yaml"] + "daily_limit: 9\n")
    code, out = planned(capsys)

    assert code == 2
    assert out.splitlines()[0].startswith("1 changed, 3 never built here; 5 reused.")


def test_an_input_that_was_rebuilt_makes_the_rest_stale_on_the_default_branch(
    repo: Repo, capsys: Captured
) -> None:
    home = home_of(repo)
    build_all(home, "chat")
    build(home, "chat", "requests", content="with more rows")
    code, out = planned(capsys)

    assert code == 2
    assert out.splitlines()[0].startswith("4 stale; 5 reused.")
    assert "* tune        FineTune    stale     'requests' was rebuilt after it" in out
    assert "'requests' was rebuilt after it (through 'tune')" in out


def test_files_that_are_gone_from_the_store_are_said(repo: Repo, capsys: Captured) -> None:
    home = home_of(repo)
    build_all(home, "chat")
    record = home.ledger.materialisations.latest("chat", "tune")
    assert record is not None
    place = home.store.get(record.artefact).path
    shutil.rmtree(place)
    place.with_name(f"{place.name}.dvc").unlink()
    code, out = planned(capsys)

    assert code == 2
    assert "1 missing artefact; 8 reused." in out
    assert "! tune  FineTune    missing artefact  its files are not in the store" in out


def test_what_follows_a_failed_gate_is_blocked_and_nothing_to_do(
    repo: Repo, capsys: Captured
) -> None:
    home = home_of(repo)
    for name in ("base", "requests", "reply", "tune", "reply-int8"):
        build(home, "chat", name)
    build(home, "chat", "quality", passed=False)
    code, out = planned(capsys)

    assert code == 0
    assert out.splitlines()[0] == "1 blocked; 8 reused."
    assert "blocked   'quality' did not pass its checks" in out


def test_a_changed_live_release_makes_an_unused_evaluation_stale(
    repo: Repo, capsys: Captured
) -> None:
    home = home_of(repo)
    build_all(home, "chat")
    (former,) = home.ledger.materialisations.releases()
    home.ledger.rollouts.request("chat", former.digest, "folder", {})
    (rollout,) = home.ledger.rollouts.in_progress("chat")
    assert planned(capsys)[0] == 0
    home.ledger.rollouts.record_decision(
        rollout.id,
        RolloutUpdate("done", "it is well", state="live", percent=100.0),
        home.clock.now(),
    )
    assert planned(capsys)[0] == 0
    build(home, "chat", "quality", content="judged before anything was live")
    _, out = planned(capsys)

    assert "stale     the live release of 'chat' is another one now" in out


def test_a_release_that_was_rolled_back_is_blocked_until_somebody_sends_it_out_again(
    repo: Repo, capsys: Captured
) -> None:
    home = home_of(repo)
    build_all(home, "chat")
    (release,) = home.ledger.materialisations.releases()
    rollouts = home.ledger.rollouts
    key = rollouts.request("chat", release.digest, str(repo.folder), {})
    worse = RolloutUpdate("roll_back", "users rate it worse", state="rolled_back")
    rollouts.record_decision(key, worse, datetime(2026, 3, 1, 12, tzinfo=UTC))

    code, out = planned(capsys)
    status = run(commands, ["status"])
    shown = capsys.readouterr().out
    retried = run(commands, ["rollout", "retry", "chat", "--by", "ada"])
    answer = capsys.readouterr().out

    reason = "was rolled back on 2026-03-01 12:00 UTC: users rate it worse; change the data or"
    assert code == status == retried == 0
    assert out.splitlines()[0] == "1 blocked; 8 reused."
    assert f"blocked   release {release.digest[7:19]} {reason}" in out
    assert "at 2026-03-01 12:00 UTC: users rate it worse" in shown
    assert "send it out once more with `tidemill rollout retry chat`" in shown
    assert "sent out once more by ada; before, it was rolled back: users rate it worse" in answer
    assert planned(capsys)[1].startswith("Nothing to build: 9 assets")
    assert [rollout.release for rollout in rollouts.in_progress("chat")] == [release.digest]


def test_only_a_candidate_that_was_rejected_is_sent_out_again(repo: Repo, capsys: Captured) -> None:
    home = home_of(repo)
    home.ledger.rollouts.request("chat", "sha256:one", str(repo.folder), {})

    assert run(commands, ["rollout", "retry", "chat"]) == 1
    assert "the newest candidate of 'chat' was not rolled back" in capsys.readouterr().err


def test_a_description_plans_nothing_and_shows(repo: Repo, capsys: Captured) -> None:
    build_all(home_of(repo), "chat")
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "description: better\n")
    code, out = planned(capsys)

    assert code == 0
    assert "9 assets are up to date, 1 of them with another description or layout" in out
    assert '. tune  FineTune    cosmetic  description: "" → better' in out


def test_a_fine_tune_plans_itself_and_all_after_it(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER)
    code, out = planned(capsys)

    assert code == 2
    assert out.splitlines()[0] == "1 changed, 3 stale; 5 reused."
    assert "  ~ tune        FineTune    changed   train.epochs: 3 → 4   [no history yet]" in out
    assert "stale     'tune' is changed (through 'reply-int8')" in out
    assert "requests" not in out


def test_estimates_come_from_the_ledger_with_their_spread(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {seed: 4}\n")
    for seconds in (500.0, 600.0, 700.0, 0.0):
        made(repo, seconds=seconds)
    monkeypatch.setenv("TIDEMILL_PRICE_PER_HOUR", "3")
    report = reported(capsys)
    _, out = planned(capsys)

    found = asset(report, "tune")["estimate"]
    assert found["seconds"] == {"low": 500, "median": 600, "high": 700}
    assert (found["runs"], found["basis"]) == (3, "asset")
    assert found["money"]["median"] == pytest.approx(0.5)
    assert asset(report, "quality")["estimate"] is None
    assert report["totals"]["without_history"] == [
        f"chat/{name}" for name in ("base", "reply", "requests", "reply-int8", "quality")
    ]
    assert "About 10 min (8.3 min–12 min) without 5 that have no history yet" in out
    assert "2.0 GiB of memory" in out
    assert "[10 min (8.3 min–12 min), 2.0 GiB, cost 0.50 (0.42–0.58); from 3 runs]" in out


def test_without_a_price_no_money_is_named(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER)
    made(repo)

    assert asset(reported(capsys), "tune")["estimate"]["money"] is None
    assert "cost" not in planned(capsys)[1]


def test_a_price_that_is_none_is_refused(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_PRICE_PER_HOUR", "-1")
    code = run(commands, ["plan"])

    assert code == 1
    assert "TIDEMILL_PRICE_PER_HOUR is '-1'" in capsys.readouterr().err


def test_an_estimate_by_others_of_its_kind_says_so(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER)
    made(repo, "elsewhere", project="other", peak_bytes=0)

    assert "[10 min; from 1 run of other assets of this kind]" in planned(capsys)[1]


def test_more_epochs_and_more_rows_take_longer(repo: Repo, capsys: Captured) -> None:
    made(repo, facts={"rows": 32})
    made(repo, "quality", "Evaluation", facts={"rows": 4})
    repo.write("specs/chat/tune.yaml", COMPLETE["tune.yaml"] + "train: {epochs: 6}\n")
    epochs = asset(reported(capsys), "tune")["estimate"]["seconds"]["median"]
    repo.write("specs/chat/data/requests.jsonl", ROWS + ROWS.replace("question", "request"))
    rows = asset(reported(capsys), "tune")["estimate"]["seconds"]["median"]

    assert epochs == pytest.approx(1200)
    assert rows > 1.5 * epochs


def test_over_budget_says_which_by_how_much_and_exits_with_3(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER + "budget: {hours: 0.1}\n")
    made(repo, seconds=720.0)
    code, out = planned(capsys)

    assert code == 3
    assert "over budget\n  chat/tune: 16 min expected, 6 min allowed, 10 min over" in out


def test_a_budget_without_history_claims_nothing(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER + "budget: {hours: 0.0001}\n")

    assert planned(capsys)[0] == 2


def test_an_approval_is_named_and_exits_with_3(repo: Repo, capsys: Captured) -> None:
    text = COMPLETE["rollout.yaml"] + "approval: {by: [lead@example.com], before_percent: 50}\n"
    repo.write("specs/chat/rollout.yaml", text)
    repo.commit()
    code, out = planned(capsys)

    assert code == 3
    assert "needs approval\n  chat/rollout: lead@example.com before traffic reaches 50 %" in out


@pytest.mark.parametrize(
    ("mode", "what"), [("shadow", "copies the requests of"), ("ab", "shares the traffic of")]
)
def test_a_rollout_that_needs_a_live_release_is_told_that_there_is_none(
    repo: Repo, capsys: Captured, mode: str, what: str
) -> None:
    repo.write("specs/chat/rollout.yaml", COMPLETE["rollout.yaml"] + QUALITY + f"mode: {mode}\n")
    _, out = planned(capsys)

    assert f"`mode: {mode}` {what} a live release, and 'chat' has none" in out
    assert "set `mode: canary`" in out


def test_an_approval_of_a_rollout_that_stays_is_not_asked_for(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/rollout.yaml", COMPLETE["rollout.yaml"] + "approval: {}\n")
    repo.git("checkout", "--quiet", "main")
    repo.commit()
    repo.write("specs/chat/retrain.yaml", COMPLETE["retrain.yaml"] + "daily_limit: 9\n")

    assert planned(capsys)[0] == 2


def test_traffic_says_how_many_ratings_and_how_many_days(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/rollout.yaml", COMPLETE["rollout.yaml"] + QUALITY)
    before = planned(capsys)[1]
    _rate(repo, 40)
    report = reported(capsys)
    after = planned(capsys)[1]

    assert "chat: canary 10 % → 100 %" in before
    assert "ratings are needed to show thumbs within 0.05" in before
    assert "no thumbs ratings in the last 28 days: how many days it takes is unknown" in before
    found = report["traffic"][0]
    assert found["ratings"]["per_day"] == pytest.approx(20, abs=0.5)
    assert found["waits"][0]["days"] == pytest.approx(found["waits"][0]["ratings"] / 20, rel=0.05)
    assert "at 20 a day that is about" in after


def test_traffic_says_what_each_step_sees_and_that_it_cannot_finish(
    repo: Repo, capsys: Captured
) -> None:
    text = COMPLETE["rollout.yaml"] + QUALITY + "on_inconclusive: hold\n"
    repo.write("specs/chat/rollout.yaml", text)
    before = planned(capsys)[0]
    _rate(repo, 40)
    code, out = planned(capsys)
    traffic = reported(capsys)["traffic"][0]

    assert (before, code) == (2, 3)
    assert "measured: 20 requests and 20 ratings a day" in out
    assert "at 10 %: about " in out
    assert "cannot finish: at 10 %: " in out
    assert "let the guardrails decide with 'on_inconclusive: promote'" in out
    assert traffic["forecast"]["problem"]["path"] == ["on_inconclusive"]


def _rate(repo: Repo, count: int) -> None:
    """Ratings of the last two days."""
    ledger = Ledger.open(f"sqlite:///{repo.folder / '.tidemill' / 'ledger.db'}")
    now = datetime.now(UTC)
    stream, bus = contract(topic="chat-feedback", service="chat"), MemoryBus()
    first = now - timedelta(days=2)
    given = [answer(n, at=first) for n in range(count)]
    ratings = [thumb(n, at=first, value=float(n % 4 > 0)) for n in range(count)]
    moved = [replace(message, topic="chat-feedback") for message in ratings]
    take(ledger.events, bus, [*given, *moved], now=first, stream=stream)
    ledger.engine.dispose()


def test_a_data_edit_shows_its_rows_labels_personal_data_and_leaks(
    repo: Repo, capsys: Captured
) -> None:
    lines = ROWS.splitlines(keepends=True)
    lines[3] = lines[3].replace("answer 3", "another answer")
    del lines[5]
    lines.append('{"request": "I am jo@example.com", "answer": "hello", "intent": "new"}\n')
    repo.write("specs/chat/data/requests.jsonl", "".join(lines))
    code, out = planned(capsys)
    found = asset(reported(capsys), "requests")["data"]

    assert code == 2
    totals = {k: sum(one[k] for one in found["splits"].values()) for k in ("added", "removed")}
    assert totals == {"added": 1, "removed": 1}
    assert sum(one["changed"] for one in found["splits"].values()) == 1
    assert found["pii"] == {"email": 1}
    assert found["pii_at"] == ["data/requests.jsonl:40"]
    assert "new personal data: 1 email (data/requests.jsonl:40)" in out
    assert "data/requests.jsonl has other contents" in out
    assert found["kept"] == ["feedback of 'stream'"]
    assert "jo@example.com" not in out


def test_rows_that_would_leak_into_the_test_are_named(repo: Repo, capsys: Captured) -> None:
    split = "sources:\n  - {type: file, path: data/requests.jsonl, split: train}\n"
    split += "  - {type: file, path: data/held.jsonl, split: test}\n"
    text = COMPLETE["requests.yaml"].split("sources:")[0] + split + "format: completion\n"
    repo.write("specs/chat/requests.yaml", text)
    repo.write("specs/chat/data/held.jsonl", ROWS.splitlines(keepends=True)[7])
    found = asset(reported(capsys), "requests")["data"]
    _, out = planned(capsys)

    assert found["kept_out"] == [0, 1]
    assert "because the test asks the same: 0 → 1: data/requests.jsonl:8 leaks into test" in out


def test_rows_that_cannot_be_read_are_told_and_the_plan_goes_on(
    repo: Repo, capsys: Captured
) -> None:
    heavy = '{"request": "q", "answer": "a", "intent": "a", "weight": "heavy"}\n'
    repo.write("specs/chat/data/requests.jsonl", ROWS + heavy)
    code, out = planned(capsys)

    assert code == 2
    assert "rows not compared: data/requests.jsonl:41: weight 'heavy' is no number" in out


def test_data_too_large_for_a_plan_is_left_to_data_diff(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_differences, "MAX_BYTES", 10)
    repo.write("specs/chat/data/requests.jsonl", ROWS.replace("answer 3", "other"))
    _, out = planned(capsys)

    assert "rows not compared: 0 MiB of rows are too much for a plan" in out


def test_the_tip_of_the_other_branch_does_not_show(repo: Repo, capsys: Captured) -> None:
    repo.git("checkout", "--quiet", "main")
    repo.write("specs/chat/tune.yaml", LONGER)
    repo.commit("theirs")
    repo.git("checkout", "--quiet", "edit")
    build_all(home_of(repo), "chat")

    assert planned(capsys, "--against", "main")[0] == 0


def test_specs_in_a_sub_folder_and_a_commit_by_name(repo: Repo, capsys: Captured) -> None:
    repo.git("mv", "specs", "team")
    repo.commit("moved")
    repo.git("branch", "--force", "main")
    repo.write("team/chat/tune.yaml", LONGER)
    repo.commit("longer")
    repo.git("tag", "later")
    repo.git("reset", "--quiet", "--hard", "main")

    assert "1 changed, 3 stale" in planned(capsys, "--specs", "team", "--head", "later")[1]
    assert "7 never built here" in planned(capsys, "--specs", "team")[1]


def test_outside_of_git_the_message_says_the_way(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path / "specs" / "chat")
    code = run(commands, ["plan"])

    assert code == 1
    assert "is in no Git repository" in capsys.readouterr().err


def test_broken_specs_are_told_and_exit_1(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", "<<<<<<< HEAD\n")
    code = run(commands, ["plan"])

    assert code == 1
    assert "specs/chat/tune.yaml:1: an unresolved merge conflict" in capsys.readouterr().err


def test_the_comment_has_its_marker_first_then_a_line_then_a_table(
    repo: Repo, capsys: Captured
) -> None:
    repo.write("specs/chat/tune.yaml", LONGER)
    lines = planned(capsys, "--format", "md")[1].splitlines()

    assert lines[0] == MARKER == "<!-- tidemill-plan -->"
    assert lines[1] == "**Tidemill plan:** 1 changed, 3 stale; 5 reused."
    assert lines[3] == "| asset | | reason | estimate |"
    assert lines[5] == "| `chat/tune` | changed | `train.epochs`: `3` → `4` | no history yet |"


def test_the_comment_is_written_once_and_then_renewed(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryForge()
    number = memory.open_pull_request("edit", "main", "Longer", "").number
    monkeypatch.setattr(forge, "open_forge", lambda settings: memory, raising=False)
    monkeypatch.setenv("TIDEMILL_PROPOSAL", number)
    repo.write("specs/chat/tune.yaml", LONGER)
    first = run(commands, ["plan", "--post"])
    repo.write("specs/chat/tune.yaml", LONGER.replace("4", "5"))
    second = run(commands, ["plan", "--post"])

    assert (first, second) == (2, 2)
    assert len(memory.pages[number].comments) == 1
    assert "`3` → `5`" in memory.pages[number].comments[0]


def test_posting_outside_of_a_pull_request_says_so(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TIDEMILL_PROPOSAL", "CI_MERGE_REQUEST_IID", "GITHUB_REF", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(forge, "open_forge", lambda settings: MemoryForge(), raising=False)
    code = run(commands, ["plan", "--post"])

    assert code == 1
    assert "--post found no pull request" in capsys.readouterr().err


NASTY = (
    "x` | <img src=x onerror=alert(1)> [a](http://e.com) @everyone **b** \\` <!-- c -->\n# h | y"
)


def test_nothing_a_spec_says_can_leave_its_code_span(repo: Repo, capsys: Captured) -> None:
    text = COMPLETE["tune.yaml"] + f"description: {json.dumps(NASTY)}\ntrain: {{epochs: 4}}\n"
    repo.write("specs/chat/tune.yaml", text)
    out = planned(capsys, "--format", "md")[1]

    for line in out.splitlines():
        outside = "".join(line.split("`")[::2])
        assert not set("<@[!") & set(outside.replace("<details>", "").replace(MARKER, "")) or (
            outside.startswith(("<details", "</details", "<sub>"))
        )
        assert line.count("`") % 2 == 0
        if line.startswith("| "):
            assert line.count("|") == 5


def test_code_spans_hold_any_text() -> None:
    assert code("a`b|c\n# d") == "`a'b¦c # d`"
    assert code("") == "–"


def test_a_comment_ends_somewhere(
    repo: Repo, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_plan_markdown, "MAX_ROWS", 3)
    repo.write("specs/chat/tune.yaml", LONGER)

    assert "… and 1 more" in planned(capsys, "--format", "md")[1]


def test_the_shape_of_the_json_is_pinned(repo: Repo, capsys: Captured) -> None:
    repo.write("specs/chat/tune.yaml", LONGER)
    report = reported(capsys)

    assert list(report) == [
        "against",
        "base",
        "head",
        "working_tree",
        "ledger",
        "counts",
        "base_problems",
        "assets",
        "totals",
        "over_budget",
        "traffic",
        "approvals",
        "exit_code",
    ]
    assert report["counts"] == {
        "changed": 1,
        "new": 0,
        "stale": 3,
        "never_built": 0,
        "missing_artefact": 0,
        "blocked": 0,
        "removed": 0,
        "cosmetic": 0,
        "reused": 5,
    }
    assert asset(report, "tune")["fields"] == [{"path": "train.epochs", "old": 3.0, "new": 4.0}]
    assert report["exit_code"] == 2


def test_data_show_counts_and_shows_rows(repo: Repo, capsys: Captured) -> None:
    code = run(commands, ["data", "show", "requests", "--json"])
    told = json.loads(capsys.readouterr().out)
    run(commands, ["data", "show", "chat/requests", "-n", "1"])
    out = capsys.readouterr().out

    assert code == 0
    assert sum(told["rows"].values()) == 40
    assert told["not_read"] == ["feedback of 'stream'"]
    assert out.startswith("chat/requests: train ")
    assert "  train: request=question" in out


def test_data_diff_shows_rows_and_exits_with_2(repo: Repo, capsys: Captured) -> None:
    same = run(commands, ["data", "diff", "requests"])
    text = ROWS.replace("answer 3", "another") + '{"request": "new", "answer": "n"}\n'
    repo.write("specs/chat/data/requests.jsonl", text)
    code = run(commands, ["data", "diff", "requests"])
    out = capsys.readouterr().out
    run(commands, ["data", "diff", "requests", "--json"])
    told = json.loads(capsys.readouterr().out)

    assert (same, code) == (0, 2)
    assert "no row changes" in out
    assert "+ request=new  answer=n" in out
    assert "    answer: answer 3" in out
    assert told["any"] is True
    assert len(told["examples"]["added"]) == 1


def test_data_of_another_kind_is_refused_with_the_nearest_dataset(
    repo: Repo, capsys: Captured
) -> None:
    code = run(commands, ["data", "show", "tune"])

    assert code == 1
    assert "'tune' is a FineTune, not a Dataset; there are: requests" in capsys.readouterr().err
