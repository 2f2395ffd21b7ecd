"""A revert in Git brings the former release back, and nothing is trained for it."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from tests.sync.conftest import SPECS, Follow, Remote

from tidemill.control.git_sync import Follower, Outcome
from tidemill.errors import TidemillError
from tidemill.home import Home
from tidemill.local.dagster_home import prepare
from tidemill.progress import no_progress
from tidemill.records import RolloutUpdate
from tidemill_assets.run_decision import run_decision

MODEL = {
    "specs/desk/others.yaml": None,
    "specs/desk/encoder.yaml": """apiVersion: tidemill/v1
kind: Model
name: encoder
source: {type: path, path: weights}
task: sequence-classification
licence: Apache-2.0
""",
    "specs/desk/tune.yaml": """apiVersion: tidemill/v1
kind: FineTune
name: tune
base: encoder
dataset: rows
method: full
train: {epochs: 1, max_length: 32, seed: 1}
""",
    "specs/desk/quality.yaml": """apiVersion: tidemill/v1
kind: Evaluation
name: quality
of: tune
dataset: rows
metrics: [accuracy]
""",
    "specs/desk/release.yaml": """apiVersion: tidemill/v1
kind: Rollout
name: release
of: tune
judged_by: quality
service: desk
steps: [{percent: 100}]
""",
}


@pytest.fixture
def classifier(
    desk: Remote,
    tiny_encoder: Path,
    tmp_path: Path,
    follow: Follow,
    monkeypatch: pytest.MonkeyPatch,
) -> Remote:
    """The desk with a small model that is trained, judged and rolled out."""
    monkeypatch.setenv("DAGSTER_HOME", str(prepare(follow().home.settings)))
    shutil.copytree(tiny_encoder, desk.clone / "specs/desk/weights")
    desk.write(MODEL)
    desk.push("a classifier")
    return desk


def sync(follow: Follow) -> Outcome:
    """Look, and make what is asked for, as `tidemill sync --once` does."""
    follower = follow()
    outcome = follower.look()
    assert outcome.sync is not None
    for decided in follower.pending(outcome.sync):
        settings = follower.home.settings.with_specs(follower.specs(outcome.sync))
        run_decision(Home(settings), decided.key, outcome.sync.commit, no_progress)
    return outcome


def go_live(follower: Follower) -> str:
    """What the controller does with the open rollout; gives its release."""
    rollouts, now = follower.home.ledger.rollouts, follower.home.clock.now()
    (walking,) = rollouts.in_progress("desk")
    rollouts.record_decision(
        walking.id, RolloutUpdate("done", "it is well", state="live", percent=100.0), now
    )
    return walking.release


def trained(follower: Follower) -> int:
    """How many times a fine-tune took any time."""
    history = follower.home.ledger.materialisations.history("desk")
    return Counter(one.kind for one in history if one.seconds)["FineTune"]


@pytest.mark.slow
def test_a_revert_asks_for_the_former_release_and_makes_nothing(
    classifier: Remote, follow: Follow
) -> None:
    sync(follow)
    first = go_live(follow())
    classifier.change("seed: 1", "seed: 2", "specs/desk/tune.yaml")
    classifier.push("another seed")
    changed = sync(follow)
    second = go_live(follow())
    makings = trained(follow())
    classifier.git("revert", "--no-edit", "HEAD")
    classifier.git("push", "--quiet", "origin", "HEAD")

    reverted = sync(follow)

    assert [(i.name, i.state) for i in changed.items if i.is_rebuilt] == [
        ("tune", "changed"),
        ("quality", "stale"),
        ("release", "stale"),
    ]
    assert first != second
    assert reverted.reason == f"brings release {first[7:19]} of desk/release back"
    assert go_live(follow()) == first
    assert trained(follow()) == makings == 2
    classifier.change("name: tune", "name: tune\ndescription: The same.", "specs/desk/tune.yaml")
    classifier.push("words")
    assert sync(follow).reason == "nothing to build"

    shutil.rmtree(follow().home.release_folder(second))
    classifier.git("revert", "--no-edit", "HEAD~1")
    classifier.git("push", "--quiet", "origin", "HEAD")
    again = sync(follow)

    assert again.reason == "builds tune, quality, release of desk"
    assert trained(follow()) == 2


@pytest.mark.slow
def test_a_run_of_a_commit_that_was_reverted_meanwhile_brings_nothing_out(
    classifier: Remote, follow: Follow
) -> None:
    sync(follow)
    first = go_live(follow())
    classifier.change("seed: 1", "seed: 2", "specs/desk/tune.yaml")
    classifier.push("another seed")
    slow = follow()
    outcome = slow.look()
    assert outcome.sync is not None
    (decided,) = slow.pending(outcome.sync)
    home = Home(slow.home.settings.with_specs(slow.specs(outcome.sync)))
    slow.home.ledger.trigger_decisions.mark_started(decided.key, "", slow.home.clock.now())
    classifier.git("revert", "--no-edit", "HEAD")
    classifier.git("push", "--quiet", "origin", "HEAD")
    assert sync(follow).reason == "nothing to build"

    with pytest.raises(TidemillError, match="a newer commit changed or took away"):
        run_decision(home, decided.key, outcome.sync.commit, no_progress)

    assert follow().home.ledger.rollouts.in_progress("desk") == []
    assert follow().home.ledger.rollouts.live_release("desk") == first


@pytest.mark.slow
def test_a_deleted_project_stays_live_and_status_says_so(
    classifier: Remote, follow: Follow
) -> None:
    from tidemill.local.stack_status import stack_status
    from tidemill.local.status import OrphanService

    sync(follow)
    release = go_live(follow())
    classifier.write({"specs/till/rows.csv": SPECS["specs/desk/rows.csv"]})
    classifier.write({"specs/till/rows.yaml": SPECS["specs/desk/rows.yaml"]})
    classifier.git("rm", "-r", "--quiet", "specs/desk")
    classifier.push("another project instead")

    outcome = sync(follow)

    git = stack_status(follow().home.settings).git
    assert "desk/release was removed from Git; 'desk' stays live" in outcome.reason
    assert follow().home.ledger.rollouts.live_release("desk") == release
    assert git is not None
    assert git.applied is not None
    assert git.orphans == (OrphanService("desk", "desk"),)
    assert git.applied.subject == "another project instead"
