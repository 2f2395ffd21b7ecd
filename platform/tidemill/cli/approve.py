"""Approve a rollout or a trigger decision with your Git identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidemill.errors import NeedsApproval, TidemillError, UnknownName
from tidemill.settings import Settings
from tidemill.terminal.shell import examples_epilog, json_option, pass_settings, print_json

if TYPE_CHECKING:
    from tidemill.control.approvals import Agreement
    from tidemill.home import Home
    from tidemill.records import Approval, RolloutRecord


@click.command(
    epilog=examples_epilog(
        "tidemill approve support-chat --note 'read fifty answers'",
        "tidemill approve support-chat/retrain",
    )
)
@click.argument("name", metavar="SERVICE|TRIGGER")
@click.option("--release", metavar="DIGEST", help="Approve only this release.")
@click.option("--note", default="", help="Reason, stored with the approval.")
@json_option
@pass_settings
def command(settings: Settings, name: str, release: str | None, note: str, as_json: bool) -> None:
    """Approve a rollout or a trigger decision with your Git identity.

    What you agree to is printed, signed with Git's signing key where TIDEMILL_ALLOWED_SIGNERS (SSH)
    or TIDEMILL_GPG_HOME (OpenPGP) say whose keys count, and kept; the controller goes on at its
    next look. Exit code 3 where you may not.
    """
    from tidemill.control.approvals import Agreement, format_evidence
    from tidemill.home import Home

    home = Home(settings)
    agreement = Agreement(home.ledger, settings, home.clock)
    if name in home.ledger.rollouts.services():
        consent, fresh = _rollout(home, agreement, name, release, note)
    elif release:
        raise UnknownName("service", name, home.ledger.rollouts.services())
    else:
        consent, fresh = _trigger(home, agreement, name, note)
    if as_json:
        print_json(consent.to_dict())
        return
    for line in format_evidence(consent.evidence):
        click.echo(f"  {line}")
    how = f"signed, {consent.fingerprint}" if consent.method == "signed" else consent.method
    before = "" if fresh else " before"
    click.echo(f"{consent.principal} approved {_describe(consent)}{before} ({how})")


def _rollout(
    home: Home, agreement: Agreement, service: str, release: str | None, note: str
) -> tuple[Approval, bool]:
    walking = _candidate(home, service, release)
    approval = walking.spec.parse().approval
    if approval is None and not walking.awaits_person:
        raise TidemillError(
            f"Nothing to approve: the rollout of '{service}' continues on its own; see `tidemill "
            "status`"
        )
    identity = agreement.person()
    why_not = agreement.refusal(identity, approval, walking.release)
    if why_not:
        raise NeedsApproval(why_not)
    return agreement.once(agreement.of_rollout(walking, identity, note))


def _trigger(home: Home, agreement: Agreement, name: str, note: str) -> tuple[Approval, bool]:
    from tidemill.spec.trigger import Trigger

    project, spec_name = home.find_spec(name)
    spec = home.project(project).specs[spec_name].spec
    if not isinstance(spec, Trigger):
        raise TidemillError(f"'{name}' is a {spec.kind}; name a service or a Trigger")
    open_decisions = [
        decision
        for decision in home.ledger.trigger_decisions.needing_approval()
        if (decision.project, decision.trigger) == (project, spec_name)
    ]
    if not open_decisions:
        raise TidemillError(
            f"Nothing to approve: trigger '{name}' needs no approval; see `tidemill trigger "
            f"explain {spec_name}`"
        )
    decided, identity = open_decisions[-1], agreement.person()
    agreement.may_take(decided, identity, spec.approval)
    consent = agreement.of_decision(decided, identity, note)
    recorded, fresh = agreement.once(consent)
    home.ledger.trigger_decisions.resolve_approval(
        decided.key, identity.principal, home.clock.now(), approved=True
    )
    return recorded, fresh


def _candidate(home: Home, service: str, release: str | None) -> RolloutRecord:
    open_ = home.ledger.rollouts.in_progress(service)
    live = home.ledger.rollouts.live_rollout(service)
    open_ = open_ or [row for row in (live,) if row is not None and row.awaits_person]
    if not open_:
        raise TidemillError(f"Nothing to approve: '{service}' has no rollout in progress")
    if release is None:
        return open_[-1]
    prefix = release.removeprefix("sha256:")
    matches = [w for w in open_ if w.release.removeprefix("sha256:").startswith(prefix)]
    if len(matches) != 1:
        raise UnknownName("release under way", release, [w.release for w in open_])
    return matches[0]


def _describe(consent: Approval) -> str:
    if consent.kind == "decision":
        return f"run {consent.subject}"
    return f"release {consent.subject.removeprefix('sha256:')[:12]} of {consent.name}"
