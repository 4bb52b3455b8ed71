"""The service is killed under load, again and again; nothing that was acknowledged is lost, nothing is said twice.

Each round: start, send until enough is acknowledged, kill the whole process group at a random moment or at a named
step, start again, let it settle. Then: every number on the sender's own fsynced list is settled exactly once; `ce_id`
is unique on the embedded topics and, read by an independent client with `read_committed`, on Kafka; both hold the same
events; the log is audited anew.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import KafkaConsumer, TopicPartition

from pipelines.datafolder import open_folder
from pipelines.doctor import first_fault
from pipelines.messages import status
from pipelines.ports import GROUPS
from pipelines.topics import topic_name
from tests.support.killing import Killing
from tests.support.load import HospitalSender, seed
from tests.support.service import Service, tabellion
from tests.support.soak import amount

STEPS = ("after-commit-before-ack", "inside-batch-commit", "between-produce-and-commit")
ROUNDS = 10  # in `make test`: at least two of each kind
SOAK_ROUNDS = 204
SOAK_SLICE_ROUNDS = 12
PER_FOLDER = 12  # rounds on one data folder: an audit grows with its folder
ENOUGH = 200  # acknowledged per round at least, before the kill
CONNECTIONS = 8


class Rounds:
    """Rounds on one data folder and one set of Kafka topics."""

    def __init__(self, folder: Path, servers: str, tenant: str, chance: random.Random) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._servers = servers
        self._tenant = tenant
        self._config = (
            f'[kafka]\nservers = "{servers}"\npartitions = 3\nreplication = 1\n[channels.load]\ntenant = "{tenant}"\n'
        )
        tabellion("init", "--data", str(self._data), "--tenant", tenant)
        self._sender = HospitalSender(folder / "acknowledged")
        self._killing = Killing(folder, self._sender, chance, ENOUGH, CONNECTIONS)
        self.acknowledged: list[int] = []

    @property
    def hits(self) -> Counter[str]:
        """Kills by step."""
        return self._killing.hits

    def round(self, step: str | None) -> None:
        """One round: killed at `step`, or at a random moment."""
        self.acknowledged.append(asyncio.run(self._killing.round(self._config, step)))

    def check(self) -> None:
        """Let everything settle, then look."""
        with Service(self._data, self._config) as service:
            self._wait()
            self._settled_once()
            embedded = self._embedded()
            assert len(set(embedded)) == len(embedded)
            published = self._published(len(embedded))
            assert service.stop() == 0
        assert len(set(published)) == len(published), "an event twice on Kafka"
        assert set(published) == set(embedded)
        assert first_fault(open_folder(self._data)) is None

    def _wait(self) -> None:
        folder = open_folder(self._data)
        until = time.monotonic() + 120
        while backlog := status(folder)["backlog"]:
            assert time.monotonic() < until, f"{backlog} messages are not settled after 120 s"
            time.sleep(0.05)

    def _settled_once(self) -> None:
        state = open_folder(self._data).state_reader()
        rows = state.connection.execute("SELECT control_id, status FROM entry WHERE channel='load'")
        settled_ = Counter(bytes(row[0]) for row in rows if row[1] in ("settled", "unchanged"))
        state.close()
        wanted = {f"L{number:08d}".encode() for number in self._sender.acknowledged}
        missing = wanted - set(settled_)
        assert not missing, f"{len(missing)} acknowledged messages were lost"
        assert not {control for control, count in settled_.items() if count > 1}
        on_disk = (self._folder / "acknowledged").read_text().split()
        assert {int(number) for number in on_disk} == self._sender.acknowledged

    def _embedded(self) -> list[str]:
        topics = open_folder(self._data).topics()
        found: list[str] = []
        after = -1
        while batch := topics.read_all(after, 1000):
            found += [message.headers["ce_id"] for message in batch]
            after = batch[-1].offset
        topics.close()
        return found

    def _published(self, wanted: int) -> list[str]:
        names = [topic_name(self._tenant, group) for group in GROUPS]
        found: list[str] = []
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            consumer.assign(
                [TopicPartition(name, n) for name in names for n in consumer.partitions_for_topic(name) or ()]
            )
            quiet = 0
            while quiet < 3 and (len(found) < wanted or quiet < 1):
                batch = consumer.poll(timeout_ms=2000 if len(found) < wanted else 500, max_records=5000)
                quiet = 0 if batch else quiet + 1
                for records in batch.values():
                    found += [dict(record.headers)["ce_id"].decode() for record in records]
        finally:
            consumer.close()
        return found


def run(folder: Path, servers: str, count: int, note: Callable[[str, object], None]) -> None:
    """Rounds of every kind in turn, in a random order, on as many folders as are needed."""
    number = seed()
    chance = random.Random(number)
    note("note", f"kill rounds: seed {number} (TABELLION_TEST_SEED)")
    hits: Counter[str] = Counter()
    fewest: list[int] = []
    for begin in range(0, count, PER_FOLDER):
        place = folder / f"rounds-{begin}"
        place.mkdir()
        rounds = Rounds(place, servers, f"kill-{number}-{begin}", chance)
        kinds: list[str | None] = [[None, *STEPS][n % 4] for n in range(min(PER_FOLDER, count - begin))]
        chance.shuffle(kinds)
        for kind in kinds:
            rounds.round(kind)
            rounds.check()
        hits += rounds.hits
        fewest += rounds.acknowledged
    said = f"{sum(fewest)} acknowledged, {min(fewest)} at least per round; kills by step: {dict(hits)}"
    note("note", f"kill rounds: {count}, {said}")
    assert min(fewest) >= ENOUGH
    for step in STEPS:
        assert hits[step] > 0, f"no kill at {step}"


@pytest.mark.kafka
def test_killed_at_any_moment(tmp_path: Path, kafka: str, record_property: Callable[[str, object], None]) -> None:
    """Ten seeded rounds."""
    run(tmp_path, kafka, ROUNDS, record_property)


@pytest.mark.kafka
@pytest.mark.soak
def test_killed_hundreds_of_times(tmp_path: Path, kafka: str, record_property: Callable[[str, object], None]) -> None:
    """At least two hundred; a slice of it in CI."""
    run(tmp_path, kafka, amount(SOAK_ROUNDS, SOAK_SLICE_ROUNDS), record_property)
