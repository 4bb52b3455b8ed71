"""Settle: fold what a message says of a resource into what is already known (architecture: "Settle").

Pure functions of values. The writer loads `Known`, hands in `Incoming`, stores what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from adapters.fhir import JsonValue, encode
from mappings import Change, Element, compose
from pipelines.ownership import Ownership
from pipelines.registers import PATIENT, Cell, Key, Registers, cells, fold, patient_of, shown
from pipelines.stamp import MERGE_RANK, Origin, Stamp


@dataclass(frozen=True, slots=True)
class Known:
    """The newest version of one resource; `digest` = SHA-256 of its canonical bytes."""

    version: int
    digest: bytes
    registers: Registers
    patient: str | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one message says of one resource; `merged`: the message retires it."""

    change: Change
    origin: Origin
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """`wait`: a message of this patient failed, and the channel keeps the later ones back until it is solved."""

    ownership: Ownership
    wait: bool = False


@dataclass(frozen=True, slots=True)
class NewVersion:
    """Another content: a version to seal and publish."""

    version: int
    op: str  # ports.OPERATIONS
    patient: str | None
    body: bytes
    digest: bytes
    registers: Registers


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The same bytes; `registers` only if stamps moved."""

    registers: Registers | None


@dataclass(frozen=True, slots=True)
class Held:
    """Not now: the channel waits for a failed message of the patient."""


Settled = NewVersion | Unchanged | Held


def settle(current: Known | None, incoming: Incoming, policy: Policy) -> Settled:
    """New version, unchanged or held."""
    if policy.wait:
        return Held()
    change, origin = incoming.change, incoming.origin
    if change.type in policy.ownership.whole:
        return _whole(current, change)
    known = {} if current is None else current.registers
    after, moved, differs = fold(known, _written(change, origin, policy.ownership))
    if current is not None and not differs:
        return Unchanged(after if moved else None)
    return _version(current, incoming, after, shown(after), patient_of(after))


def _written(change: Change, origin: Origin, table: Ownership) -> Iterator[tuple[Key, Cell]]:
    yield from cells(change.type, change.elements, origin, table)
    if change.patient is not None:
        owner = table.owner(origin.family, change.type, PATIENT)
        stamp = Stamp(owner, 0, origin.time, origin.channel, origin.place)
        yield (PATIENT, "", ""), Cell(encode(change.patient), stamp)


def _whole(current: Known | None, change: Change) -> Settled:
    """A resource of one message only: what the message says now is all of it."""
    body: dict[tuple[str, str], JsonValue] = {(each.path, each.slot): each.value for each in change.elements}
    incoming = Incoming(change, Origin("", 0, "", 0))
    return _version(current, incoming, {}, body, change.patient)


def _version(
    current: Known | None,
    incoming: Incoming,
    registers: Registers,
    values: dict[tuple[str, str], JsonValue],
    patient: str | None,
) -> Settled:
    change = incoming.change
    resource = compose((path, slot, value) for (path, slot), value in values.items())
    body = encode(resource | {"resourceType": change.type, "id": change.id})
    digest = sha256(body).digest()
    if current is None:
        return NewVersion(1, "merged" if incoming.merged else "create", patient, body, digest, registers)
    if digest == current.digest:
        return Unchanged(None if registers == current.registers else registers)
    op = "merged" if incoming.merged else "update"
    return NewVersion(current.version + 1, op, patient, body, digest, registers)


def after(current: Known | None, settled: Settled) -> Known | None:
    """What is known once the result is stored."""
    if isinstance(settled, NewVersion):
        return Known(settled.version, settled.digest, settled.registers, settled.patient)
    if isinstance(settled, Unchanged) and settled.registers is not None and current is not None:
        return replace(current, registers=settled.registers)
    return current


def changes(changes: Sequence[Change], merges: Iterable[tuple[str, str]]) -> list[tuple[Change, bool]]:
    """All changes of a message, one per resource and in its order, with what its merges add: (change, retired by it).

    A40: the retired patient becomes inactive, at a rank that no later message reaches, and both are linked. Their
    other resources keep ids and references (architecture: "EMPI links; it never changes ids").
    """
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        _add(found, change)
    retired_ids = set()
    for retired, surviving in merges:
        if retired == surviving:
            continue  # a merge of a patient into itself says nothing
        retired_ids.add(retired)
        _add(found, Change("Patient", retired, retired, (_INACTIVE, _link(surviving, "replaced-by"))))
        _add(found, Change("Patient", surviving, surviving, (_link(retired, "replaces"),)))
    return [(change, change.type == "Patient" and change.id in retired_ids) for change in found.values()]


def _add(found: dict[tuple[str, str], Change], change: Change) -> None:
    before = found.get((change.type, change.id))
    if before is not None:
        change = replace(change, patient=before.patient or change.patient, elements=before.elements + change.elements)
    found[change.type, change.id] = change


_INACTIVE = Element("active", "", False, MERGE_RANK)


def _link(patient: str, kind: str) -> Element:
    return Element("link", "merge", [{"other": {"reference": f"Patient/{patient}"}, "type": kind}], 1)


__all__ = [
    "Held",
    "Incoming",
    "Known",
    "NewVersion",
    "Policy",
    "Settled",
    "Unchanged",
    "after",
    "changes",
    "settle",
]
