"""The bus over the Kafka protocol (kafka-python): manual assignment, idempotent writes, no groups.

Offsets are the ledger's business, so nothing is ever committed to the broker and no consumer group
is joined. Any trouble ends as `BrokerDown` with the address; the next call connects anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from tidemill.adapters.kafka.connection_errors import (
    CONNECTION_ERRORS,
    connection_error,
    install_handler,
)
from tidemill.errors import BrokerDown, EventError
from tidemill.ports import Message, PartitionRange
from tidemill.settings import KafkaSecurity

CONNECT_TIMEOUT = 5.0
T = TypeVar("T")
NIL = "00000000-0000-0000-0000-000000000000"


class KafkaBus:
    """One process's connection to a Kafka-protocol broker; clients are made when first used."""

    def __init__(
        self,
        servers: str,
        *,
        timeout: float = CONNECT_TIMEOUT,
        security: KafkaSecurity | None = None,
    ) -> None:
        """`servers` is `host:port[,host:port]`; `timeout` the seconds to wait for an answer;
        `security` comes from the environment (TIDEMILL_KAFKA_*) where it is not given."""
        self.servers = servers
        self._security = security or KafkaSecurity.read()
        self._timeout_ms = int(timeout * 1000)
        self._producer: Any = None
        self._consumer: Any = None
        self._admin: Any = None
        self._known: dict[str, str] = {}
        """Topics that exist, and which incarnation this bus has seen."""
        self._at: dict[tuple[str, int], int] = {}
        install_handler()  # it logs each failed attempt; what matters is raised as BrokerDown

    def publish(self, messages: Sequence[Message]) -> None:
        """Write and wait until the broker has them; a retry may write some twice."""
        self._retry(lambda: self._publish(messages))

    def read(
        self, positions: Mapping[tuple[str, int], int], *, limit: int, timeout: float
    ) -> list[Message]:
        """Up to `limit` records from the given positions."""
        if not positions:
            return []
        from kafka.errors import OffsetOutOfRangeError

        with self._translate_errors():
            consumer = self._reader(positions)
            try:
                batches = consumer.poll(timeout_ms=int(timeout * 1000), max_records=limit)
            except OffsetOutOfRangeError:
                self._at.clear()
                return []
        return [self._message(record) for records in batches.values() for record in records]

    def partitions(self, topic: str) -> Mapping[int, PartitionRange]:
        """Partitions of a topic and what they hold; creates a topic that is missing."""
        return self._retry(lambda: self._spans(topic))

    def close(self) -> None:
        """Flush and disconnect."""
        for client in (self._producer, self._consumer, self._admin):
            if client is not None:
                client.close()
        self._reset_clients()

    def _retry(self, act: Callable[[], T]) -> T:
        """Once more with new clients where old ones failed: the broker may only have restarted."""
        connected = self._admin is not None
        try:
            return act()
        except BrokerDown:
            if not connected:
                raise
        return act()

    def _publish(self, messages: Sequence[Message]) -> None:
        with self._translate_errors():
            for topic in {message.topic for message in messages} - self._known.keys():
                self._ensure(topic)
            producer = self._writer()
            sent = [
                producer.send(m.topic, value=m.value, key=m.key, headers=list(m.headers))
                for m in messages
            ]
            producer.flush(timeout=self._timeout_ms / 1000)
            for future in sent:
                future.get(timeout=self._timeout_ms / 1000)

    def _spans(self, topic: str) -> Mapping[int, PartitionRange]:
        from kafka import TopicPartition

        with self._translate_errors():
            described = self._ensure(topic)
            incarnation = _incarnation(described)
            partitions = [
                TopicPartition(topic, p["partition_index"]) for p in described["partitions"]
            ]
            if self._known.get(topic, incarnation) != incarnation and self._consumer is not None:
                # The old consumer would ask for the topic that is gone until its metadata ages.
                self._consumer.close()
                self._consumer = None
                self._at.clear()
            self._known[topic] = incarnation
            consumer = self._connect()
            first = consumer.beginning_offsets(partitions, timeout_ms=self._timeout_ms)
            end = consumer.end_offsets(partitions, timeout_ms=self._timeout_ms)
        return {p.partition: PartitionRange(first[p], end[p], incarnation) for p in partitions}

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        from kafka import errors

        started = time.monotonic()
        try:
            yield
        except errors.MessageSizeTooLargeError as error:
            raise EventError(f"an event is larger than the broker takes: {error}") from None
        except errors.TopicAuthorizationFailedError as error:
            raise BrokerDown(f"{self.servers} refuses access: {error}; check its ACLs") from None
        except (errors.KafkaError, OSError) as error:
            self._drop()
            cause = CONNECTION_ERRORS.error_since(started) or (type(error).__name__, str(error))
            message = connection_error(self.servers, self._security, *cause)
            raise BrokerDown(
                message
                or f"no Kafka broker answers at {self.servers} ({type(error).__name__}); start one "
                "with `tidemill up` (what runs brings its own back, see `tidemill status`), or "
                "set TIDEMILL_BOOTSTRAP_SERVERS"
            ) from error

    def _ensure(self, topic: str) -> dict[str, Any]:
        from kafka.admin import NewTopic
        from kafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError

        admin = self._manager()
        for _ in range(2):
            try:
                described: dict[str, Any] = admin.describe_topics([topic])[0]
                if not described["error_code"]:
                    self._known.setdefault(topic, _incarnation(described))
                    return described
            except UnknownTopicOrPartitionError:
                pass
            try:
                admin.create_topics([NewTopic(topic, -1, -1)])
            except TopicAlreadyExistsError:
                continue
        raise BrokerDown(
            f"{self.servers} has no topic '{topic}' and does not create topics; create it, or "
            "enable topic creation"
        )

    def _reader(self, positions: Mapping[tuple[str, int], int]) -> Any:
        from kafka import TopicPartition

        consumer = self._connect()
        starts = {TopicPartition(*key): offset for key, offset in positions.items()}
        if set(starts) != consumer.assignment():
            consumer.assign(list(starts))
            self._at.clear()
        for partition, offset in starts.items():
            if self._at.get((partition.topic, partition.partition)) != offset:
                consumer.seek(partition, offset)
                self._at[partition.topic, partition.partition] = offset
        return consumer

    def _message(self, record: Any) -> Message:
        self._at[record.topic, record.partition] = record.offset + 1
        return Message(
            record.topic,
            record.value or b"",
            record.key,
            tuple(record.headers),
            record.partition,
            record.offset,
        )

    def _connect(self) -> Any:
        if self._consumer is None:
            from tidemill.adapters.kafka.clients import Consumer

            self._consumer = Consumer(
                **self._common(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=min(500, self._timeout_ms // 2),
                max_partition_fetch_bytes=4 << 20,
                metadata_max_age_ms=5000,
            )
        return self._consumer

    def _writer(self) -> Any:
        if self._producer is None:
            from tidemill.adapters.kafka.clients import Producer

            self._producer = Producer(
                **self._common(),
                enable_idempotence=True,
                acks="all",
                linger_ms=2,
                batch_size=256 << 10,
                max_block_ms=self._timeout_ms,
                delivery_timeout_ms=2 * self._timeout_ms,
            )
        return self._producer

    def _manager(self) -> Any:
        if self._admin is None:
            from tidemill.adapters.kafka.clients import Admin

            self._admin = Admin(**self._common())
        return self._admin

    def _common(self) -> dict[str, Any]:
        return {
            "bootstrap_servers": self.servers.split(","),
            "bootstrap_timeout_ms": self._timeout_ms,
            "request_timeout_ms": self._timeout_ms,
            "reconnect_backoff_max_ms": 1000,
            "client_id": "tidemill",
            **self._security.client_options,
        }

    def _drop(self) -> None:
        """Leave broken clients behind without waiting for them."""
        producer, others = self._producer, (self._consumer, self._admin)
        self._reset_clients()
        leave = [producer.close_undelivered] if producer is not None else []
        leave += [client.close for client in others if client is not None]
        for close in leave:
            # It is broken already; nothing is left to save.
            with suppress(Exception):
                close()

    def _reset_clients(self) -> None:
        self._producer = self._consumer = self._admin = None
        self._known.clear()
        self._at.clear()


def _incarnation(described: dict[str, Any]) -> str:
    return str(described.get("topic_id") or "").replace(NIL, "")
