"""Residue is arithmetic (mappings.md): the leaves of a message less what was written and what is excused.

Every non-empty leaf is counted exactly once: mapped, kept, excused or residue, in this order of precedence.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.hl7v2 import Issue, path
from mappings.engine.carried import Carried, Cell, Place, Spot
from mappings.engine.makers import full_mask
from mappings.engine.runtime import Run

if TYPE_CHECKING:
    from adapters.hl7v2 import Segment
    from mappings.engine.codec import Codec
    from mappings.engine.workshop import Rule

__all__ = ["Account", "Said", "account", "source_path"]

Said: TypeAlias = "tuple[bool, tuple[str, str]]"
"""Of a leaf that no rule carried: whether it is excused, and its path with the rule or reason."""
_KNOWN = 8192

_KINDS: Mapping[str, tuple[str, str]] = {
    "invalid": ("error", "value"),
    "partly": ("warning", "incomplete"),
    "lost": ("error", "code-invalid"),
    "removed": ("information", "informational"),
}


class Account:
    """The outcome: counts, residue, excused, issues."""

    __slots__ = ("excused", "issues", "leaves", "residue")

    def __init__(self) -> None:
        self.leaves = (0, 0, 0, 0)
        self.residue: list[tuple[str, str]] = []
        self.excused: list[tuple[str, str]] = []
        self.issues: list[Issue] = []


def account(
    run: Run,
    rules: list[Rule],
    excused: Mapping[str, Any],
    covers: Callable[[str, int, int], bool],
    engine: tuple[Spot, ...],
    known: dict[tuple[object, ...], Said],
) -> Account:
    """Balance the message. `covers`: whether a rule names (segment, field, component); `engine`: its own writes;
    `known`: what was said of leaves before under the same rules, filled here."""
    segments = run.message.segments
    carried = Carried(len(segments))
    for resource in run.resources:
        if resource.trace:
            carried.add(resource)
    for position, field, _ in engine:
        carried.mapped[position][field] = carried.mapped[position].get(field, 0) | 1
    found = Account()
    reasons: dict[tuple[Spot, int], str] = {}
    if carried.notes:
        _tell(run, rules, carried, found, reasons)
    rest = _Rest(run, carried, _excuses(run, excused), covers, reasons, found, known)
    mapped = 0
    for segment in segments:
        mapped += rest.segment(segment)
    found.leaves = (mapped, rest.kept, len(found.excused), len(found.residue))
    return found


_NONE: Mapping[Place, int] = {}


class _Rest:
    """What no rule carried over whole: kept beside, left out on purpose, or residue; each leaf told by its path."""

    __slots__ = ("carried", "covers", "excuses", "found", "kept", "known", "reasons", "run")

    def __init__(
        self,
        run: Run,
        carried: Carried,
        excuses: dict[int, list[Mapping[int, Any]]],
        covers: Callable[[str, int, int], bool],
        reasons: dict[tuple[Spot, int], str],
        found: Account,
        known: dict[tuple[object, ...], Said],
    ) -> None:
        self.run = run
        self.carried = carried
        self.excuses = excuses
        self.covers = covers
        self.reasons = reasons
        self.found = found
        self.known = known
        self.kept = 0

    def segment(self, segment: Segment) -> int:
        """How many leaves of a segment were mapped; the others are accounted for one by one."""
        codec = self.run.codec
        again, separator, below = codec.repetition, codec.component, codec.subcomponent
        position = segment.position
        cells = self.carried.cells
        kept = self.carried.kept.get(position, _NONE)
        done = self.carried.mapped[position]
        mapped = 0
        first = 3 if segment.name == "MSH" else 1
        for field, text in enumerate(segment.fields):
            if not text or field < first:
                continue
            if again in text:
                for repetition, part in enumerate(text.split(again)):
                    if part:
                        carried = done.get((field, repetition) if repetition else field, 0)
                        mapped += self.repetition(part, carried, segment, field, repetition)
            elif separator in text or below in text:
                carried = done.get(field, 0)
                if carried and below not in text:
                    # what is written has no bits of empty leaves: as many bits as leaves are all of them
                    leaves = text.split(separator)
                    count = carried.bit_count()
                    if count == len(leaves) - leaves.count(""):
                        mapped += count
                        continue
                mapped += self.repetition(text, carried, segment, field, 0)
            elif done.get(field, 0) & 1:
                mapped += 1
            elif field in kept or field in done or (position, field, 0) in cells:
                self.take(1, segment, field, 0, text)
            else:
                self.leaf(segment, field)
        return mapped

    def repetition(self, text: str, carried: int, segment: Segment, field: int, repetition: int) -> int:
        """How many leaves of one repetition were carried over; the others are accounted for."""
        codec = self.run.codec
        if codec.subcomponent not in text:
            # what is written has no bits of empty leaves: as many bits as leaves are all of them
            leaves = text.split(codec.component)
            count = carried.bit_count()
            if count == len(leaves) - leaves.count(""):
                return count
        full = full_mask(text, 0, codec)
        carried &= full
        if carried != full:
            self.take(full & ~carried, segment, field, repetition, text)
        return carried.bit_count()

    def leaf(self, segment: Segment, field: int) -> None:
        """As `take`, of a field that is one leaf of which no rule says anything."""
        excuses = self.excuses.get(segment.position, ())
        # the excuses belong to the rules and live as long as they
        key = (segment.name, segment.number, field, *map(id, excuses))
        said = self.known.get(key)
        if said is None:
            if len(self.known) >= _KNOWN:
                self.known.clear()
            said = self.known[key] = self._leaf(segment, field, excuses)
        excused, leaf = said
        (self.found.excused if excused else self.found.residue).append(leaf)

    def _leaf(self, segment: Segment, field: int, excuses: Sequence[Mapping[int, Any]]) -> Said:
        name = segment.name
        where = path(name, segment.number, field, 1, 1, 1)
        for fields in excuses:
            for which in (field, 0):
                for component, subcomponent, rule in fields.get(which, ()):
                    if component < 2 and subcomponent < 2:
                        return True, (where, rule)
        return False, (where, "no-target" if self.covers(name, field, 1) else "no-rule")

    def take(self, rest: int, segment: Segment, field: int, repetition: int, text: str) -> None:
        """Account for the leaves of one repetition that were not carried over."""
        position, name = segment.position, segment.name
        place = (field, repetition) if repetition else field
        keeps = rest & self.carried.kept.get(position, _NONE).get(place, 0)
        if keeps:
            self.kept += keeps.bit_count()
            rest &= ~keeps
            if not rest:
                return
        cell = self.carried.cells.get((position, field, repetition), _NO_CELL)
        rows: list[tuple[int, int, str]] = []
        for fields in self.excuses.get(position, ()):
            if field in fields:
                rows += fields[field]
            if 0 in fields:
                rows += fields[0]
        found = self.found
        for bit, (component, subcomponent) in enumerate(_places(text, self.run.codec) if rest > 1 else _FIRST):
            if not rest >> bit & 1:
                continue
            where = _path(name, segment.number, field, repetition + 1, component, subcomponent)
            for of_component, of_subcomponent, rule in rows:
                if of_component in (0, component) and of_subcomponent in (0, subcomponent):
                    found.excused.append((where, rule))
                    break
            else:
                if cell[0] >> bit & 1:
                    found.excused.append((where, self.reasons[(position, field, repetition), bit]))
                elif cell[2] >> bit & 1:
                    found.residue.append((where, "set-aside"))
                elif cell[1] >> bit & 1:
                    found.residue.append((where, "invalid"))
                else:
                    covered = self.covers(name, field, component)
                    found.residue.append((where, "no-target" if covered else "no-rule"))


_path = functools.lru_cache(maxsize=8192)(path)  # the same few leaves are left in message after message
_FIRST = ((1, 1),)
_NO_CELL: Cell = [0, 0, 0]


def _tell(run: Run, rules: list[Rule], carried: Carried, found: Account, reasons: dict[Any, str]) -> None:
    """Issues of what was noted; a note of a leaf that another rule carried says nothing."""
    known: set[tuple[Any, ...]] = set()
    for spot, bit, kind, text, resource, rule in carried.notes:
        if kind == "excused":
            reasons.setdefault((spot, bit), text)
            continue
        if kind == "rule":
            continue
        position, field, repetition = spot
        place = (field, repetition) if repetition else field
        done = carried.mapped[position].get(place, 0) | carried.kept.get(position, _NONE).get(place, 0)
        if done >> bit & 1 and kind in ("invalid", "lost"):
            continue
        severity, code = _KINDS[kind]
        segment = run.message.segments[position]
        where = source_path(segment, field, repetition, bit, run)
        to = rules[rule].target if rule >= 0 else ""
        expression = f"{resource.kind}.{to}" if to else resource.kind
        if (where, text) in known:
            continue
        known.add((where, text))
        found.issues.append(Issue(severity, code, where, expression, text))


def source_path(segment: Segment, field: int, repetition: int, bit: int, run: Run) -> str:
    if not bit:
        return path(segment.name, segment.number, field, repetition + 1, 1, 1)
    parts = segment.fields[field].split(run.codec.repetition)
    component, subcomponent = _places(parts[repetition], run.codec)[bit]
    return path(segment.name, segment.number, field, repetition + 1, component, subcomponent)


def _places(text: str, codec: Codec) -> list[tuple[int, int]]:
    """1-based component and subcomponent of each leaf."""
    parts = enumerate(text.split(codec.component), 1)
    if codec.subcomponent not in text:
        return [(component, 1) for component, _ in parts]
    return [(component, at + 1) for component, part in parts for at in range(part.count(codec.subcomponent) + 1)]


def _excuses(run: Run, excused: Mapping[str, Any]) -> dict[int, list[Mapping[int, Any]]]:
    """Position of a segment -> what is left out on purpose, by field; field 0 = the whole segment."""
    found: dict[int, list[Mapping[int, Any]]] = {}
    for fields, segment in run.excuses:
        found.setdefault(segment.position, []).append(fields)
    if excused:
        for segment in run.message.segments:
            whole = excused.get(segment.name)
            if whole:
                found.setdefault(segment.position, []).append(whole)
    return found
