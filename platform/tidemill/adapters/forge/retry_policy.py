"""Seconds to wait before a request is sent to a forge again: as it asks, else ever longer.

Pure: values and `now` in, seconds out. The rules are those of GitHub ("Rate limits for the REST
API") and GitLab ("Rate limits", "Rate limit headers") as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

RETRYABLE_STATUS = frozenset({408, 500, 502, 503, 504})
"""Statuses of a server, or of a proxy before it, that may be well again in a moment."""
_FIRST_WAIT = 60.0
"""Seconds after the first rate limit that says nothing of its end."""


def is_rate_limited(status: int, headers: Mapping[str, str], text: str) -> bool:
    """True where the answer is a rate limit and not a refusal: GitHub says both with 403."""
    if status == 429:
        return True
    in_words = "rate limit" in text.lower() or "abuse detection" in text.lower()
    spent = headers.get("x-ratelimit-remaining") == "0"
    return status == 403 and (in_words or spent or "retry-after" in headers)


def rate_limit_wait(headers: Mapping[str, str], attempt: int, now: datetime) -> float:
    """Seconds until a rate-limited request may be sent again.

    `retry-after` wins; then the moment at which a spent allowance is filled up again; else a
    minute, and twice as long each time after (GitHub's secondary limits say no more than that).
    """
    pause = retry_after(headers, now)
    if pause is not None:
        return pause
    spent = headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining")) in ("0", None)
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", ""))
    if spent and reset.isdigit():
        return max(1.0, int(reset) - now.timestamp() + 1.0)
    return float(_FIRST_WAIT * 2**attempt)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds of a `retry-after` header, which is a number or a date; None without one."""
    value = headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment - now) / timedelta(seconds=1))
    except (ValueError, TypeError):
        return None


def server_error_wait(headers: Mapping[str, str], attempt: int, now: datetime) -> float:
    """Seconds before a server that failed is asked again: as it says, else 1, 2, 4, 8, …"""
    pause = retry_after(headers, now)
    return pause if pause is not None else float(2**attempt)
