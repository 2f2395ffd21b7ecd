"""A reflection model behind any address that speaks OpenAI's chat completions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from tidemill.errors import AnswerLost, ServiceError
from tidemill.settings import ReflectionSettings

TRIES = 4
TIMEOUT = 120.0
_PASSING = {408, 409, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 30.0


class _NotAnswered(Exception):
    """A question that was not sent, or that the server does not answer for now."""

    def __init__(self, cause: str, retry_after: str = "") -> None:
        self.cause, self.retry_after = cause, retry_after
        super().__init__(cause)


class ChatModel:
    """A `candidate_evaluator.Reflection` over HTTP; the key never leaves the request's header."""

    def __init__(
        self, settings: ReflectionSettings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = f"{settings.model} at {settings.url}"
        self.price = settings.price
        self._settings, self._sleep = settings, sleep

    def complete(self, prompt: str, *, max_tokens: int) -> tuple[str, int, int]:
        """Its answer, tokens read, tokens written; raises ServiceError.

        What the server refuses is asked again. A question that was sent and stayed without an
        answer is not, for it may have to be paid: AnswerLost.
        """
        body = {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
        }
        answer = self._post(body)
        try:
            text = answer["choices"][0]["message"]["content"]
            usage = answer["usage"]
            return str(text or ""), int(usage["prompt_tokens"]), int(usage["completion_tokens"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ServiceError(
                f"the reflection model {self.name} did not answer as chat completions do "
                f"(no {error}); see TIDEMILL_REFLECTION_URL"
            ) from None

    def _post(self, body: dict[str, object]) -> Any:
        import httpx

        not_sent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        key = self._settings.key
        headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        address = f"{self._settings.url.rstrip('/')}/chat/completions"

        def send() -> Any:
            try:
                reply = httpx.post(address, json=body, headers=headers, timeout=TIMEOUT)
            except not_sent as error:
                raise _NotAnswered(type(error).__name__) from None
            except httpx.HTTPError as error:
                raise AnswerLost(self._away(type(error).__name__)) from None
            if reply.status_code == 200:
                return _json(reply)
            if reply.status_code not in _PASSING:
                raise ServiceError(self._away(f"HTTP {reply.status_code}"))
            raise _NotAnswered(f"HTTP {reply.status_code}", reply.headers.get("retry-after", ""))

        try:
            return self._retrying(send)
        except _NotAnswered as error:
            raise ServiceError(self._away(error.cause)) from None

    @property
    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(_NotAnswered),
            stop=stop_after_attempt(TRIES),
            wait=_wait,
            sleep=self._sleep,
            reraise=True,
        )

    def _away(self, trouble: str) -> str:
        return (
            f"the reflection model {self.name} does not answer ({trouble}); check "
            "TIDEMILL_REFLECTION_URL, TIDEMILL_REFLECTION_MODEL and TIDEMILL_REFLECTION_KEY. What "
            "was answered until here is kept: run the same command again"
        )


def _json(reply: Any) -> Any:
    try:
        return reply.json()
    except ValueError:
        return None


def _wait(state: RetryCallState) -> float:
    """Seconds before the next try: as the server asks, 30 at most, else 1, 2, 4."""
    error = state.outcome.exception() if state.outcome else None
    asked_for = error.retry_after if isinstance(error, _NotAnswered) else ""
    if asked_for.isdigit():
        return min(float(asked_for), _LONGEST_WAIT)
    return 2.0 ** (state.attempt_number - 1)
