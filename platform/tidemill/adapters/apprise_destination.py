"""Destinations of notifications through apprise: Slack, Teams, e-mail, webhooks and a hundred more.

An apprise URL holds its secrets anywhere: as user, host, path or parameter. So nothing of it but
the scheme is ever shown, and what apprise logs is kept from this process's log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tidemill.engine.notification import Notification
from tidemill.errors import MissingExtra, ServiceError, SettingsError, suggest
from tidemill.settings import NotifySettings

_VARIABLE = "TIDEMILL_NOTIFY_URLS"
_SHORTEST = 3
"""Characters of a URL's part from which on it is taken out of every text."""
_apprise_log, _http_log = logging.getLogger("apprise"), logging.getLogger("urllib3")


@dataclass(frozen=True)
class AppriseDestination:
    """One apprise URL."""

    name: str
    """`destination 2 (slack)`."""
    service: Any = field(repr=False)
    """Apprise's plugin for the URL."""
    url: str = field(repr=False)

    def send(self, notification: Notification) -> None:
        """Send one message; raises ServiceError with what apprise says, without secrets."""
        from apprise import Apprise

        messenger = Apprise()
        messenger.add(self.service)
        with _apprise_warnings() as warnings:
            sent = messenger.notify(
                title=notification.subject,
                body=notification.text,
                notify_type=notification.severity,
                body_format="text",
            )
        if not sent:
            reason = redact(warnings[-1] if warnings else "apprise does not say why", self.url)
            raise ServiceError(f"{self.name}: {reason}")


def open_destinations(settings: NotifySettings) -> tuple[AppriseDestination, ...]:
    """The destinations of the environment, none where none is set.

    Raises SettingsError with every URL that is none, and MissingExtra without apprise.
    """
    urls = settings.urls
    if not urls:
        return ()
    try:
        from apprise import Apprise
    except ImportError:
        raise MissingExtra("apprise", "notify") from None
    destinations, problems = [], []
    for number, url in enumerate(urls, 1):
        scheme = _scheme(url)
        with _apprise_warnings():
            service = Apprise.instantiate(url)
        if service is None:
            problems.append(f"{_VARIABLE}: destination {number} {_problem(scheme)}")
        destinations.append(AppriseDestination(f"destination {number} ({scheme})", service, url))
    if problems:
        raise SettingsError(problems)
    return tuple(destinations)


def redact(text: str, url: str) -> str:
    """The text in one line, with `***` for every part of the URL but its scheme."""
    parts = re.split(r"[/:@?&=,;#]+", url.partition("://")[2])
    secrets = {form for part in parts for form in (part, unquote(part)) if len(form) >= _SHORTEST}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return " ".join(text.split())


def _scheme(url: str) -> str:
    """`slack` of `slack://…`; empty where the URL has none."""
    match = re.match(r"([A-Za-z0-9]{1,20})://", url)
    return match[1].lower() if match else ""


def _problem(scheme: str) -> str:
    """What is wrong with a URL that apprise does not take, and the way out."""
    from apprise import Apprise

    if not scheme:
        return "has no scheme; write an apprise URL such as slack://… or mailto://…"
    plugins = Apprise().details()["schemas"]
    names = ("protocols", "secure_protocols")
    schemes = sorted({word for item in plugins for name in names for word in item[name] or ()})
    if scheme not in schemes:
        near = suggest(scheme, schemes) if len(scheme) > 2 else ""
        tail = near if near.startswith("did") else "apprise's documentation lists them"
        return f"has the scheme '{scheme}', which apprise does not know; {tail}"
    return f"is no complete {scheme}:// URL; see what apprise's documentation of {scheme} asks for"


@contextmanager
def _apprise_warnings() -> Iterator[list[str]]:
    """What apprise logs meanwhile, at WARNING and above; nothing of it, and nothing that urllib3
    says of the addresses, reaches other logs."""
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    propagates = [(log, log.propagate) for log in (_apprise_log, _http_log)]
    _apprise_log.addHandler(handler)
    for log, _ in propagates:
        log.propagate = False
    try:
        yield warnings
    finally:
        _apprise_log.removeHandler(handler)
        for log, before in propagates:
            log.propagate = before
