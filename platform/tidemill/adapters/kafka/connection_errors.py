"""The cause of a failed connection: kafka-python retries until its time is up and only logs it.

Its bootstrap (3.0.12, `_do_bootstrap` in net/manager.py) swallows refused credentials and failed
TLS handshakes and ends in a timeout; the exception itself is an argument of its warning. To be
deleted when the bootstrap raises it.
"""

from __future__ import annotations

import logging
import time

from tidemill.settings import KafkaSecurity


class ConnectionErrorLog(logging.Handler):
    """The last exception of a connection attempt in this process, and when it was."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: tuple[float, str, str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Store the exception among the record's arguments, but not the final timeout."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            kind = type(argument).__name__
            if isinstance(argument, BaseException) and kind != "KafkaTimeoutError":
                # Not the exception itself: its traceback would keep the socket open.
                self._last = (time.monotonic(), kind, str(argument))

    def error_since(self, moment: float) -> tuple[str, str] | None:
        """Class and text of the last exception since a moment of `time.monotonic`, if any."""
        return self._last[1:] if self._last and self._last[0] >= moment else None


CONNECTION_ERRORS = ConnectionErrorLog()


def install_handler() -> None:
    """Collect the warnings of the connection manager, and print none of them."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    manager = logging.getLogger("kafka.net.manager")
    manager.setLevel(logging.WARNING)
    manager.propagate = False
    if CONNECTION_ERRORS not in manager.handlers:
        manager.addHandler(CONNECTION_ERRORS)


def connection_error(servers: str, security: KafkaSecurity, kind: str, text: str) -> str | None:
    """What a person can do about refused credentials or a failed handshake, given an exception's
    class and text; None for anything else."""
    if kind in ("SaslAuthenticationFailedError", "UnsupportedSaslMechanismError"):
        return (
            f"{servers} refuses the credentials of '{security.username}' by {security.mechanism} "
            f"({kind}); check TIDEMILL_KAFKA_USERNAME, TIDEMILL_KAFKA_PASSWORD and "
            "TIDEMILL_KAFKA_SASL_MECHANISM"
        )
    if "SSL" in security.protocol and "[SSL" in text:
        return (
            f"no TLS with {servers} ({text}); check TIDEMILL_KAFKA_CA_FILE, and that this port "
            f"speaks {security.protocol}"
        )
    return None
