"""Stamps: the total order that decides which message an element is from (architecture: "Settle").

Owner before filler, event before plain before derived, then event time, channel name, place in the channel. No part of
it depends on when or in what company a message arrives, so the winner is a function of the set of messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

NO_TIME = -(10**17)  # before every time: no message of the channel had one yet
FILLER, OWNER = 0, 1
MERGE_RANK = 2  # above `event`: nothing wakes a retired patient


class Stamp(NamedTuple):
    """Compared as a tuple. `time` in microseconds since 1970-01-01 UTC; `place` the journal seq."""

    owner: int
    rank: int
    time: int
    channel: str
    place: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message stands: effective event time, channel, journal seq."""

    time: int
    channel: str
    place: int


def instant(text: str | None) -> int | None:
    """Microseconds of a UTC instant as `Mapped.event_time` writes it; None stays None.

    >>> instant('1970-01-01T00:00:01.5Z')
    1500000
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None  # a date or a local time says nothing about order across zones
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + moment.microsecond


def effective(said: int | None, clock: int | None) -> tuple[int, int | None]:
    """The time that orders a message, and the channel's clock after it (its running maximum; None: no time yet).

    A message without a time of its own stands at the newest time its channel had told before it: it compares within
    its channel by place, and with other channels by what was known then.
    """
    if said is None:
        return (NO_TIME if clock is None else clock), clock
    return said, said if clock is None else max(clock, said)
