"""Actions on earlier entries: replay with the maps of now at their own places and times; expiry of old dead letters.

What an operator or a clock does is not deterministic, so it enters through the journal: an action is an entry of its
own, and the writer does it in its turn. Old never overwrites new, for the stamps of a replayed message are those it
always had.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Protocol

from pipelines.envelope import Envelope
from pipelines.mapper import Failure, Result
from pipelines.outcomes import canonical
from pipelines.ports import Entry, State
from pipelines.said import Spoken

OPERATOR = "@operator"  # the channel of actions; no configured channel can have this name
_RELEASED = 64  # held entries per look


class JournalReader(Protocol):
    """The part of the journal that the writer uses."""

    def read(self, after: int, limit: int) -> list[Entry]:
        """Entries with seq > `after`, in order."""

    def get(self, seq: int) -> Entry | None:
        """One entry."""


class Settler(Protocol):
    """The part of the writer that a replay uses. Each call of the last two is a batch of its own."""

    def map_now(self, entry: Entry) -> Result:
        """Map an entry out of turn."""

    def settle_again(self, entry: Entry, result: Spoken, *, solved: bool, freed: bool, released: bool = False) -> None:
        """Settle it at its own place; `released`: whoever it is of."""

    def reject(self, entry: Entry) -> None:
        """It is somebody else's: it never takes effect."""

    def fail_again(self, entry: Entry, failure: Failure, *, freed: bool) -> None:
        """It failed once more."""

    def expire(self, entry: Entry) -> None:
        """Let a dead letter and its bytes go."""


def action(entries: Iterable[int]) -> Envelope:
    """The journal entry that orders a replay."""
    body = canonical({"action": "replay", "entries": sorted(set(entries))})
    return Envelope(channel=OPERATOR, format="action", body=body, kind="action")


def expiry(entries: Iterable[int]) -> Envelope:
    """The journal entry that lets dead letters go whose time is over (a channel's `error_retention_days`)."""
    body = canonical({"action": "expire", "entries": sorted(set(entries))})
    return Envelope(channel=OPERATOR, format="action", body=body, kind="action")


def verdict(kind: str, entries: Iterable[int]) -> Envelope:
    """The journal entry that says of contradictions of identity: `release` them, or `reject` them."""
    body = canonical({"action": kind, "entries": sorted(set(entries))})
    return Envelope(channel=OPERATOR, format="action", body=body, kind="action")


def targets(body: bytes, kind: str = "replay") -> tuple[int, ...]:
    """The entries that an action of this kind names, oldest first."""
    asked = json.loads(body)
    return tuple(asked["entries"]) if asked.get("action") == kind else ()


def act(settler: Settler, state: State, journal: JournalReader, body: bytes) -> dict[str, int]:
    """Do what an action says, then let go what waited for it; the tally.

    Done twice it does nothing more: a crash between two of its batches repeats the action.
    """
    tally = {"replayed": 0, "failed": 0, "missing": 0, "freed": 0}
    for seq in targets(body):
        tally[_again(settler, state, journal, seq)] += 1
    for seq in targets(body, "release"):
        tally[_again(settler, state, journal, seq, released=True)] += 1
    for seq in targets(body, "reject"):
        word = _reject(settler, state, journal, seq)
        tally[word] = tally.get(word, 0) + 1
    if over := targets(body, "expire"):
        letters = [letter for seq in over if (letter := state.dead_letter(seq)) is not None]
        for letter in letters:
            settler.expire(letter.entry)
        tally["expired"] = len(letters)
    freed = -1
    while freed != tally["freed"]:  # letting one go may let the next go
        freed = tally["freed"]
        for seq in state.releasable(_RELEASED):
            tally["freed"] += _again(settler, state, journal, seq) != "missing"
    return tally


def _reject(settler: Settler, state: State, journal: JournalReader, seq: int) -> str:
    """One held entry that never takes effect; a word for the tally."""
    before, entry = state.outcome(seq), journal.get(seq)
    if before is None or entry is None or before.status != "held":
        return "missing"
    settler.reject(entry)
    return "rejected"


def _again(settler: Settler, state: State, journal: JournalReader, seq: int, released: bool = False) -> str:
    """One entry once more; a word for the tally."""
    before = state.outcome(seq)
    letter = state.dead_letter(seq)
    entry = letter.entry if letter is not None else journal.get(seq)
    if before is None or entry is None or entry.kind != "message" or before.status in ("part", "joined"):
        return "missing"  # a part says nothing by itself: the entry that it is joined to does
    freed = before.status == "held"
    result = settler.map_now(entry)
    if not isinstance(result, Failure):
        settler.settle_again(entry, result, solved=letter is not None, freed=freed, released=released)
        return "replayed"
    if freed or letter is not None:  # else: what it said stays said, there is nothing to take back
        settler.fail_again(entry, result, freed=freed)
    return "failed"
