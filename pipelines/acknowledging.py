"""Application acknowledgements (HL7 v2.9 section 2.9.3.2): what became of a message, told once it is settled or failed.

In original mode a channel may ask for the same, in place of the acknowledgement that says "safe" (`answer_after`).

The accept acknowledgement (CA) said that the message is safe; this one says what was done with it. It is written in the
transaction that settles the message, and has a control id of its own that depends on the message alone: however
often it has to be sent, it is the same acknowledgement.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from adapters.hl7v2.mllp import (
    KEPT,
    Fault,
    HeaderUnusable,
    Outcome,
    Verdict,
    acknowledge,
    application_due,
    peek,
    trim,
)
from pipelines.channels import Channel
from pipelines.envelope import REPLY
from pipelines.mapper import Failure
from pipelines.ports import NO_EFFECT, Entry, Outbound, StoredOutcome

HEAD = 1 << 16  # bytes in which a header must end to be answered

# cause of a dead letter → code, condition (Table 0357), its name. Content at fault is AE; what the channel doesn't
# accept, and what is our own failure, is AR: the message itself may be as it should
_SENDERS = ("AE", "100", "Segment sequence error")
_OURS = ("AR", "207", "Application internal error")
_ANSWERS = {
    "header": _SENDERS,
    "structure": _SENDERS,
    "limit": _SENDERS,
    "incomplete": _SENDERS,
    "refused": ("AR", "200", "Unsupported message type"),
}
_FIELD = ("102", "Data type error")
# issue-type of a breach → condition; a breach that no field stands for is one of the segments
_CONDITIONS = {"required": ("101", "Required field missing"), "code-invalid": ("103", "Table value not found")}
_SEVERITIES = {"error": "E", "warning": "W", "information": "I"}
_LATE = Fault(
    "207",
    "Application internal error",
    None,
    "The message is stored, but was not processed in time. Send it again for its answer.",
)


def owes_reply(entry: Entry, channel: Channel) -> bool:
    """Whether anybody could be waiting: a sender on a connection, or one with an address."""
    return entry.format == "hl7v2" and (REPLY in entry.facts or bool(channel.reply_to))


def application_acknowledgement(
    entry: Entry, head: bytes, channel: Channel, failure: Failure | None, now: int
) -> Outbound | None:
    """The acknowledgement that MSH-16 asks for, or None. `now`: microseconds."""
    try:
        header = peek(trim(head))
    except HeaderUnusable:
        return None
    if not application_due(header, failure is None):
        return None
    code, faults = ("AA", ()) if failure is None else answer(failure)
    own = control_id(entry.channel, entry.control_id, entry.sha256)
    time = datetime.fromtimestamp(now // 1_000_000, UTC).strftime("%Y%m%d%H%M%S+0000")
    accept = channel.reply_accept.encode()
    body = acknowledge(header, code, own.decode(), time, next(iter(faults), None), more=faults[1:], accept=accept)
    return Outbound(entry.seq, entry.channel, own, sender_of(header.field(3), header.field(4)), entry.peer, body, now)


def answer(failure: Failure) -> tuple[str, tuple[Fault, ...]]:
    """MSA-1 of a message that failed, and what its sender is told."""
    if failure.breaches:
        return "AE", tuple(_fault(*breach) for breach in failure.breaches)
    code, number, name = _ANSWERS.get(failure.cause, _OURS)
    return code, (Fault(number, name, None, failure.text, failure.place),)


def _fault(severity: str, kind: str, place: str, text: str) -> Fault:
    number, name = _CONDITIONS.get(kind, _FIELD) if "-" in place else _SENDERS[1:]
    return Fault(number, name, None, text, place, _SEVERITIES[severity])


def failed(outcome: StoredOutcome) -> Failure | None:
    """Why a message came to nothing, as it is stored; None: it was mapped."""
    if outcome.status not in NO_EFFECT:
        return None
    found = json.loads(outcome.detail or b"{}")  # empty: of a release that did not write it here
    said = [str(found.get(name, "")) for name in ("cause", "place", "text")]
    return Failure(said[0], said[1], said[2] or "the message failed", (), _rows(found.get("issues", ())))


def _rows(issues: Iterable[Sequence[str]]) -> tuple[tuple[str, str, str, str], ...]:
    return tuple((severity, kind, place, text) for severity, kind, place, text in issues)


def verdict(failure: Failure | None) -> Verdict:
    """What a door answers in original mode where it waited for what became of the message."""
    if failure is None:
        return KEPT
    code, faults = answer(failure)
    if failure.cause == "refused":
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.NONCONFORMING if code == "AE" else Outcome.DEAD
    return Verdict(outcome, faults[0], more=faults[1:])


LATE = Verdict(Outcome.FAILED, _LATE, error="not processed in time")


def control_id(channel: str, of: bytes, sha256: bytes) -> bytes:
    """MSH-10 of the acknowledgement of a message: 20 characters, which is the least that every version allows."""
    known = hashlib.sha256(b"\0".join([channel.encode(), of, sha256])).digest()
    return b"TA" + base64.b32encode(known)[:18]


def sender_of(application: bytes, facility: bytes) -> bytes:
    """MSH-3 and MSH-4 as one key."""
    return application + b"\x1f" + facility
