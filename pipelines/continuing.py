"""Messages that arrive in parts (HL7 v2: DSC and MSH-14, section 2.10.2), joined behind the journal (ADR 19).

Each part is an entry of its own, kept and acknowledged like any other. In its turn it is told apart here: parts wait
(outcome `part`) until the last of them is there; that entry then stands for the whole message, and the others are
`joined` to it. Which parts wait is in State, so that a restart goes on where it was; what becomes of them is a
function of the journal alone.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

import msgspec

from pipelines.bodies import Bodies
from pipelines.channels import Channel
from pipelines.envelope import Envelope
from pipelines.errors import BlobMissing
from pipelines.formats import FORMATS, source
from pipelines.mapper import Failure, Result
from pipelines.outcomes import canonical
from pipelines.ports import Entry, State
from pipelines.replay import JournalReader

__all__ = [
    "Continuing",
    "Part",
    "incomplete",
    "incomplete_after",
    "joined",
    "joined_to",
    "parts_of",
    "whole",
    "with_parts",
]

BYTES_MAX = 64 << 20  # of all parts that wait of one sender
PARTS_MAX = 1000  # of them
WAITING_MAX = 100_000  # of all senders

INCOMPLETE = Failure("incomplete", "", "a part of a message whose other parts did not come in time")
_TOO_MUCH = Failure("limit", "", "too many parts of unfinished messages of this sender are waiting")

Key = tuple[str, bytes]  # channel, link
_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True)
class Part:
    """One part that waits."""

    seq: int
    key: Key
    follows: bytes
    pointer: bytes
    size: int
    received: int


class Continuing:
    """The parts that wait, the open batch included."""

    def __init__(self, state: State, journal: JournalReader, bodies: Bodies, channels: Mapping[str, Channel]) -> None:
        self._bodies = bodies
        self._channels = channels
        self._waiting: dict[Key, list[Part]] = {}  # in the order of the journal
        self._count = 0
        entries = [journal.get(seq) for seq, _ in sorted(state.parts_waiting(WAITING_MAX))]
        for entry in entries:
            if entry is not None and (part := self._read(entry)) is not None:
                self._keep(part.key, [*self._waiting.get(part.key, ()), part])

    def take(self, entry: Entry) -> tuple[int, ...] | Failure | None:
        """A message in its turn. None: it is whole. (): a part that waits. Else it was the last that was missing: all
        parts in their order. Failure: it can't wait."""
        part = self._read(entry)
        if part is None:
            return None
        waiting = self._waiting.get(part.key, [])
        ordered = self._ordered(entry.channel)
        announced = any(each.pointer == part.follows for each in waiting)
        if not announced and not part.pointer and ordered:
            return None  # real senders fill MSH-14 with anything
        waiting = [*waiting, part]
        chain = _chain(waiting, part, ordered)
        if chain[0].follows or chain[-1].pointer:
            size = sum(each.size for each in waiting)
            if len(waiting) > PARTS_MAX or size > BYTES_MAX or self._count >= WAITING_MAX:
                return _TOO_MUCH
            self._keep(part.key, waiting)
            return ()
        parts = tuple(each.seq for each in chain)
        self._keep(part.key, [each for each in waiting if each.seq not in parts])
        return parts

    def over(self, received_before: int) -> list[int]:
        """The entries of all messages of which nothing has come since then; they wait no more."""
        found = []
        for key, waiting in list(self._waiting.items()):
            if all(part.received > received_before for part in waiting):
                continue
            newest = _newest(waiting, self._ordered(key[0]))
            found += [part.seq for part in waiting if newest[part.seq] <= received_before]
            self._keep(key, [part for part in waiting if newest[part.seq] > received_before])
        return sorted(found)

    def _keep(self, key: Key, waiting: list[Part]) -> None:
        self._count += len(waiting) - len(self._waiting.get(key, ()))
        if waiting:
            self._waiting[key] = waiting
        else:
            self._waiting.pop(key, None)

    def _ordered(self, channel: str) -> bool:
        known = self._channels.get(channel)
        return known is None or known.continuation == "ordered"

    def _read(self, entry: Entry) -> Part | None:
        row = source(entry.format).continued if entry.format in FORMATS else None
        found = None if row is None else row.part(*self._bodies.ends(entry))
        if found is None:
            return None
        return Part(entry.seq, (entry.channel, found.link), found.follows, found.pointer, entry.size, entry.received_at)


def _chain(waiting: list[Part], part: Part, ordered: bool) -> list[Part]:
    """What hangs together with a part, in order. Of several with one pointer the latest counts: a sender that begins
    anew uses its pointers again. `ordered`: a part answers an earlier one, so that nobody's end is taken for
    another's. Pointers that run in a circle end where they began."""
    announce, answer = _by(waiting, "pointer"), _by(waiting, "follows")
    chain, seen = deque([part]), {part.seq}
    while found := _latest(announce.get(chain[0].follows, ()), chain[0].seq if ordered else 0, seen):
        chain.appendleft(found)
    while found := _latest(answer.get(chain[-1].pointer, ()), -chain[-1].seq if ordered else 0, seen):
        chain.append(found)
    return list(chain)


def _newest(waiting: list[Part], ordered: bool) -> dict[int, int]:
    """When something last came of the `_chain` of each part. Each step of all the chains is taken once."""
    announce, answer = _by(waiting, "pointer"), _by(waiting, "follows")
    before, after = {}, {}
    for part in waiting:
        before[part.seq] = _latest(announce.get(part.follows, ()), part.seq if ordered else 0, {part.seq})
        after[part.seq] = _latest(answer.get(part.pointer, ()), -part.seq if ordered else 0, {part.seq})
    up, down = _reached(waiting, before), _reached(waiting, after)
    return {seq: max(up[seq], down[seq]) for seq in up}


def _reached(waiting: list[Part], step: Mapping[int, Part | None]) -> dict[int, int]:
    """The newest on the way from each part, step by step."""
    newest: dict[int, int] = {}
    for part in waiting:
        way: dict[int, int] = {}
        at: Part | None = part
        while at is not None and at.seq not in newest and at.seq not in way:
            way[at.seq] = at.received
            at = step[at.seq]
        best = 0
        if at is not None:  # a way that is known, or a circle
            circle = list(way).index(at.seq) if at.seq in way else 0
            best = newest[at.seq] if at.seq in newest else max(list(way.values())[circle:])
        for seq, received in reversed(way.items()):
            newest[seq] = best = max(best, received)
    return newest


def _by(waiting: list[Part], name: str) -> dict[bytes, list[Part]]:
    found: dict[bytes, list[Part]] = {}
    for part in waiting:
        key: bytes = getattr(part, name)
        if key:
            found.setdefault(key, []).append(part)
    return found


def _latest(parts: Sequence[Part], bound: int, seen: set[int]) -> Part | None:
    """The latest that is not in the chain yet; before the bound, or behind it where that is negative."""
    end = bisect_left(parts, bound, key=_SEQ) if bound > 0 else len(parts)
    for place in range(end - 1, -1, -1):
        part = parts[place]
        if bound < 0 and part.seq <= -bound:
            break
        if part.seq not in seen:
            seen.add(part.seq)
            return part
    return None


# -- the whole ---------------------------------------------------------------------------------------------------------


def whole(format_: str, parts: Iterable[int], read: Callable[[int], bytes]) -> bytes:
    """The bytes of a message of several parts. Raises BlobMissing where one is gone."""
    row = source(format_).continued
    assert row is not None
    return row.join([read(seq) for seq in parts])


def entry_body(journal: JournalReader, bodies: Bodies, seq: int) -> bytes:
    """The bytes of one part. Raises BlobMissing."""
    entry = journal.get(seq)
    if entry is None:
        raise BlobMissing(f"a part of the message is gone: entry {seq}")
    return bodies.read(entry)


def reader(journal: JournalReader, bodies: Bodies) -> Callable[[int], bytes]:
    """What `whole` reads with."""
    return partial(entry_body, journal, bodies)


def with_parts(result: Result, parts: tuple[int, ...]) -> Result:
    """What a whole message says, and of which entries it is made: it is stored with its outcome, to make it again."""
    if isinstance(result, Failure):
        return msgspec.structs.replace(result, parts=parts)
    return msgspec.structs.replace(result, detail=b'{"parts":' + canonical(parts) + b"," + result.detail[1:])


def parts_of(detail: bytes) -> tuple[int, ...]:
    """The entries that a message is made of; () for one that came whole."""
    return tuple(json.loads(detail).get("parts", ())) if b'"parts"' in detail else ()


def joined(seq: int) -> bytes:
    """The outcome's detail of a part: the entry that stands for the whole."""
    return canonical({"joined": seq})


def joined_to(detail: bytes) -> int | None:
    """The entry that stands for the message of a part; None: there is none yet."""
    return json.loads(detail).get("joined") if b'"joined"' in detail else None


# -- time --------------------------------------------------------------------------------------------------------------


def incomplete(seconds: float) -> Envelope:
    """The journal entry that gives up parts after which nothing came for so long."""
    body = canonical({"action": "incomplete", "after_us": int(seconds * 1e6)})
    return Envelope(channel="@timer", format="action", body=body, kind="action")


def incomplete_after(body: bytes) -> int | None:
    """Microseconds after which an action gives parts up; None: it is another action."""
    asked = json.loads(body)
    return int(asked["after_us"]) if asked.get("action") == "incomplete" else None
