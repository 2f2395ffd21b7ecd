"""kafka-python's clients, with the faults of 3.0.12 that cost us a processor or a thread taken out;
each can go when its test in `test_bus_contract` passes without it."""

from __future__ import annotations

from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.net.compat import KafkaNetClient


class _EndsWithoutBroker:
    """A client that finds no broker takes its thread along; the base leaves it running for good."""

    def __init__(self, **configs: Any) -> None:
        try:
            super().__init__(**configs)
        except Exception:
            if hasattr(self, "_client"):
                self._client.close()
            raise


class Admin(_EndsWithoutBroker, KafkaAdminClient):  # type: ignore[misc]  # no types in kafka-python
    """Describes and creates topics."""


class Consumer(_EndsWithoutBroker, KafkaConsumer):  # type: ignore[misc]
    """Reads records."""


class Producer(KafkaProducer):  # type: ignore[misc]
    """As its base, which sleeps here while it is idle and stops when it is closed."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(kafka_client=_PacedClient, **configs)

    def close_undelivered(self, patience: float = 1.0) -> None:
        """Stop without delivering what waits: `close` raises where that cannot be delivered, and
        leaves the thread running for good."""
        self._sender.force_close()
        self._sender.join(patience)
        self.close(timeout=0)


class _PacedClient(KafkaNetClient):  # type: ignore[misc]
    """Asking for metadata that is on its way already wakes nobody.

    The base keeps a queue for every partition it ever wrote to, and while the leader of one of them
    is unknown, its thread asks for new metadata and wakes itself up, over and over: a whole core is
    spent on nothing. An idle producer gets there when its broker restarts without its topics, and
    with a broker that lists all topics to a client that asks for none (Tansu does), as soon as it
    writes to a second topic. Here it sleeps until the answer comes, ten times a second at most.
    """

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self._request, self._pending = self.cluster.request_update, None
        self.cluster.request_update = self._request_once

    def _request_once(self) -> Any:
        pending = self._pending
        if pending is None or pending.is_done or not self.cluster.need_update:
            self._pending = pending = self._request()
        return pending
