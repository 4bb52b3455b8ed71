"""The publisher against a real Apache Kafka broker, read back by kafka-python, an independent client."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from pipelines.blobs import FileBlobs
from pipelines.kafka import CHECKPOINT_TOPIC, KafkaPublisher, KafkaSettings, PublisherStopped, read_checkpoint
from pipelines.ports import Message

pytestmark = pytest.mark.kafka


class Outbox:
    """Released records as State shows them: a plain list, in seq order."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.messages: list[Message] = []

    def add(self, count: int, value: bytes | None = b'{"resourceType":"Patient"}') -> None:
        """Release `count` more."""
        for seq in range(len(self.messages), len(self.messages) + count):
            headers = {"ce_id": f"{self.topic}-{seq}", "content-type": "application/fhir+json; fhirVersion=4.0"}
            self.messages.append(Message(self.topic, seq, f"patient-{seq % 7}", headers, value))

    def released(self, after: int, count: int) -> Sequence[Message]:
        """As `Topics` gives them."""
        return self.messages[after + 1 : after + 1 + count]


@pytest.fixture
def outbox() -> Outbox:
    """An outbox with a topic of its own."""
    return Outbox(f"fhir.test-{uuid.uuid4().hex[:8]}.patient.v1")


@pytest.fixture
def settings(kafka: str) -> KafkaSettings:
    """Three partitions are enough to see order per key."""
    return KafkaSettings(kafka, partitions=3, replication=1)


def publisher(settings: KafkaSettings, outbox: Outbox, folder: Path) -> KafkaPublisher:
    """A publisher whose id is its topic's name."""
    return KafkaPublisher(settings, outbox.topic, [outbox.topic], outbox.released, FileBlobs(folder).put)


def consumed(settings: KafkaSettings, topic: str) -> list[tuple[str, str, bytes | None, dict[str, str]]]:
    """(key, ce_id, value, headers) of every record that a read_committed subscriber sees, per partition in order."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=1500,
    )
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(partitions)
        rows = []
        for record in consumer:
            headers = {name: text.decode() for name, text in record.headers}
            rows.append((record.key.decode(), headers["ce_id"], record.value, headers))
        return rows
    finally:
        consumer.close()


def drain(one: KafkaPublisher) -> int:
    """Publish all that is there."""
    total = 0
    while count := one.publish():
        total += count
    return total


def test_each_record_once_in_order_per_key(settings: KafkaSettings, outbox: Outbox, tmp_path: Path) -> None:
    """All records arrive once; those of one key keep their order; the checkpoint stands at the last."""
    outbox.add(1200)
    assert drain(publisher(settings, outbox, tmp_path)) == 1200
    rows = consumed(settings, outbox.topic)
    assert sorted(row[1] for row in rows) == sorted(message.headers["ce_id"] for message in outbox.messages)
    for key in {row[0] for row in rows}:
        seqs = [int(row[1].rsplit("-", 1)[1]) for row in rows if row[0] == key]
        assert seqs == sorted(seqs)
    assert read_checkpoint(settings, outbox.topic) == 1199


def test_tombstones_and_empty_values_are_told_apart(settings: KafkaSettings, outbox: Outbox, tmp_path: Path) -> None:
    """A null value is a tombstone, an empty one is not."""
    outbox.add(1, None)
    outbox.add(1, b"")
    drain(publisher(settings, outbox, tmp_path))
    assert sorted((row[1][-1], row[2]) for row in consumed(settings, outbox.topic)) == [("0", None), ("1", b"")]


def test_successor_aborts_what_its_predecessor_left_open(
    settings: KafkaSettings, outbox: Outbox, tmp_path: Path
) -> None:
    """Events of a transaction that was never committed stay unseen; the successor publishes them once."""
    outbox.add(10)
    first = publisher(settings, outbox, tmp_path)
    assert first.publish() == 10
    outbox.add(5)
    first._producer.begin_transaction()
    for message in outbox.released(first.position, 500):
        first._produce(message)
    first._producer.flush(10)  # on the broker, uncommitted: as after a crash between produce and commit
    second = publisher(settings, outbox, tmp_path)
    assert second.position == 9
    assert drain(second) == 5
    with pytest.raises(PublisherStopped):
        first._commit()
    rows = consumed(settings, outbox.topic)
    assert len(rows) == 15
    assert len({row[1] for row in rows}) == 15


def test_fenced_publisher_can_not_publish(settings: KafkaSettings, outbox: Outbox, tmp_path: Path) -> None:
    """Two publishers with one id: the older one is refused and nothing is doubled."""
    first = publisher(settings, outbox, tmp_path)
    second = publisher(settings, outbox, tmp_path)
    outbox.add(3)
    with pytest.raises(PublisherStopped):
        first.publish()
    assert drain(second) == 3
    assert len(consumed(settings, outbox.topic)) == 3


def test_too_large_goes_by_claim_check_and_blocks_nothing(
    settings: KafkaSettings, outbox: Outbox, tmp_path: Path
) -> None:
    """The event names the blob by digest; what stands behind it arrives."""
    large = json.dumps({"resourceType": "DocumentReference", "data": "x" * 2_000_000}).encode()
    outbox.add(1)
    outbox.add(1, large)
    outbox.add(1)
    assert drain(publisher(settings, outbox, tmp_path)) == 3
    rows = {row[1][-1]: row for row in consumed(settings, outbox.topic)}
    assert set(rows) == {"0", "1", "2"}
    value, headers = rows["1"][2], rows["1"][3]
    assert value is not None
    name = f"urn:sha256:{sha256(large).hexdigest()}"
    assert json.loads(value) == {"claim": name, "size": len(large)}
    assert headers["tabellion-claim"] == name
    assert headers["content-type"].startswith("application/vnd.tabellion.claim")
    assert FileBlobs(tmp_path).read(sha256(large).digest()) == large


def test_no_broker_is_our_own_error(outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a broker the publisher says so, and nothing else breaks."""
    monkeypatch.setattr("pipelines.kafka._WAIT", 1.0)
    nobody = KafkaSettings("127.0.0.1:9", partitions=1, replication=1)
    with pytest.raises(PublisherStopped):
        publisher(nobody, outbox, tmp_path)


def test_checkpoint_topic_is_compacted(settings: KafkaSettings, outbox: Outbox, tmp_path: Path) -> None:
    """One partition, compacted: it stays small however long we publish."""
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.admin._config import ConfigResource

    publisher(settings, outbox, tmp_path)
    admin = AdminClient(settings.client())
    (future,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, CHECKPOINT_TOPIC)]).values()
    assert future.result(10)["cleanup.policy"].value == "compact"
