"""Between the event loop and the model: one generation at a time, a short queue, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import Any
from uuid import uuid4

from tidemill.errors import Overloaded
from tidemill.serving.predictor import Answerer, Ask, Given

QUEUE = 64
"""Requests that may wait; more are refused, so that a flood does not become a stale backlog."""
_END = object()


@dataclass(frozen=True)
class Pieces:
    """A stream that has begun."""

    response_id: str
    queue: asyncio.Queue[Any]
    gone: Event = field(default_factory=Event)
    begun: list[Any] = field(default_factory=list)
    """The first item, once it was waited for."""

    async def begin(self) -> None:
        """Wait for the first item; raises what stands in the way of it."""
        try:
            item = await self.queue.get()
        except asyncio.CancelledError:
            self.gone.set()
            raise
        if isinstance(item, BaseException):
            raise item
        self.begun.append(item)

    async def items(self) -> AsyncIterator[str | Given]:
        """The pieces, then the `Given`; leaving early stops the generation."""
        try:
            while (item := await self._next()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.gone.set()

    async def _next(self) -> Any:
        return self.begun.pop() if self.begun else await self.queue.get()


class Work:
    """Puts requests to an answerer from asyncio."""

    def __init__(self, answerer: Answerer) -> None:
        self.answerer = answerer
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="generate")
        self._waiting = 0

    async def answer(self, ask: Ask) -> Given:
        """The whole answer; a cached one does not wait for the model."""
        known = self.answerer.known(ask)
        if known is not None:
            return known
        given: Given = await self._run(partial(self.answerer.answer, ask))
        return given

    async def stream(self, ask: Ask) -> Pieces:
        """A stream that has its first piece; raises BadRequest, Overloaded, PromptTooLong, and what
        the model fails with, before anything is sent."""
        pieces = Pieces(uuid4().hex, asyncio.Queue())
        known = self.answerer.known(ask, pieces.response_id)
        if known is not None:
            for item in (known.answer.text, known, _END):
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
        await pieces.begin()
        return pieces

    def close(self) -> None:
        """Let the running generation end and free the model."""
        self._worker.shutdown(wait=True, cancel_futures=True)
        self.answerer.runtime.close()

    def _produce(self, ask: Ask, pieces: Pieces, put: Any) -> None:
        try:
            for item in self.answerer.stream(ask, pieces.response_id):
                put(item)
                if pieces.gone.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - it is raised again where the stream is read
            put(error)
        put(_END)

    async def _run(self, job: Any) -> Any:
        if self._waiting >= QUEUE:
            raise Overloaded(f"{self._waiting} requests wait already; try again in a moment")
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
