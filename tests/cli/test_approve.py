"""`tidemill approve`: an identity of Git's agrees, what it saw is kept, the controller goes on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.places import NOW, PROJECT, SERVICE, Shop, git
from tests.engine.arms import arm as arm_health
from tests.spec.conftest import COMPLETE

from tidemill.adapters.clock import SetClock
from tidemill.adapters.forge.memory import MemoryForge
from tidemill.adapters.git import signed_statements
from tidemill.adapters.git.signatures import TrustedSigners
from tidemill.adapters.ledger.approvals import approvals
from tidemill.adapters.memory.deployer import MemoryDeployer
from tidemill.cli import commands
from tidemill.control.approvals import Agreement
from tidemill.control.lock_pull_request import propose
from tidemill.control.rollout_controller import Controller
from tidemill.engine.trigger import TriggerVerdict
from tidemill.errors import NeedsApproval, ServiceError
from tidemill.records import Approval
from tidemill.terminal.shell import run

ASKS = {"approval": {"by": ["ann@shop.example"], "before_percent": 10}}
STEPS = {"steps": [{"percent": 10, "hold": "1s"}, {"percent": 100, "hold": "1s"}]}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """`a` is live; `b` was made from a commit of Bob's, and asks for Ann."""
    shop = Shop.open(tmp_path)
    monkeypatch.setenv("TIDEMILL_SPECS", str(shop.work / "specs"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("TIDEMILL_HOME", "GNUPGHOME", "TIDEMILL_GPG_HOME"):
        monkeypatch.delenv(name, raising=False)
    shop.go_live(shop.release("a"))
    (shop.project / "tune.yaml").write_text(COMPLETE["tune.yaml"] + "options: {r: 4}\n")
    shop.commit("Another rank")
    shop.ask(shop.release("b"), **STEPS, **ASKS)
    return shop


def be(shop: Shop, who: str) -> None:
    git(shop.work, "config", "user.email", f"{who}@shop.example")
    git(shop.work, "config", "user.name", who.title())


def approve(*arguments: str) -> int:
    return run(commands, ["approve", *arguments])


def given(shop: Shop, subject: str = "sha256:" + "b" * 64) -> list[Approval]:
    return shop.home().ledger.approvals.of_subject(subject)


def key(shop: Shop, name: str = "ann") -> Path:
    """An SSH key of somebody, made Git's signing key."""
    path = shop.root / f"key-{name}"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True)
    git(shop.work, "config", "gpg.format", "ssh")
    git(shop.work, "config", "user.signingkey", f"{path}.pub")
    return path


def allow(shop: Shop, path: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Say whose key it is."""
    allowed = shop.root / "allowed"
    with allowed.open("a") as file:
        file.write(f"{who} {path.with_suffix('.pub').read_text()}")
    monkeypatch.setenv("TIDEMILL_ALLOWED_SIGNERS", str(allowed))
    return allowed


def test_who_when_how_and_what_they_saw_is_kept(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    be(shop, "ann")
    assert approve(SERVICE, "--note", "read fifty answers") == 0
    (consent,) = given(shop)

    assert (consent.principal, consent.display_name, consent.method) == (
        "ann@shop.example",
        "Ann",
        "unsigned",
    )
    assert consent.note == "read fifty answers"
    assert consent.evidence.content["figures"][0]["low"] == 0.8
    assert consent.evidence.content["report"].startswith("sha256:")
    assert consent.evidence.content["gates"] == ["accuracy is at least 0.8"]
    assert consent.approved_at > NOW
    out = capsys.readouterr().out
    assert "accuracy         0.9 (0.8 to 0.95), 200 rows" in out
    assert "ann@shop.example approved release bbbbbbbbbbbb of chat (unsigned)" in out


def test_approving_twice_is_approving_once(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    be(shop, "ann")
    approve(SERVICE)
    assert approve(SERVICE, "--json") == 0

    assert len(given(shop)) == 1
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["who"] == "ann@shop.example"


def test_somebody_who_is_not_on_the_list_needs_approval(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve(SERVICE) == 3
    assert "bob@shop.example may not approve; allowed: ann@shop.example" in capsys.readouterr().err
    assert given(shop) == []


def test_nobody_at_all_is_told_to_say_who_they_are(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    git(shop.work, "config", "--unset", "user.email")

    assert approve(SERVICE) == 3
    assert (
        "the approver has no e-mail address; set `git config user.email`" in capsys.readouterr().err
    )


def strict(shop: Shop, letter: str = "c", **fields: Any) -> None:
    shop.ask(
        shop.release(letter, **fields),
        **STEPS,
        approval={"before_percent": 10, "not_by_author": True},
    )


def test_the_author_of_the_change_cannot_approve_it(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    strict(shop)
    assert approve(SERVICE) == 3
    assert "bob@shop.example wrote the change" in capsys.readouterr().err

    be(shop, "ann")
    assert approve(SERVICE) == 0


def test_an_author_is_whoever_wrote_or_co_wrote_any_commit_since_the_live_release(
    shop: Shop,
) -> None:
    (shop.project / "reply.j2").write_text("{{ request }}!")
    shop.commit("One\n\nCo-authored-by: Eve <eve@shop.example>", who="ann")
    (shop.project / "reply.j2").write_text("{{ request }}?")
    shop.commit("Two", who="dan")
    strict(shop)
    home = shop.home()

    assert Agreement(home.ledger, home.settings, home.clock).authors("sha256:" + "c" * 64) == {
        "Ann <ann@shop.example>",
        "Bob <bob@shop.example>",
        "Dan <dan@shop.example>",
        "Eve <eve@shop.example>",
    }
    for who, code in (("ann", 3), ("eve", 3), ("fay", 0)):
        be(shop, who)
        assert approve(SERVICE) == code


def test_a_release_of_uncommitted_specs_has_no_known_author(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    record = shop.home().ledger.materialisations.release("sha256:" + "b" * 64)
    assert record is not None
    strict(shop, commit={**asdict(record.commit), "dirty": True})
    be(shop, "ann")

    assert approve(SERVICE) == 3
    assert "the author of the change is unknown" in capsys.readouterr().err


def test_an_ssh_signature_is_made_verified_and_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(shop, "ann")
    allow(shop, key(shop), "ann@shop.example", monkeypatch)
    monkeypatch.setenv("TIDEMILL_SIGNATURES", "require")
    assert approve(SERVICE) == 0
    (consent,) = given(shop)
    signers = TrustedSigners(shop.root / "allowed")

    assert consent.method == "signed"
    assert consent.fingerprint.startswith("SHA256:")
    assert json.loads(consent.statement)["saw"]["report"] == consent.evidence.content["report"]
    said = consent.statement.encode()
    assert (
        signed_statements.verify(said, consent.signature, consent.principal, signers)
        == consent.fingerprint
    )
    with pytest.raises(NeedsApproval):
        signed_statements.verify(said + b" ", consent.signature, consent.principal, signers)
    with pytest.raises(NeedsApproval):
        signed_statements.verify(said, consent.signature, "eve@shop.example", signers)


def test_a_key_of_somebody_else_does_not_sign_in_my_name(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be(shop, "ann")
    allow(shop, key(shop, "bob"), "bob@shop.example", monkeypatch)

    assert approve(SERVICE) == 3
    assert "not an allowed signer for ann@shop.example" in capsys.readouterr().err
    assert given(shop) == []


def test_without_a_signature_nobody_approves_where_signatures_are_asked_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be(shop, "ann")
    monkeypatch.setenv("TIDEMILL_SIGNATURES", "require")

    assert approve(SERVICE) == 3
    assert "the approval by ann@shop.example is not signed" in capsys.readouterr().err


def test_a_signature_can_follow_words_without_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(shop, "ann")
    approve(SERVICE)
    allow(shop, key(shop), "ann@shop.example", monkeypatch)
    assert approve(SERVICE) == 0
    assert approve(SERVICE) == 0

    assert [consent.method for consent in given(shop)] == ["unsigned", "signed"]


def test_a_key_that_is_gone_is_told(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    be(shop, "ann")
    path = key(shop)
    allow(shop, path, "ann@shop.example", monkeypatch)
    path.unlink()
    path.with_suffix(".pub").unlink()

    assert approve(SERVICE) == 1
    assert "cannot sign with SSH" in capsys.readouterr().err
    assert given(shop) == []


def test_an_openpgp_signature_is_made_verified_and_kept(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keyring = Path("/tmp") / f"tidemill-gpg-{os.getpid()}"  # a socket's path may not be long
    keyring.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(keyring))
    try:
        made = ["--passphrase", "", "--quick-generate-key", "Ann <ann@shop.example>", "ed25519"]
        subprocess.run(["gpg", "--batch", "--quiet", *made], check=True, capture_output=True)
        git(shop.work, "config", "user.signingkey", "ann@shop.example")
        be(shop, "ann")
        assert approve(SERVICE) == 0
        (consent,) = given(shop)
        said, signers = consent.statement.encode(), TrustedSigners(gpg_home=keyring)

        assert consent.method == "signed"
        assert (
            signed_statements.verify(said, consent.signature, consent.principal, signers)
            == consent.fingerprint
        )
        with pytest.raises(NeedsApproval, match="the signing key is not in the keyring"):
            signed_statements.verify(said + b" ", consent.signature, consent.principal, signers)
        with pytest.raises(NeedsApproval, match=r"is of ann@shop.example, not of bob"):
            signed_statements.verify(said, consent.signature, "bob@shop.example", signers)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
        subprocess.run(["rm", "-r", str(keyring)], check=False)


def test_what_is_not_asked_for_cannot_be_approved(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    be(shop, "ann")
    assert approve(SERVICE, "--release", "ffff") == 1
    assert "no release under way is called 'ffff'" in capsys.readouterr().err
    assert approve(SERVICE, "--release", "bbbb") == 0
    assert approve("tune") == 1
    assert "'tune' is a FineTune; name a service or a Trigger" in capsys.readouterr().err
    shop.ask(shop.release("d"), approval=None)
    assert approve(SERVICE) == 1
    assert "Nothing to approve" in capsys.readouterr().err


class Walk:
    """The controller on a shop, with a clock that is set."""

    def __init__(self, shop: Shop, forge: MemoryForge | None = None, **environment: str) -> None:
        home = shop.home(**environment)
        self.ledger, self.clock = home.ledger, SetClock(NOW)
        self.deployer = MemoryDeployer()
        self.controller = Controller(
            ledger=home.ledger.rollouts,
            deployer=self.deployer,
            clock=self.clock,
            agreement=Agreement(
                home.ledger, home.settings, self.clock, (lambda: forge) if forge else None
            ),
        )

    def on(self, seconds: float = 40, times: int = 4) -> float:
        """The candidate's share after some looks."""
        for _ in range(times):
            self.clock.advance(timedelta(seconds=seconds))
            for arm in self.deployer.arms.get(SERVICE, ()):
                self.deployer.record_health(
                    SERVICE, arm.release, self.clock.now(), arm_health(99, 0, 0.1, 0.1)
                )
            self.controller.tick()
        return self.ledger.rollouts.newest(SERVICE)[0].percent


@pytest.fixture
def walk(shop: Shop) -> Callable[..., Walk]:
    return lambda *forge, **environment: Walk(shop, *forge, **environment)


def test_the_controller_waits_for_the_approval_and_goes_on_with_it(
    shop: Shop, walk: Callable[..., Walk]
) -> None:
    walking = walk()
    assert walking.on() == 10
    assert walking.ledger.rollouts.newest(SERVICE)[0].awaits_person

    be(shop, "ann")
    approve(SERVICE)
    assert walking.on() == 100
    assert given(shop)[0].step == 0


def test_an_approval_before_the_rollout_asks_counts_too(
    shop: Shop, walk: Callable[..., Walk]
) -> None:
    be(shop, "ann")
    approve(SERVICE)

    assert walk().on() == 100


def test_a_row_of_the_ledger_without_its_signature_moves_no_traffic(
    shop: Shop, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    be(shop, "ann")
    allowed = allow(shop, key(shop), "ann@shop.example", monkeypatch)
    approve(SERVICE)
    (real,) = given(shop)
    ledger = shop.home().ledger
    require = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(allowed)}
    with ledger.engine.begin() as connection:
        connection.execute(approvals.delete())
    for forged in (
        replace(real, signature="-----BEGIN SSH SIGNATURE-----\nAAAA\n", step=0),
        replace(real, statement=real.statement.replace("0.9", "0.99"), step=1),
        replace(real, method="unsigned", step=2),
        replace(real, method="merge", step=3),
    ):
        ledger.approvals.add(forged)
    walking = walk(**require)
    assert walking.on() == 10

    ledger.approvals.add(replace(real, step=4))
    assert walking.on() == 100


def test_another_releases_signature_is_no_approval_of_this_one(
    shop: Shop, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    be(shop, "ann")
    allowed = allow(shop, key(shop), "ann@shop.example", monkeypatch)
    approve(SERVICE)
    shop.ask(shop.release("c"), **STEPS, **ASKS)
    shop.home().ledger.approvals.add(replace(given(shop)[0], subject="sha256:" + "c" * 64))

    require = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(allowed)}
    assert walk(**require).on() == 10


def test_promote_is_an_approval_by_the_same_rules(shop: Shop, walk: Callable[..., Walk]) -> None:
    walking = walk()
    walking.on()
    (open_,) = walking.ledger.rollouts.in_progress(SERVICE)
    walking.ledger.rollouts.send_command(open_.id, "promote", "bob@shop.example")
    assert walking.on() == 10
    steps = walking.ledger.rollouts.decisions(open_.id)
    assert any("bob@shop.example may not approve" in step.reason for step in steps)

    walking.ledger.rollouts.send_command(open_.id, "promote", "ann@shop.example")
    assert walking.on() == 100
    assert [(c.principal, c.note) for c in given(shop)] == [("ann@shop.example", "rollout promote")]


def test_promote_does_not_get_around_signatures_or_the_author_rule(
    shop: Shop, walk: Callable[..., Walk]
) -> None:
    walking = walk(TIDEMILL_SIGNATURES="require")
    walking.on()
    (open_,) = walking.ledger.rollouts.in_progress(SERVICE)
    walking.ledger.rollouts.send_command(open_.id, "promote", "ann@shop.example")
    assert walking.on() == 10

    strict(shop)
    walking = walk()
    walking.on()
    (open_,) = walking.ledger.rollouts.in_progress(SERVICE)
    walking.ledger.rollouts.send_command(open_.id, "promote", "bob@shop.example")
    assert walking.on() == 10


def test_the_first_release_of_a_service_is_asked_for_as_well(tmp_path: Path) -> None:
    shop = Shop.open(tmp_path)
    shop.ask(shop.release("a"), **STEPS, **ASKS)
    walking = Walk(shop)
    walking.on()
    (open_,) = walking.ledger.rollouts.in_progress(SERVICE)
    assert open_.awaits_person
    assert "ann@shop.example has to approve the first release" in open_.reason
    assert walking.deployer.arms == {}

    walking.ledger.rollouts.send_command(open_.id, "promote", "ann@shop.example")
    walking.on()
    assert walking.ledger.rollouts.live_release(SERVICE) == "sha256:" + "a" * 64


def merge(shop: Shop, who: str, *, fast_forward: bool = False) -> None:
    """Open the lock's pull request and merge it as somebody, as a forge's button does."""
    propose(shop.home(), (), MemoryForge(), "main")
    how = "--ff-only" if fast_forward else "--no-ff"
    git(shop.work, "fetch", "--quiet", "origin")
    git(shop.work, "merge", "--quiet", how, "--no-edit", "tidemill/lock", who=who)


@pytest.fixture
def pushed(shop: Shop) -> Shop:
    git(shop.work, "push", "--quiet", "origin", "main")
    return shop


def test_merging_the_lock_that_wants_a_release_approves_it(
    pushed: Shop, walk: Callable[..., Walk]
) -> None:
    walking = walk()
    assert walking.on() == 10

    merge(pushed, "ann")
    assert walking.on() == 100
    (consent,) = given(pushed)
    assert (consent.principal, consent.method) == ("ann@shop.example", "merge")
    assert consent.evidence.content["merge"] == git(pushed.work, "rev-parse", "HEAD")


def test_a_merge_by_somebody_else_approves_nothing(pushed: Shop, walk: Callable[..., Walk]) -> None:
    merge(pushed, "dan")

    assert walk().on() == 10


def test_a_merge_that_was_reverted_approves_nothing_and_a_new_lock_takes_nothing_back(
    pushed: Shop, walk: Callable[..., Walk]
) -> None:
    merge(pushed, "ann")
    head = git(pushed.work, "rev-parse", "HEAD")
    git(pushed.work, "revert", "--no-edit", "-m", "1", "HEAD")
    assert walk().on() == 10

    git(pushed.work, "reset", "--quiet", "--hard", head)
    assert run(commands, ["lock", "--commit"]) == 0
    assert walk().on() == 100


def test_a_fast_forward_names_nobody_and_approves_nothing(
    pushed: Shop, walk: Callable[..., Walk]
) -> None:
    merge(pushed, "ann", fast_forward=True)

    assert walk().on() == 10
    assert given(pushed) == []


def squash(shop: Shop, by: str) -> MemoryForge:
    """Merge the lock's pull request as one commit of the forge's own."""
    forge = MemoryForge()
    proposal = propose(shop.home(), (), forge, "main")
    assert proposal is not None
    git(shop.work, "fetch", "--quiet", "origin")
    git(shop.work, "merge", "--quiet", "--squash", "tidemill/lock")
    forge.merge(proposal.number, by, shop.commit("Lock (#1)", who="bob"))
    return forge


def test_of_a_squashed_merge_the_forge_says_who_it_was(
    pushed: Shop, walk: Callable[..., Walk]
) -> None:
    pushed.ask(pushed.release("c"), **STEPS, approval={"by": ["ann-lee"], "before_percent": 10})
    forge = squash(pushed, "ann-lee")

    assert walk().on() == 10
    assert walk(MemoryForge()).on() == 10
    other = MemoryForge()
    other.merge(
        other.open_pull_request("tidemill/lock", "main", "", "").number, "ann-lee", "another commit"
    )
    assert walk(other).on() == 10
    assert walk(forge).on() == 100


def test_a_forges_login_cannot_show_that_it_is_not_the_author(
    pushed: Shop, walk: Callable[..., Walk]
) -> None:
    strict(pushed)

    assert walk(squash(pushed, "bobby")).on() == 10


def test_a_forge_that_does_not_answer_is_asked_again(
    pushed: Shop, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = squash(pushed, "ann@shop.example")
    walking = walk(forge)
    with monkeypatch.context() as patch:
        patch.setattr(forge, "find_pull_request", down)
        assert walking.on() == 10
    assert walking.on() == 100


def down(_: str) -> None:
    raise ServiceError("the forge does not answer")


def test_guardrails_are_looked_at_even_while_git_cannot_say_who_agreed(
    shop: Shop, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = {"guardrails": [{"signal": "error_rate", "at_most": 0.05}]}
    shop.ask(shop.release("c"), **STEPS, **ASKS, **limit)
    walking = walk()
    walking.on()
    monkeypatch.setattr(Agreement, "valid_approvals", lambda *_: down(""))
    bad = arm_health(100, 90, 0.1, 0.1)
    for _ in range(4):
        walking.clock.advance(timedelta(seconds=40))
        walking.deployer.record_health(SERVICE, "sha256:" + "c" * 64, walking.clock.now(), bad)
        walking.controller.tick()

    assert walking.ledger.rollouts.newest(SERVICE)[0].state == "rolled_back"


def test_where_signatures_are_asked_for_the_merge_has_to_be_signed(
    pushed: Shop, walk: Callable[..., Walk], monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = allow(pushed, key(pushed), "ann@shop.example", monkeypatch)
    require = {"TIDEMILL_SIGNATURES": "require", "TIDEMILL_ALLOWED_SIGNERS": str(allowed)}
    merge(pushed, "ann")
    assert walk(**require).on() == 10

    git(pushed.work, "reset", "--quiet", "--hard", "HEAD~1")
    git(pushed.work, "config", "merge.ff", "false")
    git(pushed.work, "merge", "-S", "--quiet", "--no-edit", "tidemill/lock", who="ann")
    assert walk(**require).on() == 100


RETRAIN = COMPLETE["retrain.yaml"] + "approval: {by: [ann@shop.example], not_by_author: true}\n"


@pytest.fixture
def asking(shop: Shop) -> Shop:
    """The trigger's conditions hold, and it asks."""
    (shop.project / "retrain.yaml").write_text(RETRAIN)
    decision = TriggerVerdict(False, "40 new rows", "approval", NOW, {"0:new_rows": {"rows": 40}})
    kept = shop.home().ledger.trigger_decisions.add(
        PROJECT, "retrain", decision, {}, ("rollout",), NOW
    )
    assert kept is not None
    return shop


def test_a_trigger_that_asks_becomes_decided(
    asking: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    be(asking, "ann")
    assert approve("retrain", "--note", "go") == 0
    (decided,) = asking.home().ledger.trigger_decisions.queued_decisions()
    (consent,) = given(asking, decided.key)

    assert decided.answered_by == "ann@shop.example"
    assert consent.evidence.content["reason"] == "40 new rows"
    assert approve("retrain") == 1
    assert "Nothing to approve" in capsys.readouterr().err


def test_a_trigger_too_is_approved_by_its_list_and_not_by_an_author(
    asking: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert approve("support-chat/retrain") == 3
    assert "may not approve" in capsys.readouterr().err
    asking.commit("Mine", who="ann")
    be(asking, "ann")
    assert approve("support-chat/retrain") == 3
    assert "ann@shop.example wrote the change" in capsys.readouterr().err
    assert asking.home().ledger.trigger_decisions.queued_decisions() == []


def test_killed_between_the_approval_and_the_decision_it_ends_the_same(
    asking: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tidemill.adapters.ledger.decisions import TriggerDecisionLedger

    be(asking, "ann")
    with monkeypatch.context() as patch:
        patch.setattr(TriggerDecisionLedger, "resolve_approval", lambda *_, **__: 1 / 0)
        assert approve("retrain") == 1
    assert approve("retrain") == 0

    (decided,) = asking.home().ledger.trigger_decisions.queued_decisions()
    assert len(given(asking, decided.key)) == 1
