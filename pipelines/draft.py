"""The batch that is being filled, and what is known with it (architecture: "commit: one SQL transaction per batch").

Where a batch is cut depends on load and clock; what is in its records does not. A message is never cut in two.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from pipelines.envelope import NO_FACTS
from pipelines.ports import (
    NO_EFFECT,
    Batch,
    Case,
    DeadLetter,
    Entry,
    Growth,
    Hold,
    Merge,
    Outbound,
    Outcome,
    Record,
    State,
    StoredClaim,
    StoredPart,
    Touch,
)
from pipelines.registers import NOTHING, Stored
from pipelines.said import Said
from pipelines.settle import Held, Incoming, Known, NewVersion, Settled, after

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
            self._known[key] = Known(current.version, current.digest, Stored(current.registers))
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
        self._records: list[tuple[int, Said, NewVersion]] = []
        self._headers: list[Mapping[str, str]] = []  # of each of them
        self._last: dict[Key, int] = {}  # where a resource's newest version in this batch stands
        self._registers: dict[Key, Stored] = {}  # as the batch leaves them
        self.outcomes: list[Outcome] = []
        self._copies: set[tuple[str, bytes, bytes]] = set()
        self.letters: list[DeadLetter] = []
        self.solved: list[int] = []
        self.holds: list[Hold] = []
        self.freed: list[int] = []
        self.merges: list[Merge] = []
        self.maps: list[tuple[str, bytes]] = []
        self.claims: list[StoredClaim] = []
        self.cases: list[Case] = []
        self.verdicts: list[tuple[int, str]] = []
        self.outbound: list[Outbound] = []
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
        if outcome.status not in NO_EFFECT and outcome.status != "joined":  # its whole decides
            self._copies.add(_identity(outcome.entry))

    def holds_copy(self, entry: Entry) -> bool:
        """Whether the same message took effect in this batch already."""
        return _identity(entry) in self._copies

    def known(self, keys: Iterable[Key]) -> dict[Key, Known]:
        """What is known of these resources, this batch included."""
        return self._memory.load(keys)

    def add(
        self,
        entry: Entry,
        incoming: Incoming,
        known: Known | None,
        result: Settled,
        *,
        again: bool = False,
        headers: Mapping[str, str] = NO_FACTS,
    ) -> None:
        """One resource's result. `again`: it comes again although it has no registers (a resource of many messages)."""
        said = incoming.said
        key = (said.type, said.id)
        if isinstance(result, NewVersion):
            self._last[key] = len(self._records)
            self._records.append((entry.seq, said, result))
            self._headers.append(headers)
            self.size += len(result.body)
        if not isinstance(result, Held) and result.registers is not None:
            self._registers[key] = result.registers
        now = after(known, result)
        if now is not None and (again or now.registers is not NOTHING):  # those of one message don't come again
            self._memory.put(key, now)

    def batch(self, cursor: int, parts: tuple[StoredPart, ...] = (), growths: tuple[Growth, ...] = ()) -> Batch:
        """The finished batch. Registers are stored beside the newest version only, and so written once a batch."""
        last = self._last
        touched = tuple(Touch(*key, kept.data) for key, kept in self._registers.items() if key not in last)
        records = tuple(self._record(place, *made) for place, made in enumerate(self._records))
        return Batch(
            cursor=cursor,
            outcomes=tuple(self.outcomes),
            records=records,
            touched=touched,
            dead_letters=tuple(self.letters),
            solved=tuple(self.solved),
            holds=tuple(self.holds),
            freed=tuple(self.freed),
            merges=tuple(self.merges),
            maps=tuple(self.maps),
            outbound=tuple(self.outbound),
            parts=parts,
            growths=growths,
            claims=tuple(self.claims),
            cases=tuple(self.cases),
            verdicts=tuple(self.verdicts),
        )

    def _record(self, place: int, entry: int, said: Said, made: NewVersion) -> Record:
        key = (said.type, said.id)
        newest = self._last[key] == place
        registers = self._registers[key].data if newest else b""
        content = (made.body, registers)
        headers = self._headers[place]
        return Record(said.type, said.id, made.version, made.op, made.patient, said.group, *content, entry, headers)


def _identity(entry: Entry) -> tuple[str, bytes, bytes]:
    return entry.channel, entry.control_id, entry.sha256
