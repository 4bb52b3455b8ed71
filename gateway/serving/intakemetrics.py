"""Metrics of intake, per channel: received, answered by code, how fast, and the age of the oldest not yet settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock

from adapters.hl7v2.mllp import BUCKETS, Budget, MllpServer
from pipelines.metrics import Registry

__all__ = ["IntakeMetrics"]


class IntakeMetrics:
    """Brought up to date when somebody asks. The loop only counts: labels and locks cost more than that."""

    def __init__(self, registry: Registry) -> None:
        counter, gauge = registry.counter, registry.gauge
        self._reported: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()
        self._kept = counter("intake_kept_total", "Messages committed to the journal, by channel and status.")
        self._answers = gauge("mllp_answers", "Acknowledgements sent since start, by channel and MSA-1.")
        self._seconds = registry.histogram(
            "mllp_answer_seconds", "From the last byte of a message to its acknowledgement, by channel.", BUCKETS
        )
        self._events = gauge("mllp_events", "What else happened on connections since start, by kind.")
        self._connections = gauge("mllp_connections", "Open MLLP connections, by listener.")
        self._memory = gauge("mllp_memory_bytes", "Bytes that connections hold: unfinished, and on their way.")
        self._oldest = gauge("channel_oldest_seconds", "Age of the oldest message not yet settled, by channel.")

    def observe(
        self,
        counts: Mapping[tuple[str, str], int],
        servers: Iterable[MllpServer],
        budget: Budget,
        oldest: Mapping[str, float],
    ) -> None:
        """Bring them up to date; from any thread."""
        with self._lock:
            for (channel, status), count in list(counts.items()):
                self._kept.add(count - self._reported[channel, status], channel=channel, status=status)
                self._reported[channel, status] = count
        events: Counter[str] = Counter()
        for server in servers:
            events.update(server.tally.events)
            self._connections.set(server.connections, listener=server.address)
            for channel, answers in list(server.tally.channels.items()):
                for code, count in list(answers.codes.items()):
                    self._answers.set(count, channel=channel, code=code)
                self._seconds.set(answers.buckets, answers.seconds, channel=channel)
        for kind, count in events.items():
            self._events.set(count, kind=kind)
        self._memory.set(budget.unfinished, state="unfinished")
        self._memory.set(budget.under_way, state="under-way")
        for channel, seconds in oldest.items():
            self._oldest.set(seconds, channel=channel)
