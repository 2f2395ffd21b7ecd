"""Kafka: the bus that processes of one home share, and the embedded broker.

    bus = open_bus(settings)
    bus.publish([Message(topic, value)])

`memory://` in place of servers opens the in-memory twin, one for the whole process.
"""

from __future__ import annotations

from functools import cache

from tidemill.adapters.kafka.bus import CONNECT_TIMEOUT, KafkaBus
from tidemill.adapters.memory.bus import MemoryBus
from tidemill.ports import Bus
from tidemill.settings import KafkaSecurity, Settings

__all__ = ["connect", "open_bus"]

MEMORY = "memory://"
_memory_bus = cache(MemoryBus)


def open_bus(settings: Settings, *, timeout: float = CONNECT_TIMEOUT) -> Bus:
    """The bus of a home; nothing is connected before the first call of its methods.

    `timeout` is the longest wait for an answer of the broker, in seconds.
    """
    return connect(settings.brokers, security=settings.kafka, timeout=timeout)


def connect(
    servers: str, *, security: KafkaSecurity | None = None, timeout: float = CONNECT_TIMEOUT
) -> Bus:
    """The bus at `host:port[,host:port]`; `security` is read from the environment unless given."""
    if servers == MEMORY:
        return _memory_bus()
    return KafkaBus(servers, security=security, timeout=timeout)
