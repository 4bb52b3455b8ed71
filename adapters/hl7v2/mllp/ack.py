"""Acknowledgements: original and enhanced mode (HL7 v2.9 sections 2.9.2, 2.9.3; MSA 2.14.8; ERR 2.14.5).

Which code is sent is a table: what became of the message × the mode that MSH-15 and MSH-16 ask for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from adapters.hl7v2.mllp.errors import HeaderUnusable, NoAnswer
from adapters.hl7v2.mllp.peek import Peek, peek, trim

__all__ = ["Fault", "Outcome", "acknowledge", "acknowledged", "answer_code", "application_due", "fallback_peek"]


class Outcome(Enum):
    """What became of a message at the door, or behind it where its sender waits for that."""

    KEPT = "kept"  # committed to the journal
    UNREADABLE = "unreadable"  # the sender's fault: MSH unusable, or without MSH-9 or MSH-10
    REFUSED = "refused"  # the sender's fault: a type, version or processing id that the channel doesn't accept
    FAILED = "failed"  # our fault: not committed, or not done with in time
    WAITING = "waiting"  # committed; the answer depends on what becomes of it, and is given later
    NONCONFORMING = "nonconforming"  # the sender's fault, found after it was committed
    DEAD = "dead"  # our fault, found after it was committed

    @property
    def committed(self) -> bool:
        """Whether the message is in the journal for certain."""
        return self in (Outcome.KEPT, Outcome.NONCONFORMING, Outcome.DEAD)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message was not taken: Table 0357 code and text, the place at fault, plain words. No message content.

    The place is an MSH field, or elsewhere `place`: `PID-3.1`, `OBX[2]-5[1].2`. `severity`: of Table 0516.
    """

    code: str
    name: str
    field: int | None
    text: str
    place: str = ""
    severity: str = "E"


_ORIGINAL = {
    Outcome.WAITING: None,
    Outcome.KEPT: "AA",
    Outcome.UNREADABLE: "AE",
    Outcome.REFUSED: "AR",
    Outcome.FAILED: "AR",
    Outcome.NONCONFORMING: "AE",
    Outcome.DEAD: "AR",
}
_ENHANCED = {
    Outcome.WAITING: None,
    Outcome.KEPT: "CA",
    Outcome.UNREADABLE: "CE",
    Outcome.REFUSED: "CR",
    Outcome.FAILED: "CE",
    Outcome.NONCONFORMING: "CA",  # what is found after the commit is the application acknowledgement's to tell
    Outcome.DEAD: "CA",
}
# MSH-15 (Table 0155) -> (answer on success, answer on failure)
_CONDITIONS = {b"AL": (True, True), b"SU": (True, False), b"ER": (False, True), b"NE": (False, False)}
# Without a usable MSH-2, or with one too short, these stand in (section 2.5.4, recommended values)
_DEFAULT_ENCODING = b"^~\\&"
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?)?")
_REMEMBERED = 1024  # bytes of MSH: a longer one is no sender's usual one, and what is remembered has to be bounded


def answer_code(peek: Peek, outcome: Outcome) -> str | None:
    """MSA-1 for this message, or None where MSH-15 asks for silence.

    An empty or unknown MSH-15 beside a valued MSH-16 counts as AL: silence would leave the sender waiting.
    """
    if not peek.enhanced:
        return _ORIGINAL[outcome]
    success, failure = _CONDITIONS.get(peek.field(15).strip().upper(), (True, True))
    return _ENHANCED[outcome] if (success if outcome.committed else failure) else None


def fallback_peek() -> Peek:
    """Stands in for the MSH of a block that has none, so that its sender still gets an answer."""
    return Peek(b"|", _DEFAULT_ENCODING, (b"MSH", b"|", _DEFAULT_ENCODING))


def application_due(peek: Peek, success: bool) -> bool:
    """Whether MSH-16 asks for an application acknowledgement of this outcome. Empty is NE; unknown counts as AL."""
    asked = peek.field(16).strip().upper()
    return bool(asked) and _CONDITIONS.get(asked, (True, True))[0 if success else 1]


def acknowledge(
    peek: Peek,
    code: str,
    control_id: str,
    time: str,
    fault: Fault | None = None,
    *,
    more: Sequence[Fault] = (),
    expected: int | None = None,
    accept: bytes = b"",
) -> bytes:
    """The acknowledgement message, unframed. `more`: faults beside the first. `expected`: MSA-4 (section 2.10.1).
    `accept`: its own MSH-15, with MSH-16 = NE; empty for an accept acknowledgement, which is never answered.

    Mirrors the delimiters, version (MSH-12), MSH-11 and MSH-18; swaps MSH-3/4 with MSH-5/6; MSA-2 is the sender's
    MSH-10 byte for byte. `time` is a DTM text, `control_id` our own MSH-10. From v2.5 each fault has an ERR of its own,
    with ERR-2, -3, -4, -8; before, the first in MSA-3 and MSA-6, and all in ERR-1, which repeats.
    """
    bar = peek.separator
    fields = peek.fields
    mirrored = (bar, peek.encoding, fields[3:7], fields[9:10], fields[11:13], fields[18:19], accept)
    small = sum(map(len, fields)) <= _REMEMBERED
    before, between, after = (_header if small else _header.__wrapped__)(*mirrored)
    msh = b"%b%b%b%b%b" % (before, time.encode(), between, control_id.encode(), after)
    if fault is None:
        number = b"" if expected is None else b"%b%b%d" % (bar, bar, expected)
        return b"%b\rMSA%b%b%b%b%b\r" % (msh, bar, code.encode(), bar, peek.control_id, number)
    number = b"" if expected is None else b"%d" % expected
    dot = peek.component or b"^"
    segments = [msh]
    if _modern(peek.text(12)):
        segments.append(bar.join([b"MSA", code.encode(), peek.control_id, *([b"", number] if number else [])]))
        for each in (fault, *more):
            place, words = dot.join(_location(each)), _plain(each.text, peek)
            condition, severity = dot.join(_condition(each)), each.severity.encode()
            segments.append(bar.join([b"ERR", b"", place, condition, severity, b"", b"", b"", words]))
    else:
        condition = dot.join(_condition(fault))
        msa = [b"MSA", code.encode(), peek.control_id, _plain(fault.text, peek), number, b"", condition]
        segments.append(bar.join(msa))
        subcomponent = peek.encoding[3:4] or b"&"
        repetition = peek.encoding[1:2] or b"~"
        places = [
            dot.join([*[*_location(each)[:3], b"", b"", b""][:3], subcomponent.join(_condition(each))])
            for each in (fault, *more)
        ]
        segments.append(bar.join([b"ERR", repetition.join(places)]))
    return b"\r".join(segments) + b"\r"


def acknowledged(answer: bytes) -> tuple[str, bytes]:
    """(MSA-1, MSA-2) of an acknowledgement. Raises NoAnswer if it has no usable MSH and MSA."""
    try:
        body = trim(answer)
        separator = peek(body).separator
    except HeaderUnusable as error:
        raise NoAnswer(f"the answer is no HL7 message: {error}") from error
    for line in body.replace(b"\n", b"\r").split(b"\r"):
        if line.startswith(b"MSA" + separator):
            fields = [*line.split(separator), b"", b""]
            return fields[1].decode("ascii", "replace"), fields[2]
    raise NoAnswer("the answer has no MSA segment")


def _condition(fault: Fault) -> list[bytes]:
    return [fault.code.encode(), fault.name.encode(), b"HL70357"]


def _location(fault: Fault) -> list[bytes]:
    """ERL: segment, its place in the message, field, repetition, component, subcomponent, as far as known."""
    if fault.field:
        return [b"MSH", b"1", str(fault.field).encode()]
    found = _PLACE.fullmatch(fault.place)
    if found is None:
        return []
    segment, number, *rest = found.groups()
    while rest and rest[-1] is None:
        rest.pop()
    return [(part or "1").encode() for part in (segment, number, *rest)]


@lru_cache(maxsize=256)
def _header(
    bar: bytes,
    encoding: bytes,
    parties: tuple[bytes, ...],
    type_: tuple[bytes, ...],
    version: tuple[bytes, ...],
    charset: tuple[bytes, ...],
    accept: bytes,
) -> tuple[bytes, bytes, bytes]:
    """MSH around our time (MSH-7) and our control id (MSH-10): the same for message after message of one sender."""
    peek = Peek(bar, encoding, (b"MSH", bar, encoding, *parties, b"", b"", *type_, b"", *version))
    dot = peek.component or b"^"
    event = peek.text(9, 2).encode()
    kind = [b"ACK", event, b"ACK"] if event and _modern(peek.text(12)) else [b"ACK", event] if event else [b"ACK"]
    before = [b"MSH", peek.encoding, peek.field(5), peek.field(6), peek.field(3), peek.field(4), b""]
    after = [b"", peek.field(11) or b"P", peek.field(12) or b"2.5.1"]
    if accept or any(charset):
        after += [b"", b"", accept, b"NE" if accept else b"", b"", *charset]
    return bar.join(before), bar.join([b"", b"", dot.join(kind), b""]), bar.join(after)


def _plain(text: str, peek: Peek) -> bytes:
    """Our own words as field text: whatever is a delimiter in this message becomes a blank."""
    out = text.encode("ascii", "replace")
    for delimiter in peek.separator + peek.encoding:
        out = out.replace(bytes([delimiter]), b" ")
    return out


def _modern(version: str) -> bool:
    return _at_least(version, (2, 5))


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    parts = version.split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= wanted
    except (ValueError, IndexError):
        return True  # an unknown version is answered in the newer form
