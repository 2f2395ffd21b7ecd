"""Which arm answers a request: shares by weight, and a subject stays with its arm."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tidemill.ports import Arm

FILE = "gateway.json"


@dataclass(frozen=True)
class Route:
    """The traffic shares of one service."""

    arms: tuple[Arm, ...]
    """The first one is live and gets what the others leave."""
    mode: Literal["split", "shadow"] = "split"
    """`shadow`: the others get copies of all requests and answer nobody."""

    @property
    def live(self) -> Arm:
        """The arm that answers where no other does."""
        return self.arms[0]

    def arm_for(self, bucket: float) -> Arm:
        """The arm of a bucket in [0, 100); a rising share keeps the subjects it has."""
        edge = 0.0
        if self.mode == "split":
            for arm in self.arms[1:]:
                edge += arm.percent
                if bucket < edge:
                    return arm
        return self.live

    @property
    def shadows(self) -> tuple[Arm, ...]:
        """Arms that get copies."""
        return self.arms[1:] if self.mode == "shadow" else ()

    @property
    def salt(self) -> str:
        """Changes with every candidate, so that it is not always the same people who try."""
        return self.arms[1].release if len(self.arms) > 1 else ""

    def arm_name(self, arm: Arm) -> str:
        """The arm's name in events."""
        if arm == self.live:
            return "live"
        return "shadow" if self.mode == "shadow" else "candidate"


def bucket(key: bytes, salt: str, subject: str) -> float:
    """The position of a subject in [0, 100), by a keyed hash."""
    # A name may be any bytes that a client sent.
    text = f"{salt}\0{subject}".encode("utf-8", "surrogatepass")
    digest = hmac.digest(key, text, hashlib.sha256)
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


class RouteFile:
    """The routes of all services in one file, replaced whole; the gateway reads each change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._routes: Mapping[str, Route] = {}

    def read(self) -> Mapping[str, Route]:
        """The routes now; the file is parsed again only when it was replaced."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._seen, self._routes = None, {}
            return self._routes
        stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
        if stamp != self._seen:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
            self._routes = {name: _route(value) for name, value in raw.items()}
            self._seen = stamp
        return self._routes

    def set(self, service: str, route: Route | None) -> None:
        """Replace the route of one service; None takes the service away."""
        routes = {**self.read()}
        routes.pop(service, None)
        if route is not None:
            routes[service] = route
        text = json.dumps({name: asdict(value) for name, value in routes.items()}, indent=1)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.replace(self.path)


def shares(arms: Sequence[Arm]) -> dict[str, float]:
    """Percent by release, as it is compared after a change."""
    return {arm.release: float(arm.percent) for arm in arms}


def _route(value: Any) -> Route:
    return Route(tuple(Arm(**arm) for arm in value["arms"]), value.get("mode", "split"))
