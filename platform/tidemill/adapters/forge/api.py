"""Talks to the HTTP interface of a forge: retries, rate limits, pages, and refusals in words."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from tidemill import __version__
from tidemill.adapters.forge.retry_policy import (
    RETRYABLE_STATUS,
    is_rate_limited,
    rate_limit_wait,
    server_error_wait,
)
from tidemill.errors import ServiceError

_log = logging.getLogger(__name__)


class UnknownOutcome(ServiceError):
    """A request that may or may not have been carried out: no answer, or a server's failure."""

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = headers or {}
        super().__init__(message)


class _RateLimited(Exception):
    """A request that the forge did not carry out because there were too many."""

    def __init__(self, message: str, headers: Mapping[str, str]) -> None:
        self.headers = headers
        super().__init__(message)


class ForgeRefusal(ServiceError):
    """The forge understood a request and refused it; `status` is its HTTP status."""

    def __init__(self, message: str, status: int, forge_message: str) -> None:
        self.status, self.forge_message = status, forge_message
        super().__init__(message)


@dataclass(frozen=True)
class TokenPermission:
    """An action, and the permission that a token needs for it; both are for messages."""

    action: str
    """Completes "… to": `comment on !7`."""
    scope: str
    """The permission in the forge's words: `pull-requests: write`."""


@dataclass
class Api:
    """One repository's interface; every method raises ServiceError with the way out."""

    forge: str
    """GitHub or GitLab, for messages."""
    url: str
    token: str = field(repr=False)
    variable: str
    """The environment variable that holds the token, for messages."""
    headers: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 5
    """Tries of a request whose server is not well."""
    max_wait: float = 900.0
    """Seconds that rate limits may take altogether before the request is given up."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ServiceError(
                f"'{self.url}' is no address of {self.forge}'s API; "
                "write it with https:// in TIDEMILL_FORGE_URL"
            )
        # Checked here, because what complains of a header shows it.
        if not (self.token.isascii() and self.token.isprintable()):
            raise ServiceError(f"{self.variable} contains invalid characters; set it again")
        # Bearer on both forges: httpx drops this header, and no other, when it is sent elsewhere.
        self._client = httpx.Client(
            base_url=self.url.rstrip("/") + "/",
            headers={
                "authorization": f"Bearer {self.token}",
                "user-agent": f"tidemill/{__version__}",
                **self.headers,
            },
            timeout=30,
            follow_redirects=True,
        )
        weakref.finalize(self, self._client.close)

    def get(self, path: str, permission: TokenPermission, **query: str | int) -> Any:
        """The JSON of a resource."""
        return self._json(self._send_repeatable("GET", path, permission, params=query))

    def update(
        self, method: str, path: str, permission: TokenPermission, body: Mapping[str, object]
    ) -> Any:
        """Set what is there to `body` (PATCH or PUT): sent twice it is as if sent once."""
        return self._json(self._send_repeatable(method, path, permission, json=body))

    def create(
        self,
        path: str,
        permission: TokenPermission,
        body: Mapping[str, object],
        find: Callable[[], Any | None],
    ) -> Any:
        """POST something new, unless `find` finds it; looks again before each further try, so that
        a request which was carried out and whose answer was lost makes no second one."""
        for attempt in self._retrying(retry_error_callback=self._give_up):
            if (existing := find()) is not None:
                return existing
            with attempt:
                return self._json(self._send_within_limits("POST", path, permission, json=body))
        raise AssertionError("tenacity ends with an answer or an error")

    def list_all(self, path: str, permission: TokenPermission, **query: str | int) -> Iterator[Any]:
        """Every item of a list, over all of its pages."""
        answer = self._send_repeatable("GET", path, permission, params={"per_page": 100, **query})
        while True:
            items = self._json(answer)
            if not isinstance(items, list):
                raise self._unexpected_answer("no list")
            yield from items
            following = self._next(answer)
            if following is None:
                return
            answer = self._send_repeatable("GET", str(following), permission)

    def _next(self, answer: httpx.Response) -> httpx.URL | None:
        """The next page: by its link (GitHub, GitLab's keyset pages), else by its number."""
        if link := answer.links.get("next", {}).get("url"):
            url = answer.url.join(link)
            if url.netloc != answer.url.netloc or url.scheme != answer.url.scheme:
                raise ServiceError(f"{self.forge} sent a next page on another host: {url.host}")
            return url
        number = answer.headers.get("x-next-page", "").strip()
        return answer.url.copy_set_param("page", number) if number else None

    def _send_repeatable(
        self, method: str, path: str, permission: TokenPermission, **sent: Any
    ) -> httpx.Response:
        """A request that may be sent again as it is."""
        retrying = self._retrying(reraise=True)
        return retrying(self._send_within_limits, method, path, permission, **sent)

    def _retrying(self, **options: Any) -> Retrying:
        """Tries again while the server is not well; it waits as it is asked, or ever longer."""
        return Retrying(
            retry=retry_if_exception_type(UnknownOutcome),
            stop=stop_after_attempt(self.attempts),
            wait=lambda state: server_error_wait(
                _headers(state), state.attempt_number - 1, self.now()
            ),
            sleep=self.sleep,
            before_sleep=_log_wait,
            **options,
        )

    def _give_up(self, _: RetryCallState) -> NoReturn:
        raise UnknownOutcome(f"{self.forge} did not answer {self.attempts} times; try again later")

    def _send_within_limits(
        self, method: str, path: str, permission: TokenPermission, **sent: Any
    ) -> httpx.Response:
        """A request that waits for as long as the forge's rate limits ask, `max_wait` at most."""
        retrying = Retrying(
            retry=retry_if_exception_type(_RateLimited),
            stop=lambda state: state.idle_for + state.upcoming_sleep > self.max_wait,
            wait=lambda state: rate_limit_wait(
                _headers(state), state.attempt_number - 1, self.now()
            ),
            sleep=self.sleep,
            before_sleep=_log_wait,
            retry_error_callback=self._out_of_patience,
        )
        return self._check(retrying(self._send, method, path, **sent), method, permission)

    def _out_of_patience(self, state: RetryCallState) -> NoReturn:
        raise ServiceError(
            f"{self.forge}'s rate limit is exhausted for {state.upcoming_sleep:.0f} s; "
            "run again later, or use a token with a higher limit"
        )

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **sent)
        except httpx.TransportError as error:
            raise UnknownOutcome(f"{self.forge} at {self.url} does not answer: {error}") from error
        except httpx.HTTPError as error:
            raise ServiceError(f"{self.forge} at {self.url} cannot be asked: {error}") from error
        if answer.status_code in RETRYABLE_STATUS:
            raise UnknownOutcome(
                f"{self.forge} at {self.url} returned HTTP {answer.status_code}; try again later",
                answer.headers,
            )
        if is_rate_limited(answer.status_code, answer.headers, answer.text):
            raise _RateLimited(f"{self.forge}'s rate limit", answer.headers)
        return answer

    def _check(
        self, answer: httpx.Response, method: str, permission: TokenPermission
    ) -> httpx.Response:
        if answer.is_success and answer.request.method == method:
            return answer
        if answer.is_success:  # a redirect made a GET of it: nothing was written
            raise ServiceError(
                f"the repository has moved to {answer.url}; set TIDEMILL_FORGE_REPOSITORY"
            )
        message = _message(answer)
        text = self._refusal(answer.status_code, permission, message)
        raise ForgeRefusal(text, answer.status_code, message)

    def _refusal(self, status: int, permission: TokenPermission, message: str) -> str:
        if status == 401:
            return (
                f"{self.forge} rejected the token in {self.variable}: it is wrong or "
                f"expired; create one with {permission.scope}"
            )
        if status == 403:
            return (
                f"the token in {self.variable} may not {permission.action} on {self.forge} "
                f"({message}); it needs {permission.scope}"
            )
        if status == 404:
            return (
                f"{self.forge} at {self.url} found nothing when asked to {permission.action}; it "
                f"hides what a token may not see: check the name, and that {self.variable} has "
                f"{permission.scope}"
            )
        return f"{self.forge} refused to {permission.action}: {message} (HTTP {status})"

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._unexpected_answer("no JSON") from error

    def _unexpected_answer(self, how: str) -> ServiceError:
        return ServiceError(
            f"{self.url} does not answer as {self.forge} does ({how}); "
            "is TIDEMILL_FORGE_URL the address of its API?"
        )


def _headers(state: RetryCallState) -> Mapping[str, str]:
    """The headers of the answer for which a request is sent again."""
    error = state.outcome.exception() if state.outcome else None
    return error.headers if isinstance(error, UnknownOutcome | _RateLimited) else {}


def _log_wait(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _log.warning("%s; waiting %.0f s", error, state.upcoming_sleep)


def _message(answer: httpx.Response) -> str:
    """The forge's own words for a refusal, as one line."""
    try:
        body = answer.json()
    except ValueError:
        return answer.reason_phrase
    if not isinstance(body, dict):
        return answer.reason_phrase
    text = body.get("message") or body.get("error_description") or body.get("error") or ""
    details = [
        e["message"] for e in body.get("errors") or [] if isinstance(e, dict) and "message" in e
    ]
    return " ".join(str(part) for part in (text, *details)) or answer.reason_phrase
