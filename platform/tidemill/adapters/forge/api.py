"""Talks to the HTTP interface of a forge: retries, rate limits, pages, and refusals in words."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from tidemill import __version__
from tidemill.adapters.forge.retry_policy import UNWELL, limited, until_allowed, until_well
from tidemill.errors import ServiceError

_log = logging.getLogger(__name__)


class Unclear(ServiceError):
    """A request broke off in a way that leaves open whether it was carried out."""

    def __init__(self, message: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = headers or {}
        super().__init__(message)


class Refused(ServiceError):
    """The forge understood and said no; `status` and `said` are its own words."""

    def __init__(self, message: str, status: int, said: str) -> None:
        self.status, self.said = status, said
        super().__init__(message)


@dataclass(frozen=True)
class Need:
    """What one request does, and what the token must be allowed for it."""

    doing: str
    """Completes "… to": `comment on !7`."""
    permission: str


@dataclass
class Api:
    """One repository's interface; every method raises ServiceError with the way out."""

    forge: str
    """GitHub or GitLab, for messages."""
    url: str
    token: str = field(repr=False)
    variable: str
    """Where the token came from, for messages."""
    headers: Mapping[str, str] = field(default_factory=dict)
    attempts: int = 5
    """Tries of a request whose server is not well."""
    patience: float = 900.0
    """Seconds that rate limits may take altogether before the request is given up."""
    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ServiceError(
                f"'{self.url}' is no address of {self.forge}'s API; "
                "write it with https:// in TIDEMILL_FORGE_URL"
            )
        # Checked here, because what complains of a header shows it.
        if not (self.token.isascii() and self.token.isprintable()):
            raise ServiceError(f"{self.variable} holds characters that no token has; set it anew")
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

    def get(self, path: str, need: Need, **query: str | int) -> Any:
        """What is there."""
        return self._json(self._repeated("GET", path, need, params=query))

    def change(self, method: str, path: str, need: Need, body: Mapping[str, Any]) -> Any:
        """Set what is there to `body` (PATCH or PUT): sent twice it is as if sent once."""
        return self._json(self._repeated(method, path, need, json=body))

    def create(
        self, path: str, need: Need, body: Mapping[str, Any], find: Callable[[], Any | None]
    ) -> Any:
        """POST something new, unless `find` finds it; looks again before each further try, so that
        a request which was carried out and whose answer was lost makes no second one."""
        for attempt in range(self.attempts):
            if (found := find()) is not None:
                return found
            try:
                return self._json(self._allowed("POST", path, need, json=body))
            except Unclear as error:
                self._wait(until_well(error.headers, attempt, self.now()), error)
        raise Unclear(f"{self.forge} did not answer {self.attempts} times; try again later")

    def pages(self, path: str, need: Need, **query: str | int) -> Iterator[Any]:
        """Every item of a list, over all of its pages."""
        answer = self._repeated("GET", path, need, params={"per_page": 100, **query})
        while True:
            items = self._json(answer)
            if not isinstance(items, list):
                raise self._stranger("no list")
            yield from items
            following = self._next(answer)
            if following is None:
                return
            answer = self._repeated("GET", str(following), need)

    def _next(self, answer: httpx.Response) -> httpx.URL | None:
        """The next page: by its link (GitHub, GitLab's keyset pages), else by its number."""
        if link := answer.links.get("next", {}).get("url"):
            url = answer.url.join(link)
            if url.netloc != answer.url.netloc or url.scheme != answer.url.scheme:
                raise ServiceError(f"{self.forge} sent a next page on another host: {url.host}")
            return url
        number = answer.headers.get("x-next-page", "").strip()
        return answer.url.copy_set_param("page", number) if number else None

    def _repeated(self, method: str, path: str, need: Need, **sent: Any) -> httpx.Response:
        """A request that may be sent again as it is."""
        for attempt in range(self.attempts):
            try:
                return self._allowed(method, path, need, **sent)
            except Unclear as error:
                last = error
                if attempt + 1 < self.attempts:
                    self._wait(until_well(error.headers, attempt, self.now()), error)
        raise last

    def _allowed(self, method: str, path: str, need: Need, **sent: Any) -> httpx.Response:
        """A request that waits for as long as the forge's rate limits ask."""
        waited, attempt = 0.0, 0
        while True:
            answer = self._once(method, path, **sent)
            if not limited(answer.status_code, answer.headers, answer.text):
                return self._checked(answer, method, need)
            pause = until_allowed(answer.headers, attempt, self.now())
            waited, attempt = waited + pause, attempt + 1
            if waited > self.patience:
                raise ServiceError(
                    f"{self.forge}'s rate limit is used up for another {pause:.0f} s; "
                    "run again then, or use a token with a higher limit"
                )
            self._wait(pause, f"{self.forge}'s rate limit")

    def _once(self, method: str, path: str, **sent: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **sent)
        except httpx.TransportError as error:
            raise Unclear(f"{self.forge} at {self.url} does not answer: {error}") from error
        except httpx.HTTPError as error:
            raise ServiceError(f"{self.forge} at {self.url} cannot be asked: {error}") from error
        if answer.status_code in UNWELL:
            raise Unclear(
                f"{self.forge} at {self.url} is not well (HTTP {answer.status_code}); "
                "try again later",
                answer.headers,
            )
        return answer

    def _checked(self, answer: httpx.Response, method: str, need: Need) -> httpx.Response:
        if answer.is_success and answer.request.method == method:
            return answer
        if answer.is_success:  # a redirect made a GET of it: nothing was written
            raise ServiceError(
                f"the repository has moved to {answer.url}; set TIDEMILL_FORGE_REPOSITORY"
            )
        said = _said(answer)
        raise Refused(self._refusal(answer.status_code, need, said), answer.status_code, said)

    def _refusal(self, status: int, need: Need, said: str) -> str:
        if status == 401:
            return (
                f"{self.forge} does not take the token in {self.variable}: it is wrong or has "
                f"expired; make one with {need.permission}"
            )
        if status == 403:
            return (
                f"{self.forge} does not let the token in {self.variable} {need.doing} ({said}); "
                f"it needs {need.permission}"
            )
        if status == 404:
            return (
                f"{self.forge} at {self.url} found nothing when asked to {need.doing}; it hides "
                f"what a token may not see: check the name, and that {self.variable} has "
                f"{need.permission}"
            )
        return f"{self.forge} would not {need.doing}: {said} (HTTP {status})"

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self._stranger("no JSON") from error

    def _stranger(self, how: str) -> ServiceError:
        return ServiceError(
            f"{self.url} does not answer as {self.forge} does ({how}); "
            "is TIDEMILL_FORGE_URL the address of its API?"
        )

    def _wait(self, seconds: float, why: object) -> None:
        _log.warning("%s; waiting %.0f s", why, seconds)
        self.sleep(seconds)


def _said(answer: httpx.Response) -> str:
    """The forge's own words for a refusal, as one line."""
    try:
        body = answer.json()
    except ValueError:
        return answer.reason_phrase
    if not isinstance(body, dict):
        return answer.reason_phrase
    said = body.get("message") or body.get("error_description") or body.get("error") or ""
    details = [
        e["message"] for e in body.get("errors") or [] if isinstance(e, dict) and "message" in e
    ]
    return " ".join(str(part) for part in (said, *details)) or answer.reason_phrase
