"""Resources that many messages make together: parts kept by member, folded now and then (ADR 15).

A part is stored once, whatever came before it: its cost is that of one row. The resource is made of all parts when
their number has doubled since the last time (1, 2, 4, 8, …), and when nothing was added for a while, which an action in
the journal says. So n messages give at most log2(n) + 2 versions, plus one for each pause; all folds together read less
than three times n parts. Of two parts of one member the later stands, by the stamps that settle uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from mappings import Change, Part
from pipelines.envelope import Envelope
from pipelines.outcomes import canonical
from pipelines.ports import Entry, Growth, State, StoredPart
from pipelines.stamp import Origin

__all__ = ["Growing", "fold", "quiet", "quiet_of"]

Key = tuple[str, str]  # type, id
_NEW = Growth("", "", 0, 0, False, 0)


def fold(key: Key, contents: Iterable[bytes]) -> tuple[Change, ...]:
    """The resource and its Provenance, of all parts. One type grows today."""
    from mappings.dicom import fold as fold_study

    assert key[0] == "ImagingStudy"
    return fold_study(key[1], contents)


def quiet(seconds: float) -> Envelope:
    """The journal entry that has everything folded to which nothing was added for so long."""
    body = canonical({"action": "fold", "quiet_us": int(seconds * 1e6)})
    return Envelope(channel="@timer", format="action", body=body, kind="action")


def quiet_of(body: bytes) -> int | None:
    """Microseconds of quiet that an action asks for; None: it is another action."""
    asked = json.loads(body)
    return int(asked["quiet_us"]) if asked.get("action") == "fold" else None


class Growing:
    """What is known of growing resources, the open batch included."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[Key, Growth] = {}
        self._new: dict[Key, dict[str, StoredPart]] = {}

    def add(self, entry: Entry, part: Part, origin: Origin) -> bool:
        """Keep one part; True: the resource is due to be made again."""
        key = (part.type, part.id)
        growth = self._growth(key)
        before = self._new.get(key, {}).get(part.member) or self._state.part(*key, part.member)
        row = StoredPart(*key, part.member, origin.time, origin.channel, origin.place, part.content)
        if before is not None and (before.stamp > row.stamp or before == row):
            return False
        self._new.setdefault(key, {})[part.member] = row
        members = growth.members + (before is None)
        stale = growth.stale or before is None or before.content != row.content
        self._known[key] = Growth(*key, members, growth.folded, stale, max(growth.received, entry.received_at))
        return members >= 2 * growth.folded

    def parts(self, key: Key) -> list[StoredPart]:
        """All parts, the open batch included; the latest last."""
        found = {part.member: part for part in self._state.parts(*key)}
        found |= self._new.get(key, {})
        return sorted(found.values(), key=lambda part: part.stamp)

    def folded(self, key: Key) -> None:
        """The resource is made of all of them."""
        growth = self._growth(key)
        self._known[key] = growth._replace(folded=growth.members, stale=False)

    def batch(self) -> tuple[tuple[StoredPart, ...], tuple[Growth, ...]]:
        """What the open batch stores."""
        return tuple(part for parts in self._new.values() for part in parts.values()), tuple(self._known.values())

    def committed(self) -> None:
        """The batch is stored: nothing here is newer than the state."""
        self._known.clear()
        self._new.clear()

    def _growth(self, key: Key) -> Growth:
        if key not in self._known:
            self._known[key] = self._state.growth(*key) or _NEW._replace(type=key[0], id=key[1])
        return self._known[key]
