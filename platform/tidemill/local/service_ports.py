"""The fixed ports that the services of one home listen on."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.adapters.local.processes import check_port_free
from tidemill.settings import LOOPBACK, Settings


@dataclass(frozen=True)
class Port:
    """A fixed port a service needs."""

    service: str
    title: str
    host: str
    number: int
    variable: str
    """The environment variable that changes it."""

    def check(self) -> None:
        """Raise PortTaken where somebody else listens."""
        check_port_free(self.host, self.number, self.variable, self.title)


def ports(settings: Settings) -> list[Port]:
    """The fixed ports of a home."""
    host, broker = settings.host, settings.broker_port
    fixed = [
        Port("gateway", "the gateway", host, settings.gateway_port, "TIDEMILL_GATEWAY_PORT"),
        Port("webserver", "Dagster", host, settings.dagster_port, "TIDEMILL_DAGSTER_PORT"),
    ]
    if settings.bootstrap_servers:
        return fixed
    return [Port("broker", "the Kafka broker", LOOPBACK, broker, "TIDEMILL_BROKER_PORT"), *fixed]
