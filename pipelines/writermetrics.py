"""What the writer counts: entries, versions, dead letters, commits (facts/streaming.md §7 "Metrics")."""

from __future__ import annotations

from pipelines.metrics import Registry
from pipelines.ports import Outcome


class WriterMetrics:
    """The writer's registry; labels are channel names, statuses, causes and topic groups."""

    def __init__(self) -> None:
        self.registry = Registry()
        declare = self.registry.counter
        self._entries = declare("entries_total", "Journal entries settled, by channel and outcome.")
        self._records = declare("records_total", "Record versions made, by topic group.")
        self._unchanged = declare("unchanged_total", "Record versions not made because nothing had changed.")
        self._letters = declare("dead_letters_total", "Messages that became dead letters, by cause.")
        self._commits = declare("commits_total", "Transactions of the writer.")
        self._seconds = declare("commit_seconds_total", "Time spent in these transactions.")
        self._mappers = declare("mapper_restarts_total", "Mapper processes started again, by reason.")
        for counter in (self._unchanged, self._commits, self._seconds):
            counter.add(0)

    def entry(self, outcome: Outcome) -> None:
        """An entry has an outcome."""
        self._entries.add(channel=outcome.entry.channel, status=outcome.status)
        if outcome.unchanged:
            self._unchanged.add(outcome.unchanged)

    def record(self, group: str) -> None:
        """A record version was made."""
        self._records.add(group=group)

    def dead_letter(self, cause: str) -> None:
        """A message failed."""
        self._letters.add(cause=cause)

    def committed(self, records: int, seconds: float) -> None:
        """A batch is durable."""
        self._commits.add()
        self._seconds.add(seconds)

    def restarted(self, reason: str) -> None:
        """A mapper process was started again."""
        self._mappers.add(reason=reason)
