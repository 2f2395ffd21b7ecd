"""How long to wait before a forge is asked again: its own words where it says, else ever longer.

Pure: values and `now` in, seconds out. The rules are those of GitHub ("Rate limits for the REST
API") and GitLab ("Rate limits", "Rate limit headers") as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

UNWELL = frozenset({408, 500, 502, 503, 504})
"""Statuses of a server, or of a proxy before it, that may be well again in a moment."""
_A_MINUTE = 60.0


def limited(status: int, headers: Mapping[str, str], text: str) -> bool:
    """True where the answer is a rate limit and not a refusal: GitHub says both with 403."""
    if status == 429:
        return True
    said = "rate limit" in text.lower() or "abuse detection" in text.lower()
    spent = headers.get("x-ratelimit-remaining") == "0"
    return status == 403 and (said or spent or "retry-after" in headers)


def until_allowed(headers: Mapping[str, str], attempt: int, now: datetime) -> float:
    """Seconds until a rate-limited request may be sent again.

    `retry-after` wins; then the moment at which a spent allowance is filled up again; else a
    minute, and twice as long each time after (GitHub's secondary limits say no more than that).
    """
    asked = asked_for(headers, now)
    if asked is not None:
        return asked
    spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) in ("0", None)
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    if spent and reset.isdigit():
        return max(1.0, int(reset) - now.timestamp() + 1.0)
    return float(_A_MINUTE * 2**attempt)


def asked_for(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a `retry-after` header, which is a number or a date; None without one."""
    said = headers.get("retry-after", "").strip()
    if said.isdigit():
        return float(said)
    try:
        moment = parsedate_to_datetime(said)
        return max(0.0, (moment - now) / timedelta(seconds=1))
    except (ValueError, TypeError):
        return None


def until_well(headers: Mapping[str, str], attempt: int, now: datetime) -> float:
    """Seconds before a server that failed is asked again: as it says, else 1, 2, 4, 8, …"""
    asked = asked_for(headers, now)
    return asked if asked is not None else float(2**attempt)
