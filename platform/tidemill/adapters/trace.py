"""Reads what the ledger knows of one answer, and holds every digest against the bytes on disk."""

from __future__ import annotations

from typing import Any

from tidemill.adapters.home import Home
from tidemill.engine.provenance import Link, as_json, trail
from tidemill.errors import ArtefactError, TidemillError


def trace(home: Home, response_id: str) -> dict[str, Any]:
    """The trail of one answer, each digest compared with the bytes on disk."""
    inference = home.ledger.events.response(response_id)
    if inference is None:
        raise TidemillError(
            f"no answer '{response_id}' is in the ledger; its event may still be on its way "
            "(see `tidemill status`), or another home served it (see TIDEMILL_HOME)"
        )
    release = home.ledger.assets.release(inference["release"])
    if release is None:
        raise TidemillError(
            f"the ledger has the answer but not its release {inference['release'][:19]}; "
            "it was made with another ledger (see TIDEMILL_LEDGER_URL)"
        )
    links = checked(home, trail(inference, release, decided(home, release)))
    return {
        "response_id": response_id,
        "verified": all(link["bytes_match"] is not False for link in links),
        "links": links,
    }


def decided(home: Home, release: dict[str, Any]) -> list[dict[str, Any]]:
    """The decisions of the newest rollout of a release."""
    walks = home.ledger.rollouts.newest(release["service"], limit=1000)
    mine = [walking for walking in walks if walking.release == release["digest"]]
    return home.ledger.rollouts.steps(mine[0].id) if mine else []


def checked(home: Home, links: list[Link]) -> list[dict[str, Any]]:
    """Links as dictionaries with `bytes_match`: True, False, or None where there are no bytes."""
    found = as_json(links)
    for link in found:
        link["bytes_match"], link["folder"] = None, None
        if link["digest"] and link["what"] not in ("spec", "release"):
            try:
                link["folder"] = str(home.store.verify(link["digest"]).path)
                link["bytes_match"] = True
            except ArtefactError as error:
                link["bytes_match"], link["problem"] = False, str(error)
    return found
