"""Lifecycle events: what the platform did, told on Kafka where a broker answers."""

from __future__ import annotations

import logging
from typing import Any

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.errors import BrokerDown
from tidemill.events import LIFECYCLE_TOPIC, Event, Happening, Lifecycle, binary
from tidemill.home import Home
from tidemill.ports import Message

log = logging.getLogger("tidemill.announce")
PATIENCE = 2.0
"""Seconds to wait for a broker: the work itself must not wait for the news of it."""


def announce(home: Home, what: Happening, project: str, name: str, **told: Any) -> None:
    """Publish one event; without a broker it is logged, since the ledger knows it anyway.

    `told` may hold `digest` and `run`; everything else becomes `facts`.
    """
    known = {key: str(told.pop(key)) for key in ("digest", "run") if key in told}
    data = Lifecycle(what=what, project=project, name=name, facts=told, **known)
    event = Event(data, source=f"/assets/{project}")
    bus = KafkaBus(home.settings.brokers, patience=PATIENCE)
    try:
        bus.publish([Message(LIFECYCLE_TOPIC, **binary(event))])
    except BrokerDown as error:
        log.info("%s of %s/%s is not on Kafka: %s", what, project, name, error)
    finally:
        bus.close()
