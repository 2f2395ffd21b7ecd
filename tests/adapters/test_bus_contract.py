"""What every bus does: the in-memory twin and the real broker through kafka-python."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from tests.adapters.streams import free_port

from tidemill.adapters.kafka.bus import KafkaBus
from tidemill.adapters.kafka.embedded_broker import EmbeddedBroker
from tidemill.errors import BrokerDown, PortTaken
from tidemill.ports import Bus, Message


@pytest.fixture
def topic() -> str:
    return f"t.{uuid.uuid4().hex}"


def positions(bus: Bus, topic: str) -> dict[tuple[str, int], int]:
    return {(topic, p): span.first for p, span in bus.partitions(topic).items()}


def test_what_was_published_is_read_whole_and_in_the_order_of_its_key(bus: Bus, topic: str) -> None:
    sent = [Message(topic, b"%d" % i, b"alice", (("ce_id", b"%d" % i),)) for i in range(20)]
    bus.publish(sent)

    read = bus.read(positions(bus, topic), limit=100, timeout=5)

    assert [m.value for m in read] == [m.value for m in sent]
    assert [m.headers for m in read] == [m.headers for m in sent]
    assert [m.offset for m in read] == list(range(20))
    assert {m.key for m in read} == {b"alice"}


def test_reading_starts_where_it_is_told_to(bus: Bus, topic: str) -> None:
    bus.publish([Message(topic, b"%d" % i, b"k") for i in range(10)])
    where = next(
        (m.topic, m.partition) for m in bus.read(positions(bus, topic), limit=1, timeout=5)
    )

    assert [m.value for m in bus.read({where: 7}, limit=100, timeout=5)] == [b"7", b"8", b"9"]
    assert [m.value for m in bus.read({where: 2}, limit=2, timeout=5)] == [b"2", b"3"]


def test_a_partition_with_nothing_new_gives_nothing_after_the_wait(bus: Bus, topic: str) -> None:
    assert bus.read(positions(bus, topic), limit=10, timeout=0.1) == []


def test_a_topic_that_is_missing_is_made_and_knows_its_incarnation(bus: Bus, topic: str) -> None:
    spans = bus.partitions(topic)

    assert spans
    assert all(span.first == 0 and span.incarnation for span in spans.values())
    assert bus.partitions(topic)[0].incarnation == spans[0].incarnation


def test_a_broker_that_is_away_is_named_with_the_way_out() -> None:
    port = free_port()
    bus, others = KafkaBus(f"127.0.0.1:{port}", timeout=0.3), clients()

    with pytest.raises(BrokerDown) as raised:
        bus.publish([Message("t", b"x")])

    assert str(raised.value) == (
        f"no Kafka broker answers at 127.0.0.1:{port} (KafkaTimeoutError); start one with "
        "`tidemill up` (what runs brings its own back, see `tidemill status`), or set "
        "TIDEMILL_BOOTSTRAP_SERVERS"
    )
    assert [thread for thread in clients() if thread not in others] == []


def test_a_bus_goes_on_with_a_broker_that_was_restarted_and_sees_that_it_forgot() -> None:
    port = free_port()
    with EmbeddedBroker(port) as first:
        bus = KafkaBus(first.address, timeout=1)
        bus.publish([Message("t", b"1", b"k")])
        before = bus.partitions("t")[0].incarnation
    with EmbeddedBroker(port):
        bus.publish([Message("t", b"2", b"k")])
        after = bus.partitions("t")[0].incarnation
        read = bus.read(positions(bus, "t"), limit=10, timeout=5)
        bus.close()

    assert before != after
    assert [m.value for m in read] == [b"2"]


def clients() -> list[threading.Thread]:
    """Threads of kafka-python's clients in this process."""
    return [t for t in threading.enumerate() if t.name.endswith(("network-thread", "-tidemill"))]


def producers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.endswith("network-thread")]


def processor_seconds(threads: list[threading.Thread], pause: float) -> float:
    """Processor time that these threads take while nothing is written."""
    clocks = [time.pthread_getcpuclockid(thread.ident or 0) for thread in threads]
    before = sum(map(time.clock_gettime, clocks))
    time.sleep(pause)
    return sum(map(time.clock_gettime, clocks)) - before


def test_a_producer_with_nothing_to_do_rests() -> None:
    port, others = free_port(), producers()
    with EmbeddedBroker(port) as running:
        bus = KafkaBus(running.address)
        bus.publish([Message("first", b"1")])
        bus.publish([Message("second", b"1")])
        mine = [thread for thread in producers() if thread not in others]
        with_a_second_topic = processor_seconds(mine, 1)
    with EmbeddedBroker(port):
        time.sleep(1)  # it connects anew by itself, and its topics are gone
        without_its_topics = processor_seconds(mine, 1)
        bus.close()

    assert len(mine) == 1
    assert with_a_second_topic < 0.2
    assert without_its_topics < 0.2


def test_a_bus_that_cannot_deliver_leaves_no_thread_behind() -> None:
    others, port = clients(), free_port()
    with EmbeddedBroker(port) as running:
        bus = KafkaBus(running.address, timeout=1.5)
        bus.publish([Message("t", b"1")])
    with pytest.raises(BrokerDown):
        bus.publish([Message("t", b"2")])

    assert [thread for thread in clients() if thread not in others] == []


def test_a_port_in_use_is_a_message(broker: EmbeddedBroker) -> None:
    with pytest.raises(PortTaken, match="set TIDEMILL_BROKER_PORT"):
        EmbeddedBroker(broker.port).start()
