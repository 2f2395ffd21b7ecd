"""Settings of notifications: where they go, and what they are about."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from tidemill.engine.notification import TOPICS, Topic
from tidemill.errors import suggest
from tidemill.settings.environment import Section
from tidemill.settings.marks import DefaultText

_BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z0-9]+://)|\s+")
"""A comma alone may be part of a URL, as in `mailto://…?to=ada@example.org,bob@example.org`."""


def _check_topics(text: str) -> str:
    for word in _words(text):
        if word not in TOPICS:
            raise ValueError(f"and '{word}' is no topic; {suggest(word, TOPICS)}")
    return text


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s,]+", text.lower())


class NotifySettings(Section):
    """Where notifications go, and what they are about."""

    secret_urls: SecretStr | None = Field(None, validation_alias="TIDEMILL_NOTIFY_URLS")
    """Where notifications go: apprise URLs (Slack, Teams, e-mail, webhook, …), with spaces between;
    secrets."""
    topic_words: Annotated[str, AfterValidator(_check_topics), DefaultText("every topic")] = Field(
        "", validation_alias="TIDEMILL_NOTIFY_ON"
    )
    """Topics that are sent, with spaces or commas between, such as `run-failed rolled-back`."""

    @property
    def urls(self) -> tuple[str, ...]:
        """The apprise URLs in clear, to send with; empty where nobody is notified."""
        text = self.secret_urls.get_secret_value().strip(" \t\r\n,") if self.secret_urls else ""
        return tuple(url.strip(",") for url in _BETWEEN_URLS.split(text) if url.strip(","))

    def wants(self, topic: Topic) -> bool:
        """True where messages about this are sent."""
        words = _words(self.topic_words)
        return bool(self.urls) and (not words or topic in words)
