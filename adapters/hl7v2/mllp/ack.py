"""Acknowledgements: original and enhanced mode (HL7 v2.9 sections 2.9.2, 2.9.3; MSA 2.14.8; ERR 2.14.5).

Which code is sent is a table: what became of the message × the mode that MSH-15 and MSH-16 ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from adapters.hl7v2.mllp.peek import Peek

__all__ = ["Fault", "Outcome", "acknowledge", "answer_code", "fallback_peek"]


class Outcome(Enum):
    """What became of a message at the door."""

    KEPT = "kept"  # committed to the journal
    UNREADABLE = "unreadable"  # the sender's fault: MSH unusable, or without MSH-9 or MSH-10
    REFUSED = "refused"  # the sender's fault: a type, version or processing id that the channel doesn't accept
    FAILED = "failed"  # our fault: not committed


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a message was not taken: Table 0357 code and text, MSH field at fault, plain words. No message content."""

    code: str
    name: str
    field: int | None
    text: str


_ORIGINAL = {Outcome.KEPT: "AA", Outcome.UNREADABLE: "AE", Outcome.REFUSED: "AR", Outcome.FAILED: "AR"}
_ENHANCED = {Outcome.KEPT: "CA", Outcome.UNREADABLE: "CE", Outcome.REFUSED: "CR", Outcome.FAILED: "CE"}
# MSH-15 (Table 0155) -> (answer on success, answer on failure)
_CONDITIONS = {b"AL": (True, True), b"SU": (True, False), b"ER": (False, True), b"NE": (False, False)}
# Without a usable MSH-2, or with one too short, these stand in (section 2.5.4, recommended values)
_DEFAULT_ENCODING = b"^~\\&"


def answer_code(peek: Peek, outcome: Outcome) -> str | None:
    """MSA-1 for this message, or None where MSH-15 asks for silence.

    An empty or unknown MSH-15 beside a valued MSH-16 counts as AL: silence would leave the sender waiting.
    """
    if not peek.enhanced:
        return _ORIGINAL[outcome]
    success, failure = _CONDITIONS.get(peek.field(15).strip().upper(), (True, True))
    return _ENHANCED[outcome] if (success if outcome is Outcome.KEPT else failure) else None


def fallback_peek() -> Peek:
    """Stands in for the MSH of a block that has none, so that its sender still gets an answer."""
    return Peek(b"|", _DEFAULT_ENCODING, (b"MSH", b"|", _DEFAULT_ENCODING))


def acknowledge(peek: Peek, code: str, control_id: str, time: str, fault: Fault | None = None) -> bytes:
    """The acknowledgement message, unframed.

    Mirrors the delimiters, version (MSH-12), MSH-11 and MSH-18; swaps MSH-3/4 with MSH-5/6; MSA-2 is the sender's
    MSH-10 byte for byte. `time` is a DTM text, `control_id` our own MSH-10. From v2.5 a fault stands in ERR-2, -3,
    -4, -8; before in MSA-3, MSA-6 and ERR-1.
    """
    bar = peek.separator
    dot = peek.component or b"^"
    event = peek.text(9, 2).encode()
    version = peek.text(12)
    modern = _at_least(version, (2, 5))
    kind = [b"ACK", event, b"ACK"] if modern and event else [b"ACK", event] if event else [b"ACK"]
    header = [b"MSH", peek.encoding, peek.field(5), peek.field(6), peek.field(3), peek.field(4), time.encode(), b""]
    header += [dot.join(kind), control_id.encode(), peek.field(11) or b"P", peek.field(12) or b"2.5.1"]
    if peek.field(18):
        header += [b"", b"", b"", b"", b"", peek.field(18)]
    segments = [bar.join(header)]
    if fault is None:
        segments.append(bar.join([b"MSA", code.encode(), peek.control_id]))
    elif modern:
        place = dot.join([b"MSH", b"1", str(fault.field).encode()]) if fault.field else b""
        condition = dot.join([fault.code.encode(), fault.name.encode(), b"HL70357"])
        segments.append(bar.join([b"MSA", code.encode(), peek.control_id]))
        segments.append(bar.join([b"ERR", b"", place, condition, b"E", b"", b"", b"", _plain(fault.text, peek)]))
    else:
        condition = dot.join([fault.code.encode(), fault.name.encode(), b"HL70357"])
        msa = [b"MSA", code.encode(), peek.control_id, _plain(fault.text, peek), b"", b"", condition]
        segments.append(bar.join(msa))
        place = [b"MSH", b"1", str(fault.field).encode() if fault.field else b""]
        subcomponent = peek.encoding[3:4] or b"&"
        segments.append(bar.join([b"ERR", dot.join([*place, subcomponent.join(condition.split(dot))])]))
    return b"\r".join(segments) + b"\r"


def _plain(text: str, peek: Peek) -> bytes:
    """Our own words as field text: whatever is a delimiter in this message becomes a blank."""
    out = text.encode("ascii", "replace")
    for delimiter in peek.separator + peek.encoding:
        out = out.replace(bytes([delimiter]), b" ")
    return out


def _at_least(version: str, wanted: tuple[int, int]) -> bool:
    parts = version.split(".")
    try:
        return (int(parts[0]), int(parts[1])) >= wanted
    except (ValueError, IndexError):
        return True  # an unknown version is answered in the newer form
