"""The publisher process: released records to Kafka, for as long as the service runs.

A broker that is away stops nothing else: the records wait in State, and a new publisher goes on at its checkpoint.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pipelines.control import Listener
from pipelines.datafolder import DataFolder, open_folder
from pipelines.kafka import KafkaPublisher, KafkaSettings, PublisherFenced, PublisherStopped
from pipelines.logs import Log
from pipelines.metrics import Registry, write_snapshot
from pipelines.ports import GROUPS
from pipelines.settings import Kafka, Settings
from pipelines.topics import topic_name

__all__ = ["PROCESS", "kafka_settings", "run_publisher"]

PROCESS = "publisher"
_IDLE = 0.05  # seconds between looks for new records
_RETRY = 2.0  # seconds before a stopped publisher is made anew


def kafka_settings(kafka: Kafka) -> KafkaSettings:
    """The publisher's settings from the configuration's."""
    options = tuple(sorted(kafka.options.items()))
    return KafkaSettings(kafka.servers, kafka.partitions, kafka.replication, kafka.max_bytes, options)


def run_publisher(path: Path, settings: Settings, control: Listener) -> None:
    """Publish until told to stop, or until another publisher of this log takes over."""
    folder = open_folder(path)
    log = Log(level=settings.service.log_level)
    registry = Registry()
    published = registry.counter("kafka_published_total", "Records published to Kafka by this process.")
    position = registry.gauge("kafka_position", "Seq of the last record in a committed Kafka transaction.")
    stops = registry.counter("kafka_stops_total", "Times the broker could not be used.")
    log.info("publisher.started", pid=os.getpid())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent says when
    while not control.ended:
        try:
            publisher = _publisher(folder, settings)
            while not control.ended:
                count = publisher.publish()
                published.add(count)
                position.set(publisher.position)
                write_snapshot(path, registry.text(), PROCESS)
                control.wait(0 if count else _IDLE)
            publisher.close()
        except PublisherFenced as error:
            log.error("publisher.fenced", text=str(error))
            return
        except PublisherStopped as error:
            stops.add()
            log.warning("publisher.stopped", text=str(error))
            control.wait(_RETRY)


def _publisher(folder: DataFolder, settings: Settings) -> KafkaPublisher:
    log = folder.state_reader().log()
    names = [topic_name(folder.keystore.tenant, group) for group in GROUPS]
    return KafkaPublisher(
        kafka_settings(settings.kafka), log.publisher, names, folder.topics().read_all, folder.blobs.put
    )
