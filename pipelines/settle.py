"""Settle: join what a message says of a resource with what is already known (architecture: "Settle").

Pure functions of values. The writer loads `Known`, hands in `Incoming`, stores what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from pipelines.registers import NOTHING, Stored, join, patient_of, shown
from pipelines.said import Said, canonical
from pipelines.stamp import Origin


@dataclass(frozen=True, slots=True)
class Known:
    """The newest version of one resource; `digest` = SHA-256 of its canonical bytes."""

    version: int
    digest: bytes
    registers: Stored


@dataclass(frozen=True, slots=True)
class Incoming:
    """What one message says of one resource, and where the message stands."""

    said: Said
    origin: Origin


@dataclass(frozen=True, slots=True)
class Policy:
    """`wait`: a message of this patient failed, and the channel keeps the later ones back until it is solved."""

    wait: bool = False


@dataclass(frozen=True, slots=True)
class NewVersion:
    """Another content: a version to seal and publish."""

    version: int
    op: str  # ports.OPERATIONS
    patient: str | None
    body: bytes
    digest: bytes
    registers: Stored


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The same bytes; `registers` only if stamps moved."""

    registers: Stored | None


@dataclass(frozen=True, slots=True)
class Held:
    """Not now: the channel waits for a failed message of the patient."""


Settled = NewVersion | Unchanged | Held


def settle(current: Known | None, incoming: Incoming, policy: Policy) -> Settled:
    """New version, unchanged or held."""
    if policy.wait:
        return Held()
    said = incoming.said
    new = NOTHING if said.whole else Stored(said.registers(incoming.origin))
    if current is None:
        return NewVersion(1, _op(said, "create"), said.patient, said.body, sha256(said.body).digest(), new)
    if said.whole:
        return _compare(current, said, said.body, NOTHING, said.patient)
    registers, moved, differs = join(current.registers.cells, new.cells)
    if not moved:
        return Unchanged(None)
    stored = Stored(cells=registers)
    if not differs:
        return Unchanged(stored)
    body = canonical(said.type, said.id, shown(registers))
    return _compare(current, said, body, stored, patient_of(registers))


def _compare(current: Known, said: Said, body: bytes, registers: Stored, patient: str | None) -> Settled:
    """Bytes equal to the current version's: no version, no leaf, no event."""
    digest = sha256(body).digest()
    if digest == current.digest:
        return Unchanged(None if registers is NOTHING else registers)
    return NewVersion(current.version + 1, _op(said, "update"), patient, body, digest, registers)


def _op(said: Said, plain: str) -> str:
    return "merged" if said.merged else plain


def after(current: Known | None, settled: Settled) -> Known | None:
    """What is known once the result is stored."""
    if isinstance(settled, NewVersion):
        return Known(settled.version, settled.digest, settled.registers)
    if isinstance(settled, Unchanged) and settled.registers is not None and current is not None:
        return Known(current.version, current.digest, settled.registers)
    return current
