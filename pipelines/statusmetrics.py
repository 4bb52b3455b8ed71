"""The status as gauges, read when somebody asks (facts/streaming.md §7: the age of the oldest unprocessed is the SLO).

Whoever has the HTTP port reads the stores itself: a writer that hangs can't hide how far it is behind.
"""

from __future__ import annotations

from pipelines.datafolder import DataFolder
from pipelines.messages import status
from pipelines.metrics import Registry

_GAUGES = {
    "backlog": ("backlog", "Messages kept but not yet settled."),
    "oldest_seconds": ("oldest_unprocessed_seconds", "Age of the oldest message not yet settled."),
    "dead_letters": ("dead_letters", "Messages that failed and are not solved."),
    "held": ("held", "Messages that wait for a failed one of the same patient."),
    "records": ("records", "Record versions stored."),
    "log_size": ("log_size", "Leaves in the log."),
    "released": ("released", "Record versions that may leave."),
}


class StatusMetrics:
    """Gauges of one data folder."""

    def __init__(self, registry: Registry) -> None:
        self._gauges = {key: registry.gauge(*names) for key, names in _GAUGES.items()}
        self._lag = registry.gauge("topic_lag", "Released messages that a consumer group of a topic has not read.")

    def observe(self, folder: DataFolder) -> None:
        """Bring them up to date."""
        now = status(folder)
        for key, gauge in self._gauges.items():
            gauge.set(now[key])
        for topic, groups in now["lag"].items():
            for group, lag in groups.items():
                self._lag.set(lag, topic=topic, group=group)
