"""Following a branch: what takes effect, what is refused, and what stays as it is meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from tests.sync.conftest import SPECS, Follow, Remote
from tests.sync.test_signatures import Keys, signed

from tidemill.adapters.forge import MemoryForge
from tidemill.adapters.ledger import lease_owner
from tidemill.control.git_sync import CONTEXT, LEASE, Follower, Outcome
from tidemill.engine.release_record import SpecCommit
from tidemill.home import Home
from tidemill.ports import Materialisation


def current(follower: Follower) -> str | None:
    return follower.trees.current_commit()


def made(follower: Follower, name: str, *, seconds: float = 1.0) -> None:
    """A record as if an asset of the current commit had been made."""
    home = Home(follower.home.settings)
    builder = home.builder("desk")
    folder = home.settings.home / "made" / name
    folder.mkdir(parents=True)
    (folder / "rows.txt").write_text(name)
    home.ledger.materialisations.add(
        Materialisation(
            project="desk",
            name=name,
            kind="Dataset",
            version="v",
            spec_digest=builder.spec_digest(name),
            artefact=home.store.put(folder, kind="dataset").digest,
            steps={},
            inputs={},
            commit=SpecCommit(),
            tools={},
            measures=(),
            checks=(),
            facts={},
            started_at=home.clock.now(),
            seconds=seconds,
        )
    )


def asked(follower: Follower) -> list[tuple[str, tuple[str, ...], str]]:
    """Runs that syncs asked for: project, targets, state."""
    decisions = follower.home.ledger.trigger_decisions.sync_requests("@git/")
    return [(one.project, one.assets, one.state) for one in decisions]


def test_the_first_commit_is_applied_and_its_assets_are_asked_for(
    desk: Remote, follow: Follow
) -> None:
    outcome = follow().look()

    assert (outcome.came, outcome.code) == ("applied", 2)
    assert outcome.reason == "builds others, rows of desk"
    assert asked(follow()) == [("desk", ("others", "rows"), "queued")]
    assert (follow().home.settings.specs / "desk/rows.yaml").exists()


def test_a_second_look_finds_nothing_to_do(desk: Remote, follow: Follow) -> None:
    follow().look()

    outcome = follow().look()

    assert (outcome.came, outcome.code, outcome.news) == ("in-sync", 0, False)
    assert len(asked(follow())) == 1


def test_only_what_a_commit_changed_is_asked_for(desk: Remote, follow: Follow) -> None:
    follow().look()
    for name in ("rows", "others"):
        made(follow(), name)
    desk.change("sources:", "minimum_rows: 7\nsources:")
    desk.push("more rows")

    outcome = follow().look()

    assert [(i.name, i.state) for i in outcome.items] == [("others", "reused"), ("rows", "changed")]
    assert asked(follow())[-1] == ("desk", ("rows",), "queued")


def test_a_changed_description_starts_nothing(desk: Remote, follow: Follow) -> None:
    follow().look()
    for name in ("rows", "others"):
        made(follow(), name)
    desk.change("name: rows", "name: rows\ndescription: What people ask.")
    sha = desk.push("words")

    outcome = follow().look()

    assert (outcome.came, outcome.reason) == ("applied", "nothing to build")
    assert current(follow()) == sha
    assert len(asked(follow())) == 1


def test_a_broken_commit_changes_nothing_and_says_where_it_is_broken(
    desk: Remote, follow: Follow
) -> None:
    follow().look()
    before = current(follow())
    desk.change("kind: Dataset", "kind: Datasets")
    desk.push("broken")

    outcome = follow().look()
    again = follow().look()

    assert (outcome.came, outcome.code) == ("refused", 1)
    assert outcome.reason == (
        "a problem: specs/desk/rows.yaml:2: 'kind: Datasets' is no kind of spec; "
        "did you mean 'Dataset'?"
    )
    assert not again.news
    assert current(follow()) == before
    assert len(asked(follow())) == 1


def test_a_commit_without_the_specs_folder_is_broken(desk: Remote, follow: Follow) -> None:
    follow().look()
    before = current(follow())
    desk.push("all gone", **dict.fromkeys(SPECS), README="nothing")

    outcome = follow().look()

    assert outcome.reason.startswith("a problem: specs:1: there is no such folder")
    assert current(follow()) == before


def test_a_good_commit_after_a_refused_one_is_applied(desk: Remote, follow: Follow) -> None:
    follow().look()
    desk.change("kind: Dataset", "kind: Datasets")
    desk.push("broken")
    follow().look()
    desk.git("revert", "--no-edit", "HEAD")
    sha = desk.push("mended")

    assert follow().look().came == "applied"
    assert current(follow()) == sha


def test_a_commit_over_budget_is_refused_with_exit_code_3(desk: Remote, follow: Follow) -> None:
    follow().look()
    made(follow(), "rows", seconds=7200)
    before = current(follow())
    desk.change("sources:", "minimum_rows: 7\nbudget: {hours: 1}\nsources:")
    desk.push("too dear")

    outcome = follow().look()

    assert (outcome.came, outcome.code) == ("refused", 3)
    assert "desk/rows will take about 2 hours" in outcome.reason
    assert current(follow()) == before


def test_every_new_commit_has_to_be_signed_not_only_the_newest(
    desk: Remote, follow: Follow, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "keys")
    policy = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(keys.allowed)}
    ada = keys.make("ada")
    first = signed(desk, ada)
    desk.git("push", "--quiet", "origin", "HEAD")
    outcome = follow(**policy).look()
    assert outcome.came == "applied"
    assert outcome.sync is not None
    assert outcome.sync.signer.startswith("ada@example.com (SHA256:")
    below = desk.commit("unsigned, below")
    signed(desk, ada)
    desk.git("push", "--quiet", "origin", "HEAD")

    refused = follow(**policy).look()

    assert (refused.came, refused.code) == ("refused", 1)
    assert refused.reason.startswith(f"1 of 2 new commits: {below[:10]} is not signed")
    assert current(follow()) == first


def test_an_unsigned_commit_is_let_in_once_the_policy_allows_it(
    desk: Remote, follow: Follow
) -> None:
    assert follow(TIDEMILL_SIGNATURES="require").look().came == "refused"

    assert follow().look().came == "applied"


def test_a_forced_push_is_followed_and_said(desk: Remote, follow: Follow) -> None:
    follow().look()
    second = desk.push("second", **{"specs/desk/note.txt": "x"})
    follow().look()
    desk.git("reset", "--quiet", "--hard", "HEAD~1")
    third = desk.push("third", **{"specs/desk/note.txt": "y"})

    outcome = follow().look()

    assert outcome.came == "applied"
    assert f"the branch was rewritten: {second[:10]} is not in it" in outcome.reason
    assert current(follow()) == third


def test_a_branch_that_goes_back_to_a_commit_applies_it_again(desk: Remote, follow: Follow) -> None:
    follow().look()
    first = current(follow())
    desk.push("second")
    follow().look()
    desk.git("reset", "--quiet", "--hard", "HEAD~1")
    desk.git("push", "--quiet", "--force", "origin", "HEAD")

    assert follow().look().came == "applied"
    assert current(follow()) == first


def test_a_remote_that_goes_away_leaves_the_last_good_state_and_comes_back(
    desk: Remote, follow: Follow
) -> None:
    follow().look()
    before = current(follow())
    away = desk.bare.with_name("away.git")
    desk.bare.rename(away)

    gone, again = follow().look(), follow().look()
    away.rename(desk.bare)

    assert (gone.came, gone.code, gone.news, again.news) == ("unreachable", 1, True, False)
    assert "the next poll tries again" in gone.reason
    assert current(follow()) == before
    assert follow().look().came == "in-sync"


def test_a_deleted_project_leaves_the_specs(desk: Remote, follow: Follow) -> None:
    desk.push("a second project", **{"specs/till/rows.yaml": SPECS["specs/desk/rows.yaml"]})
    desk.write({"specs/till/rows.csv": "text,label\nx,a\n"})
    desk.push("its rows")
    follow().look()
    desk.git("rm", "-r", "--quiet", "specs/till")
    desk.push("away with it")

    outcome = follow().look()

    assert [i.key for i in outcome.items if i.state == "removed"] == ["till/rows"]
    assert set(Home(follow().home.settings).workspace.projects) == {"desk"}


def test_runs_that_did_not_start_give_way_to_the_newer_commits(
    desk: Remote, follow: Follow
) -> None:
    follow().look()
    desk.push("second", **{"specs/desk/rows.csv": SPECS["specs/desk/rows.csv"] + "one more,a\n"})

    follow().look()

    assert asked(follow()) == [
        ("desk", ("others", "rows"), "refused"),
        ("desk", ("others", "rows"), "queued"),
    ]


def test_the_commit_status_and_the_event_say_what_came_of_it(desk: Remote, follow: Follow) -> None:
    forge = MemoryForge()
    events: list[tuple[str, object]] = []
    follower = follow()

    def tell(_home: Home, what: str, *_names: str, **facts: object) -> None:
        events.append((what, facts["commit"]))

    seeing = Follower(follower.home, forge=lambda _settings: forge, tell=tell)
    seeing.look()
    first = current(follower)
    desk.change("kind: Dataset", "kind: Datasets")
    broken = desk.push("broken")
    seeing.look()
    seeing.look()

    assert forge.statuses[str(first), CONTEXT] == ("success", "builds others, rows of desk")
    assert forge.statuses[broken, CONTEXT][0] == "failure"
    assert events == [("commit-applied", first), ("commit-refused", broken)]


def test_of_two_syncs_one_works_and_the_other_waits(desk: Remote, follow: Follow) -> None:
    outcomes: list[Outcome] = []
    syncs = [
        threading.Thread(target=lambda: outcomes.append(follow().look(timedelta(seconds=60))))
        for _ in range(2)
    ]
    for sync in syncs:
        sync.start()
    for sync in syncs:
        sync.join()

    assert sorted(outcome.came for outcome in outcomes) == ["applied", "in-sync"]
    assert len(asked(follow())) == 1


def test_a_sync_that_must_not_wait_says_that_another_works(desk: Remote, follow: Follow) -> None:
    leases = follow().home.ledger.leases
    with leases.hold(LEASE, "elsewhere 1 2.0 word"):
        outcome = follow().look()

    assert (outcome.came, outcome.code) == ("busy", 1)


def test_a_killed_holder_is_not_waited_for(desk: Remote, follow: Follow) -> None:
    code = "from tidemill.adapters.ledger.lease_owner import current_owner; print(current_owner())"
    dead = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    home = follow().home
    home.ledger.leases.acquire(LEASE, dead.stdout.strip(), timedelta(hours=1), home.clock.now())

    assert follow().look().came == "applied"
    assert not lease_owner.has_ended(lease_owner.current_owner())
    assert not lease_owner.has_ended("elsewhere 1 2.0 word")


def test_without_a_remote_it_says_which_setting_is_missing(tmp_path: Path) -> None:
    from tidemill.control.git_sync import follower
    from tidemill.errors import ServiceError
    from tidemill.settings import Settings

    settings = Settings.read({"TIDEMILL_HOME": str(tmp_path)})

    with pytest.raises(ServiceError, match="set TIDEMILL_GIT_REMOTE, or use --remote"):
        follower(settings).look()
