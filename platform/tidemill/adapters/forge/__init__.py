"""Forges: where people read changes, talk about them and merge them.

    forge = open_forge(settings)
    forge.comment(number, markdown, marker="tidemill:plan")

GitHub and GitLab by their published APIs, any other Git remote by refs of its own, and a twin in
memory for tests.
"""

from __future__ import annotations

from tidemill.adapters.forge.detect import choose, parse, proposal_number
from tidemill.adapters.forge.memory import MemoryForge
from tidemill.adapters.git.command import try_git
from tidemill.ports import Forge
from tidemill.settings import Settings

__all__ = ["MemoryForge", "open_forge", "proposal_number"]


def open_forge(settings: Settings) -> Forge:
    """The forge that holds the specs: as TIDEMILL_FORGE says, else where continuous integration
    runs, else by the address of the Git remote, else the plain remote itself.

    Raises ServiceError where the token or the repository's name is missing.
    """
    forge = settings.forge
    remote = try_git(settings.specs, "remote", "get-url", forge.remote) or ""
    address = parse(remote.strip())
    kind = choose(forge, address)
    if kind == "github":
        from tidemill.adapters.forge.github import GitHub

        return GitHub.open(forge.github, address)
    if kind == "gitlab":
        from tidemill.adapters.forge.gitlab import GitLab

        return GitLab.open(forge.gitlab, address)
    from tidemill.adapters.forge.git_only import PlainForge

    return PlainForge(settings.specs, forge.remote)
