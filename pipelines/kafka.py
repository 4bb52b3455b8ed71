"""The Kafka publisher: released records to topics, exactly once (facts: outbox and checkpoint in one transaction).

One transaction holds up to `_BATCH` events and the publisher's checkpoint (the last seq in it), on a compacted topic.
At start: `init_transactions` first, which ends what a dead predecessor left open and fences it off, then the
checkpoint is read `read_committed` to its end, and publishing goes on behind it. So a `read_committed` subscriber sees
nothing twice and nothing missing, whenever we or the broker die. There is no other start: recovery is the normal path.

A record too large for a topic goes by claim check: its bytes into the blobs, a small event with their digest into
the topic, so that it holds up nothing behind it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pipelines import ports
from pipelines.errors import PipelineError

__all__ = ["CHECKPOINT_TOPIC", "KafkaPublisher", "KafkaSettings", "PublisherFenced", "PublisherStopped", "tail"]

CHECKPOINT_TOPIC = "tabellion.publisher.checkpoint.v1"
CLAIM_TYPE = "application/vnd.tabellion.claim+json"
_log = logging.getLogger("tabellion.kafka")  # the client's own lines: addresses and error codes, never content
_BATCH = 500
_WAIT = 30.0  # seconds for one answer of the broker


class PublisherStopped(PipelineError):
    """The broker can't be used now; a new publisher goes on where the checkpoint stands."""


class PublisherFenced(PublisherStopped):
    """Another publisher with our id took over; this one must end."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """`servers`: bootstrap addresses. `options`: further librdkafka settings (security, compression)."""

    servers: str
    partitions: int = 12
    replication: int = -1  # the broker's default
    max_bytes: int = 900_000  # of one message with its headers; larger goes by claim check
    options: tuple[tuple[str, str], ...] = ()

    def client(self) -> dict[str, str | int | float | bool]:
        """What every client of ours is configured with."""
        return {"bootstrap.servers": self.servers, **dict(self.options)}


Headers = list[tuple[str, str | bytes | None]]
Released = Callable[[int, int], Sequence[ports.Message]]
"""(after seq, count) -> released records of all topics in seq order."""


class KafkaPublisher:
    """Publishes what `released` gives, in its order. One per publisher id at a time: the newest wins."""

    def __init__(
        self,
        settings: KafkaSettings,
        publisher: str,
        topics: Sequence[str],
        released: Released,
        put_blob: Callable[[bytes], bytes],
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._released = released
        self._put_blob = put_blob
        ensure_topics(settings, topics)
        self._producer = Producer(
            {
                "transactional.id": publisher,
                "enable.idempotence": True,
                "acks": "all",
                # Java's default, so that other clients' topics with the same keys stay co-partitioned
                "partitioner": "murmur2_random",
                # every client can read gzip without a further library; zstd by `options` where all subscribers can
                "compression.type": "gzip",
                "linger.ms": 5,
                "delivery.timeout.ms": 60_000,
                "transaction.timeout.ms": 60_000,
                "queue.buffering.max.messages": 10 * _BATCH,
                "logger": _log,
            }
            | settings.client()
        )
        _answered(lambda: self._producer.init_transactions(_WAIT))
        self.position = read_checkpoint(settings, publisher)

    def publish(self) -> int:
        """Publish the next batch in one transaction; give how many records it held (0: nothing new).

        Raises PublisherStopped: nothing of the batch is visible, or all of it is; a new publisher finds out which.
        """
        batch = self._released(self.position, _BATCH)
        if not batch:
            return 0
        _answered(self._producer.begin_transaction)
        try:
            for message in batch:
                self._produce(message)
            last = batch[-1].offset
            self._send(CHECKPOINT_TOPIC, self._publisher.encode(), json.dumps({"seq": last}).encode(), [])
            self._commit()
        except PublisherStopped:
            self._abort()
            raise
        self.position = last
        return len(batch)

    def _commit(self) -> None:
        # waits for every message of the transaction; one that was not delivered fails the whole
        _answered(lambda: self._producer.commit_transaction(_WAIT))

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(_WAIT)
        except KafkaException:
            return  # the next publisher's init_transactions ends it

    def _produce(self, message: ports.Message) -> None:
        headers: Headers = [(name, value.encode()) for name, value in message.headers.items()]
        value = message.value
        size = sum(len(name) + len(text or b"") for name, text in headers) + len(message.key)
        if value is not None and len(value) + size > self._settings.max_bytes:
            value, headers = self._claim(value, headers)
        self._send(message.topic, message.key.encode(), value, headers)

    def _claim(self, value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        digest = self._put_blob(value)
        if digest != sha256(value).digest():
            raise PublisherStopped("the blob store gave another digest than the record has")
        name = f"urn:sha256:{digest.hex()}"
        kept = [(header, text) for header, text in headers if header != "content-type"]
        marks: Headers = [("content-type", CLAIM_TYPE.encode()), ("tabellion-claim", name.encode())]
        return json.dumps({"claim": name, "size": len(value)}).encode(), [*kept, *marks]

    def _send(self, topic: str, key: bytes, value: bytes | None, headers: Headers) -> None:
        while True:
            try:
                self._producer.produce(topic, key=key, value=value, headers=headers)
            except BufferError:
                self._producer.poll(0.1)
                continue
            except KafkaException as error:
                raise PublisherStopped(_reason(error)) from error
            break
        self._producer.poll(0)

    def close(self) -> None:
        """Forget what is not committed and close."""
        self._producer.purge()
        self._producer.flush(1)


def ensure_topics(settings: KafkaSettings, topics: Sequence[str]) -> None:
    """Create the topics that are missing; the checkpoint's is compacted and has one partition."""
    admin = AdminClient(settings.client())
    wanted = [NewTopic(name, settings.partitions, settings.replication) for name in topics]
    wanted.append(NewTopic(CHECKPOINT_TOPIC, 1, settings.replication, config={"cleanup.policy": "compact"}))
    try:
        known = admin.list_topics(timeout=_WAIT).topics
        missing = [topic for topic in wanted if topic.topic not in known]
        for future in admin.create_topics(missing, request_timeout=_WAIT).values() if missing else ():
            try:
                future.result(_WAIT)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
    except KafkaException as error:
        raise PublisherStopped(_reason(error)) from error


def read_checkpoint(settings: KafkaSettings, publisher: str) -> int:
    """The last seq that a committed transaction of this publisher holds; -1 if there is none."""
    consumer = Consumer(
        settings.client()
        | {
            "group.id": f"{publisher}.checkpoint",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    last = -1
    try:
        consumer.assign([TopicPartition(CHECKPOINT_TOPIC, 0, 0)])
        while True:
            message = consumer.poll(_WAIT)
            if message is None:
                raise PublisherStopped(f"no answer from the broker within {_WAIT:g} s")
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return last
                raise PublisherStopped(error.name())
            key, value = message.key(), message.value()
            if key == publisher.encode() and value is not None:  # an empty or null value is false, but not None
                last = int(json.loads(value)["seq"])
    except KafkaException as error:
        raise PublisherStopped(_reason(error)) from error
    finally:
        consumer.close()


def _answered(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except KafkaException as error:
        kafka = error.args[0]
        if kafka.code() in (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH):
            raise PublisherFenced("another publisher with the same id took over") from error
        raise PublisherStopped(_reason(error)) from error


def _reason(error: KafkaException) -> str:
    kafka = error.args[0]
    return f"{kafka.name()}: {kafka.str()}" if isinstance(kafka, KafkaError) else str(kafka)


def tail(servers: str, topic: str, start: str, count: int | None, follow: bool) -> Iterator[ports.Message]:
    """Committed messages of a topic, all partitions: from `earliest`, `latest` or an offset; to the end, or on and on.

    Raises PublisherStopped where the broker can't be used or has no such topic.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "tabellion-tail",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "logger": _log,
        }
    )
    offset = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}.get(start)
    try:
        known = consumer.list_topics(topic, timeout=_WAIT).topics[topic]
        if known.error is not None:
            raise PublisherStopped(f"no topic {topic}")
        numbers = sorted(known.partitions)
        consumer.assign([TopicPartition(topic, number, int(start) if offset is None else offset) for number in numbers])
        ended: set[int] = set()
        while (count is None or count > 0) and (follow or len(ended) < len(numbers)):
            message = consumer.poll(1.0 if follow else _WAIT)
            if message is None:
                if follow:
                    continue
                raise PublisherStopped(f"no answer from the broker within {_WAIT:g} s")
            error = message.error()
            if error is None:
                count = None if count is None else count - 1
                yield _received(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition() or 0)
            else:
                raise PublisherStopped(error.name())
    except KafkaException as error:
        raise PublisherStopped(_reason(error)) from error
    finally:
        consumer.close()


def _received(message: Message) -> ports.Message:
    pairs = cast(list[tuple[str, str | bytes | None]], message.headers() or [])
    headers = {name: _bytes(text).decode("utf-8", "replace") for name, text in pairs}
    value = message.value()
    data = None if value is None else _bytes(value)  # an empty value is false, too, but no tombstone
    return ports.Message(message.topic() or "", message.offset() or 0, _bytes(message.key()).decode(), headers, data)


def _bytes(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
