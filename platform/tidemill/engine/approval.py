"""Whether a person may approve a change: allowed, not its author, signed where required."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from tidemill.spec.trigger import ApprovalRule

Method = Literal["signed", "unsigned", "merge"]


@dataclass(frozen=True)
class Identity:
    """The approver, and how the identity is known."""

    principal: str
    """E-mail address, or the principal that a signature was verified for."""
    method: Method = "unsigned"
    name: str = ""
    """What Git calls the person; anybody may set it, so it counts only where nothing is proven."""
    fingerprint: str = ""
    """Fingerprint of the key that signed the statement, or the merge."""

    @property
    def is_signed(self) -> bool:
        """True where a known key signed."""
        return self.method != "unsigned" and bool(self.fingerprint)

    def matches(self, entry: str) -> bool:
        """True where a list that says `entry` means this person."""
        names = {self.principal} if self.is_signed else {self.principal, self.name} - {""}
        return bool(
            {normalise_principal(name) for name in names}
            & {normalise_principal(entry), entry.strip().casefold()}
        )


def refusal_reason(
    identity: Identity,
    approval: ApprovalRule | None,
    *,
    authors: Collection[str] | None = (),
    earlier_principals: Iterable[str] = (),
    signatures: bool = False,
) -> str | None:
    """The reason why this person may not approve; None where they may.

    `authors` wrote the change (`Name <address>` or an address); None where that is unknown.
    `earlier_principals` approved it before. `signatures` requires a signature of a known key.
    """
    principal = identity.principal
    allowed = approval.by if approval else ()
    if not principal:
        return "the approver has no e-mail address; set `git config user.email`"
    if signatures and not identity.is_signed:
        cause = f"the approval by {principal} is not signed, and TIDEMILL_SIGNATURES requires it"
        return f"{cause}; set user.signingkey in Git's configuration, and `tidemill approve`"
    if allowed and not any(identity.matches(entry) for entry in allowed):
        return f"{principal} may not approve; allowed: {', '.join(allowed)}"
    if approval and approval.not_by_author:
        if authors is None:
            return (
                "the author of the change is unknown, and authors may not approve their own "
                "change; commit the specs and build the release from the commit"
            )
        if any(identity.matches(author) for author in authors):
            return (
                f"{principal} wrote the change, and authors may not approve their own change; "
                "ask someone else"
            )
    if any(
        normalise_principal(earlier) == normalise_principal(principal)
        for earlier in earlier_principals
    ):
        return f"{principal} already approved it"
    return None


def normalise_principal(name: str) -> str:
    """The address of `Name <address>`, without case; anything else without case."""
    inside = name.partition("<")[2].partition(">")[0]
    return (inside or name).strip().casefold()
