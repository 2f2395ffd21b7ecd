"""Every destination takes a message or says why not, and gives nothing secret away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.adapters.webhook import TOKEN, Webhook, webhook

from tidemill.adapters.apprise_destination import open_destinations, redact
from tidemill.adapters.memory.destination import MemoryDestination
from tidemill.engine.notification import LONGEST, Notification
from tidemill.errors import ServiceError, SettingsError
from tidemill.ports import Destination
from tidemill.settings import NotifySettings

MESSAGE = Notification("rolled-back", "chat: release a was rolled back", "0.5 > 0.05", "tidemill x")


def settings_of(*urls: str, on: str = "") -> NotifySettings:
    """What the environment would say."""
    environ = {"TIDEMILL_NOTIFY_URLS": " ".join(urls), "TIDEMILL_NOTIFY_ON": on}
    return NotifySettings.read(environ)


@dataclass
class Stage:
    """A destination, and what stands behind it."""

    destination: Destination
    behind: MemoryDestination | Webhook

    def fail(self) -> None:
        """Let it refuse from now on."""
        if isinstance(self.behind, MemoryDestination):
            self.behind.error = "500"
        else:
            self.behind.status = 500

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Subject and text of what arrived."""
        if isinstance(self.behind, MemoryDestination):
            return [(one.subject, one.text) for one in self.behind.sent]
        return [(one["title"], one["message"]) for one in self.behind.messages]


@pytest.fixture(params=["memory", "apprise"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    if request.param == "memory":
        memory = MemoryDestination()
        yield Stage(memory, memory)
        return
    with webhook() as hook:
        (destination,) = open_destinations(settings_of(hook.url))
        yield Stage(destination, hook)


def test_a_message_arrives_with_its_reason_and_the_command_that_helps_next(stage: Stage) -> None:
    stage.destination.send(MESSAGE)

    assert stage.texts == [(MESSAGE.subject, "0.5 > 0.05\n\nNext: tidemill x")]


def test_one_that_is_refused_says_so(stage: Stage) -> None:
    stage.fail()

    with pytest.raises(ServiceError, match=f"^{stage.destination.name.split('(')[0]}.*"):
        stage.destination.send(MESSAGE)
    assert stage.texts == []


def test_nothing_of_a_url_but_its_scheme_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook() as hook:
        (destination,) = open_destinations(settings_of(hook.url))
        destination.send(MESSAGE)
        hook.status = 500
        with pytest.raises(ServiceError) as refused:
            destination.send(MESSAGE)
    with pytest.raises(ServiceError) as away:
        destination.send(MESSAGE)

    assert hook.paths == [f"/{TOKEN}"] * 2  # it was in use
    assert destination.name == "destination 1 (json)"
    shown = [repr(destination), str(refused.value), str(away.value), caplog.text]
    assert [text for text in shown if TOKEN in text or "ada" in text] == []


def test_every_wrong_url_is_named_by_its_number_and_never_shown() -> None:
    urls = ("slak://T0P/s3cret/token", "slack://T0P", "hooks.example/T0P", "json://127.0.0.1:1")

    with pytest.raises(SettingsError) as caught:
        open_destinations(settings_of(*urls))

    first, second, third = caught.value.problems
    assert first == (
        "TIDEMILL_NOTIFY_URLS: destination 1 has the scheme 'slak', which apprise does not know; "
        "did you mean 'slack'?"
    )
    assert second.startswith("TIDEMILL_NOTIFY_URLS: destination 2 is no complete slack:// URL")
    assert third.startswith("TIDEMILL_NOTIFY_URLS: destination 3 has no scheme")
    assert "T0P" not in str(caught.value)


def test_a_comma_between_urls_divides_and_one_inside_does_not() -> None:
    mail = "mailto://u:p@example.org?to=ada@example.org,bob@example.org"

    assert settings_of(f"json://a/b, {mail},slack://x").urls == ("json://a/b", mail, "slack://x")


def test_the_settings_show_no_url() -> None:
    assert TOKEN not in repr(settings_of(f"json://127.0.0.1/{TOKEN}"))


@pytest.mark.parametrize(
    ("on", "wanted"), [("", True), ("rolled-back", True), ("Run-Failed, rolled-back", True)]
)
def test_a_topic_that_is_named_is_wanted(on: str, wanted: bool) -> None:
    settings = settings_of("json://a", on=on)

    assert settings.wants("rolled-back") is wanted
    assert settings.wants("promoted") is (on == "")
    assert not settings_of(on=on).wants("rolled-back")


def test_a_topic_that_does_not_exist_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        SettingsError, match=r"'roled-back' is no topic; did you mean 'rolled-back'"
    ):
        settings_of(on="roled-back")


def test_parts_of_a_url_are_taken_out_of_every_text() -> None:
    url = "slack://T1JJ3T3L2/A1BR%20TD4/x?token=abcdef"

    assert redact("T1JJ3T3L2 said\nA1BR TD4 of abcdef", url) == "*** said *** of ***"


def test_a_long_reason_is_cut_before_the_command() -> None:
    text = Notification("promoted", "s", "x" * (LONGEST + 1), "tidemill status").text

    assert text == f"{'x' * LONGEST}…\n\nNext: tidemill status"
