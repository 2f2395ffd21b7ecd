"""TLS and credentials: what clients are told, what is refused, and that secrets never print."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.errors import BrokerDown, TidemillError
from tidemill.settings import KafkaSecurity, Settings

SECRET = "correct-horse-battery"
USER = {"TIDEMILL_KAFKA_USERNAME": "shop", "TIDEMILL_KAFKA_PASSWORD": SECRET}


def test_without_settings_nothing_changes() -> None:
    assert KafkaSecurity.read({}).client_options == {"security_protocol": "PLAINTEXT"}


def test_a_user_means_sasl_over_tls_with_the_strongest_mechanism() -> None:
    assert KafkaSecurity.read(USER).client_options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "shop",
        "sasl_plain_password": SECRET,
    }


def test_certificates_mean_tls(tmp_path: Path) -> None:
    names = ("CA_FILE", "CERT_FILE", "KEY_FILE")
    files = {f"TIDEMILL_KAFKA_{name}": str(tmp_path / name) for name in names}
    for path in files.values():
        Path(path).touch()

    assert KafkaSecurity.read(files).client_options == {
        "security_protocol": "SSL",
        "ssl_cafile": str(tmp_path / "CA_FILE"),
        "ssl_certfile": str(tmp_path / "CERT_FILE"),
        "ssl_keyfile": str(tmp_path / "KEY_FILE"),
    }


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SECURITY_PROTOCOL": "SASLSSL"}, "is 'SASLSSL'; did you mean 'SASL_SSL'?"),
        ({"SASL_MECHANISM": "SCRAM-512"}, "did you mean 'SCRAM-SHA-512'?"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "Kafka over SASL_SSL needs a user; set TIDEMILL_"),
        ({"CERT_FILE": "/x"}, "go together; set both or none"),
        ({"CA_FILE": "/nowhere/ca.pem"}, "CA_FILE: there is no file /nowhere/ca.pem"),
    ],
)
def test_what_cannot_work_is_told_before_anything_connects(
    environment: dict[str, str], message: str
) -> None:
    with pytest.raises(TidemillError) as caught:
        KafkaSecurity.read({f"TIDEMILL_KAFKA_{name}": v for name, v in environment.items()})

    assert message in str(caught.value)


def test_the_password_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.read(USER)

    assert settings.kafka.client_options["sasl_plain_password"] == SECRET
    assert SECRET not in f"{settings} {settings!r} {settings.kafka!r} {KafkaSecurity.read(USER)}"


@pytest.fixture
def refusing() -> Iterator[str]:
    """A broker that speaks the protocol as far as SASL PLAIN, and lets nobody in."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_talk, args=(connection,), daemon=True).start()


def _talk(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as reader:
        while len(size := reader.read(4)) == 4:
            if size[0]:
                connection.sendall(b"this is no TLS")  # a handshake is no length
                return
            request = reader.read(struct.unpack(">i", size)[0])
            key, version, correlation = struct.unpack(">hhi", request[:8])
            answer = struct.pack(">i", correlation) + _answer(key, version)
            connection.sendall(struct.pack(">i", len(answer)) + answer)


def _answer(key: int, version: int) -> bytes:
    if key == 18:  # ApiVersions: in version 0, whatever was asked for (KIP-511)
        apis = [(18, 0, 0), (17, 0, 1), (36, 0, 0), (3, 0, 1)]
        listed = b"".join(struct.pack(">hhh", *api) for api in apis)
        return struct.pack(">hi", 35 if version else 0, len(apis)) + listed
    if key == 17:  # SaslHandshake
        return struct.pack(">hi", 0, 1) + struct.pack(">h5s", 5, b"PLAIN")
    return struct.pack(">hh9si", 58, 9, b"no access", 0)  # SaslAuthenticate: failed


@pytest.mark.timeout(30)
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_refused_credentials_are_told_without_the_password(refusing: str, mechanism: str) -> None:
    security = KafkaSecurity.read(
        {
            **USER,
            "TIDEMILL_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "TIDEMILL_KAFKA_SASL_MECHANISM": mechanism,
        }
    )
    bus = KafkaBus(refusing, timeout=1, security=security)

    with pytest.raises(BrokerDown) as caught:
        bus.partitions("topic")

    told = str(caught.value)
    assert told.startswith(f"{refusing} refuses the credentials of 'shop' by {mechanism} (")
    assert "check TIDEMILL_KAFKA_USERNAME, TIDEMILL_KAFKA_PASSWORD" in told
    assert SECRET not in told


ASK = """
import sys
from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.errors import BrokerDown
from tidemill.settings import KafkaSecurity
try:
    tls = KafkaSecurity(chosen_protocol="SSL")
    KafkaBus(sys.argv[1], timeout=1, security=tls).partitions("topic")
except BrokerDown as error:
    print(error)
"""


@pytest.mark.timeout(30)
def test_a_port_without_tls_is_told(refusing: str) -> None:
    # In a process of its own: kafka-python leaves the sockets of failed handshakes open.
    asked = [sys.executable, "-c", ASK, refusing]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout

    assert told.startswith(f"no TLS with {refusing} (")
    assert "check TIDEMILL_KAFKA_CA_FILE, and that this port speaks SSL" in told
