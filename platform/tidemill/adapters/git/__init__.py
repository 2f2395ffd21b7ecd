"""Git, through the `git` command: where the specs stand, and what happens to them."""

from tidemill.adapters.git.repository import GitRepository

__all__ = ["GitRepository"]
