"""Whether a person may agree to a change: on the list, not its author, signed where asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from tidemill.spec.trigger import ApprovalRule

How = Literal["signed", "unsigned", "merge"]


@dataclass(frozen=True)
class Identity:
    """Somebody who agrees, and how we know who it is."""

    who: str
    """E-mail address, or the principal that a signature was verified for."""
    how: How = "unsigned"
    name: str = ""
    """What Git calls the person; anybody may set it, so it counts only where nothing is proven."""
    key: str = ""
    """Fingerprint of the key that signed the statement, or the merge."""

    @property
    def proven(self) -> bool:
        """True where a known key signed."""
        return self.how != "unsigned" and bool(self.key)

    def answers_to(self, entry: str) -> bool:
        """True where a list that says `entry` means this person."""
        names = {self.who} if self.proven else {self.who, self.name} - {""}
        return bool({plain(name) for name in names} & {plain(entry), entry.strip().casefold()})


def refusal(
    identity: Identity,
    approval: ApprovalRule | None,
    *,
    authors: Collection[str] | None = (),
    given: Iterable[str] = (),
    signatures: bool = False,
) -> str | None:
    """Why this person may not agree; None where they may.

    `authors` wrote the change (`Name <address>` or an address); None where that is not known.
    `given` are those who agreed already. `signatures` asks for a signature of a known key.
    """
    who = identity.who
    allowed = approval.by if approval else ()
    if not who:
        return "nobody is named; set `git config user.email`"
    if signatures and not identity.proven:
        way_out = "set user.signingkey in Git's configuration, and `tidemill approve`"
        return f"{who} did not sign, and TIDEMILL_SIGNATURES asks for it; {way_out}"
    if allowed and not any(identity.answers_to(entry) for entry in allowed):
        return f"{who} may not approve; it takes {' or '.join(allowed)}"
    if approval and approval.not_by_author:
        if authors is None:
            return (
                "it is not known who wrote the change, and its author may not approve it; "
                "commit the specs and make the release from the commit"
            )
        if any(identity.answers_to(author) for author in authors):
            return f"{who} wrote the change, and its author may not approve it; ask somebody else"
    if any(plain(one) == plain(who) for one in given):
        return f"{who} approved it already"
    return None


def plain(name: str) -> str:
    """The address of `Name <address>`, without case; anything else without case."""
    inside = name.partition("<")[2].partition(">")[0]
    return (inside or name).strip().casefold()
