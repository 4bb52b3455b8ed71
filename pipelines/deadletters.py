"""Dead letters: messages that could not be mapped, and their replay (commands.md "deadletters list|replay").

A replay goes through the journal like everything that is not deterministic, and through settle at the message's own
place and time, so that it never overwrites what came later.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

from pipelines.datafolder import DataFolder
from pipelines.envelope import Envelope
from pipelines.errors import InUse, NoSuchEntry, Unavailable
from pipelines.replay import action, expiry
from pipelines.settings import Settings
from pipelines.topics import instant
from pipelines.writer import settle_all


@dataclass(frozen=True, slots=True)
class Letter:
    """One unsolved dead letter. `place` is segment-field-component, '' for the message as a whole."""

    id: int
    channel: str
    control_id: str
    received: str
    cause: str
    place: str
    text: str
    attempts: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: messages settled, failed again, not there any more, and let go that had waited for them."""

    replayed: int
    failed: int
    missing: int
    freed: int
    rejected: int = 0


def letters(folder: DataFolder) -> list[Letter]:
    """All unsolved dead letters, oldest first."""
    with closing(folder.state_reader()) as state:
        return [
            Letter(
                stored.entry.seq,
                stored.entry.channel,
                stored.entry.control_id.decode("utf-8", "backslashreplace"),
                instant(stored.entry.received_at),
                stored.cause,
                stored.place,
                stored.text,
                stored.attempts,
                stored.entry.sha256.hex(),
            )
            for stored in state.dead_letters()
        ]


def expire(folder: DataFolder, settings: Settings, now: float) -> int:
    """Order that dead letters older than their channel's `error_retention_days` go; how many. `now`: Unix seconds."""
    kept = {name: channel.error_retention_days for name, channel in settings.channels.items()}
    with closing(folder.state_reader()) as state:
        over = [
            stored.entry.seq
            for stored in state.dead_letters()
            if (days := kept.get(stored.entry.channel, 0)) and stored.entry.received_at < (now - days * 86_400) * 1e6
        ]
    if over:
        with closing(folder.journal(settings.journal())) as journal:
            journal.append(expiry(over)).result()
    return len(over)


def replay(
    folder: DataFolder,
    settings: Settings,
    entries: Iterable[int],
    *,
    timeout: float = 60.0,
    order: Callable[[Iterable[int]], Envelope] = action,
) -> Replayed:
    """Replay entries (dead letters, held or settled messages) with the maps of now, and wait until it is done; or do
    with them what another `order` says.

    A running service does it in its turn; without one it is done here. Raises NoSuchEntry, Unavailable (nothing was
    ordered, or the service did not come to it in time: it will).
    """
    wanted = sorted(set(entries))
    with closing(folder.state_reader()) as state:
        for seq in wanted:
            if state.outcome(seq) is None:
                raise NoSuchEntry(f"no settled message or dead letter {seq}")
    with closing(folder.journal(settings.journal())) as journal:
        ordered = journal.append(order(wanted)).result(timeout).seq
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        with closing(folder.state_reader()) as state:
            outcome = state.outcome(ordered)
        if outcome is not None:
            return Replayed(**json.loads(outcome.detail))
        try:
            with folder.lock(), closing(folder.state()) as state:
                settle_all(folder, state, settings)
        except InUse:
            time.sleep(0.05)  # a service has the folder: it does it
    raise Unavailable(f"the replay is ordered (entry {ordered}), but the service did not come to it in {timeout:g} s")
