"""A short queue between HTTP and the model; one generation runs at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any

from tidemill.errors import Overloaded
from tidemill.serving.predictor import InferenceRequest, InferenceResponse, Predictor

QUEUE_SIZE = 64
"""Requests that may wait; more are refused, so that a flood does not become a stale backlog."""
_END = object()


@dataclass(frozen=True)
class TokenStream:
    """A stream that has begun."""

    response_id: str
    queue: asyncio.Queue[Any]
    cached: bool = False
    """True where it comes from the cache and nothing is generated."""
    cancelled: Event = field(default_factory=Event)
    first_items: list[Any] = field(default_factory=list)
    """The first item, once it was waited for."""

    async def wait_for_first(self) -> None:
        """Wait for the first item; raises what stands in the way of it."""
        try:
            item = await self.queue.get()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if isinstance(item, BaseException):
            raise item
        self.first_items.append(item)

    async def items(self) -> AsyncIterator[str | InferenceResponse]:
        """The pieces, then the `Given`; leaving early stops the generation."""
        try:
            while (item := await self._next()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.cancelled.set()

    async def _next(self) -> Any:
        return self.first_items.pop() if self.first_items else await self.queue.get()


class RequestQueue:
    """Puts requests to an answerer from asyncio."""

    def __init__(self, answerer: Predictor) -> None:
        self.answerer = answerer
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="generate")
        self._waiting = 0

    async def answer(self, ask: InferenceRequest) -> InferenceResponse:
        """The whole answer; a cached one does not wait for the model."""
        cached = self.answerer.cached_response(ask)
        if cached is not None:
            return cached
        response: InferenceResponse = await self._run(partial(self.answerer.predict, ask))
        return response

    async def stream(self, ask: InferenceRequest) -> TokenStream:
        """A stream that has its first piece; raises BadRequest, Overloaded, PromptTooLong, and what
        the model fails with, before anything is sent."""
        response_id = ask.response_id
        cached = self.answerer.cached_response(ask, response_id)
        pieces = TokenStream(response_id, asyncio.Queue(), cached is not None)
        if cached is not None:
            for item in (cached.answer.text, cached, _END):
                pieces.queue.put_nowait(item)
            return pieces
        loop = asyncio.get_running_loop()

        def put(item: Any) -> None:
            loop.call_soon_threadsafe(pieces.queue.put_nowait, item)

        task = asyncio.ensure_future(self._run(partial(self._produce, ask, pieces, put)))
        _keep(task)
        await asyncio.sleep(0)
        if task.done():
            task.result()
        await pieces.wait_for_first()
        return pieces

    def close(self) -> None:
        """Let the running generation end and free the model."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.answerer.runtime.close()

    def _produce(self, ask: InferenceRequest, pieces: TokenStream, put: Any) -> None:
        try:
            for item in self.answerer.stream(ask, pieces.response_id):
                put(item)
                if pieces.cancelled.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - it is raised again where the stream is read
            put(error)
        put(_END)

    async def _run(self, job: Any) -> Any:
        if self._waiting >= QUEUE_SIZE:
            raise Overloaded(f"{self._waiting} requests are already waiting; try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, job)
        finally:
            self._waiting -= 1


_tasks: set[asyncio.Future[Any]] = set()


def _keep(task: asyncio.Future[Any]) -> None:
    # The event loop holds tasks weakly: https://docs.python.org/3/library/asyncio-task.html
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
