"""What a listener counts, per channel and in all: answers by code, their latency, connections and bytes gone wrong."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

__all__ = ["BUCKETS", "Answers", "Tally"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Answers:
    """One channel's. `buckets[n]` counts answers within BUCKETS[n] seconds, the last those that took longer."""

    codes: Counter[str] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """All of a listener's. `events` by name: junk, truncated, oversize, slow-frame, idle …"""

    channels: dict[str, Answers] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)

    def answer(self, channel: str, code: str, seconds: float) -> None:
        """An answer was given (code `none`: the sender asked for silence)."""
        answers = self.channels.get(channel)
        if answers is None:
            answers = self.channels[channel] = Answers()
        answers.codes[code] += 1
        answers.buckets[bisect_left(BUCKETS, seconds)] += 1
        answers.seconds += seconds

    @property
    def codes(self) -> Counter[str]:
        """Answers by code over all channels."""
        total: Counter[str] = Counter()
        for answers in self.channels.values():
            total.update(answers.codes)
        return total
