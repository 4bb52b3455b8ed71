"""Folding: a resource of many messages made of its parts and settled, when it is due or nothing came for a while."""

from __future__ import annotations

from collections.abc import Mapping

from mappings import Part
from pipelines import growing, journey
from pipelines.cases import Cases
from pipelines.channels import Channel
from pipelines.draft import Draft
from pipelines.growing import Growing, Key
from pipelines.ownership import ownership
from pipelines.ports import Entry, State
from pipelines.said import whole
from pipelines.settle import Incoming, NewVersion, Policy
from pipelines.stamp import Origin
from pipelines.writermetrics import WriterMetrics

__all__ = ["Folding"]


class Folding:
    """Keeps parts, and makes new versions in the draft that it is handed."""

    def __init__(
        self,
        state: State,
        grown: Growing,
        cases: Cases,
        channels: Mapping[str, Channel],
        metrics: WriterMetrics,
    ) -> None:
        self._state = state
        self._growing = grown
        self._cases = cases
        self._channels = channels
        self._metrics = metrics
        self._ownership = ownership()

    def add(self, draft: Draft, entry: Entry, part: Part, origin: Origin) -> None:
        """Keep a part; if the resource is due, make it."""
        if self._growing.add(entry, part, origin):
            self._fold(draft, entry, (part.type, part.id))

    def quiet(self, draft: Draft, action: Entry, received_before: int) -> dict[str, int]:
        """Make anew whatever was added to, but not lately; the tally."""
        due = self._state.stale(received_before)
        for growth in due:
            self._fold(draft, action, (growth.type, growth.id))
        return {"folded": len(due)}

    def _fold(self, draft: Draft, entry: Entry, key: Key) -> None:
        """Make a resource of all its parts, as what `entry` says. It is a function of the parts, and replaced whole."""
        parts = self._growing.parts(key)
        changes = growing.fold(key, [part.content for part in parts])
        self._growing.folded(key)
        channel = self._channels.get(parts[-1].channel)
        said = [whole(change, self._ownership, channel.topics if channel else {}) for change in changes]
        known = draft.known([(each.type, each.id) for each in said])
        origin = Origin(entry.received_at, entry.channel, entry.seq)
        headers = self._cases.headers(draft, f"{key[0]}/{key[1]}")
        for each in said:
            current = known.get((each.type, each.id))
            incoming = Incoming(each, origin)
            result = journey.settle(current, incoming, Policy())
            draft.add(entry, incoming, current, result, again=True, headers=headers)
            if isinstance(result, NewVersion):
                self._metrics.record(each.group)
