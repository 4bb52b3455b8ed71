"""The batch that is being filled, and what is known with it (architecture: "commit: one SQL transaction per batch").

Where a batch is cut depends on load and clock; what is in its records does not. A message is never cut in two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from pipelines.ports import Batch, DeadLetter, Entry, Hold, Merge, Outcome, Record, State, Touch
from pipelines.settle import Incoming, Known, NewVersion, Settled, Unchanged, after

Key = tuple[str, str]  # type, id


class Memory:
    """The resources that were worked on last, as the writer knows them; bounded, and always as committed or newer.

    There is one writer, so what it wrote needs no second look. If a commit fails, the memory goes with the writer.
    """

    def __init__(self, state: State, limit: int = 2048) -> None:
        self._state = state
        self._limit = limit
        self._known: OrderedDict[Key, Known] = OrderedDict()

    def load(self, keys: Iterable[Key]) -> dict[Key, Known]:
        """Those of the resources that exist."""
        wanted = list(keys)
        missing = [key for key in wanted if key not in self._known]
        for key, current in self._state.current_many(missing).items() if missing else ():
            self._known[key] = Known(current.version, current.digest, current.registers)
        found = {}
        for key in wanted:
            if key in self._known:
                self._known.move_to_end(key)
                found[key] = self._known[key]
        return found

    def put(self, key: Key, known: Known) -> None:
        """What a resource is after a message."""
        self._known[key] = known
        self._known.move_to_end(key)

    def trim(self) -> None:
        """Forget the longest unused; called between batches, when all of it is committed."""
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


class Draft:
    """One batch as it grows."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._records: list[Record] = []
        self._last: dict[Key, int] = {}  # where a resource's newest version in this batch stands
        self._touched: dict[Key, Touch] = {}
        self.outcomes: list[Outcome] = []
        self._copies: set[tuple[str, bytes, bytes]] = set()
        self.letters: list[DeadLetter] = []
        self.solved: list[int] = []
        self.holds: list[Hold] = []
        self.freed: list[int] = []
        self.merges: list[Merge] = []
        self.maps: list[tuple[str, bytes]] = []
        self.size = 0  # bytes of bodies

    @property
    def records(self) -> int:
        """Versions so far."""
        return len(self._records)

    @property
    def empty(self) -> bool:
        """Nothing to commit."""
        return not self.outcomes

    @property
    def marks(self) -> set[str]:
        """Patients that this batch's failed and held messages mark."""
        marks = {patient for letter in self.letters for patient in letter.patients}
        return marks.union(*(hold.patients for hold in self.holds))

    def done(self, outcome: Outcome) -> None:
        """An entry has its outcome."""
        self.outcomes.append(outcome)
        if outcome.status != "dead":
            self._copies.add(_identity(outcome.entry))

    def holds_copy(self, entry: Entry) -> bool:
        """Whether the same message took effect in this batch already."""
        return _identity(entry) in self._copies

    def known(self, keys: Iterable[Key]) -> dict[Key, Known]:
        """What is known of these resources, this batch included."""
        return self._memory.load(keys)

    def add(self, entry: Entry, incoming: Incoming, known: Known | None, result: Settled) -> None:
        """One resource's result."""
        said = incoming.said
        key = (said.type, said.id)
        if isinstance(result, NewVersion):
            self._last[key] = len(self._records)
            self._touched.pop(key, None)
            self._records.append(
                Record(
                    type=key[0],
                    id=key[1],
                    version=result.version,
                    op=result.op,
                    patient=result.patient,
                    group=said.group,
                    body=result.body,
                    registers=result.registers,
                    entry=entry.seq,
                )
            )
            self.size += len(result.body) + len(result.registers)
        elif isinstance(result, Unchanged) and result.registers is not None:
            self._move(key, result.registers)
        now = after(known, result)
        if now is not None and now.registers:  # resources of one message only don't come again
            self._memory.put(key, now)

    def _move(self, key: Key, registers: bytes) -> None:
        place = self._last.get(key)
        if place is None:
            self._touched[key] = Touch(*key, registers)
        else:  # its newest version is of this batch: that row carries the stamps
            self._records[place] = replace(self._records[place], registers=registers)

    def batch(self, cursor: int) -> Batch:
        """The finished batch."""
        return Batch(
            cursor=cursor,
            outcomes=tuple(self.outcomes),
            records=tuple(self._records),
            touched=tuple(self._touched.values()),
            dead_letters=tuple(self.letters),
            solved=tuple(self.solved),
            holds=tuple(self.holds),
            freed=tuple(self.freed),
            merges=tuple(self.merges),
            maps=tuple(self.maps),
        )


def _identity(entry: Entry) -> tuple[str, bytes, bytes]:
    return entry.channel, entry.control_id, entry.sha256
