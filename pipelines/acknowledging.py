"""Application acknowledgements (HL7 v2.9 section 2.9.3.2): what became of a message, told once it is settled or failed.

The accept acknowledgement (CA) said that the message is safe; this one says what was done with it. It is written in the
transaction that settles the message, and has a control id of its own that depends on the message alone: however
often it has to be sent, it is the same acknowledgement.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

from adapters.hl7v2.mllp import Fault, HeaderUnusable, acknowledge, application_due, peek, trim
from pipelines.channels import Channel
from pipelines.envelope import REPLY
from pipelines.mapper import Failure
from pipelines.ports import Entry, Outbound

HEAD = 1 << 16  # bytes in which a header must end to be answered

# cause of a dead letter → code, condition (Table 0357), its name. Content at fault is AE; what the channel doesn't
# accept, and what is our own failure, is AR: the message itself may be as it should
_SENDERS = ("AE", "100", "Segment sequence error")
_OURS = ("AR", "207", "Application internal error")
_ANSWERS = {
    "header": _SENDERS,
    "structure": _SENDERS,
    "limit": _SENDERS,
    "refused": ("AR", "200", "Unsupported message type"),
}


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
    code, fault = "AA", None
    if failure is not None:
        code, number, name = _ANSWERS.get(failure.cause, _OURS)
        fault = Fault(number, name, None, failure.text, failure.place)
    own = control_id(entry.channel, entry.control_id, entry.sha256)
    time = datetime.fromtimestamp(now // 1_000_000, UTC).strftime("%Y%m%d%H%M%S+0000")
    body = acknowledge(header, code, own.decode(), time, fault, accept=channel.reply_accept.encode())
    return Outbound(entry.seq, entry.channel, own, sender_of(header.field(3), header.field(4)), entry.peer, body, now)


def control_id(channel: str, of: bytes, sha256: bytes) -> bytes:
    """MSH-10 of the acknowledgement of a message: 20 characters, which is the least that every version allows."""
    known = hashlib.sha256(b"\0".join([channel.encode(), of, sha256])).digest()
    return b"TA" + base64.b32encode(known)[:18]


def sender_of(application: bytes, facility: bytes) -> bytes:
    """MSH-3 and MSH-4 as one key."""
    return application + b"\x1f" + facility
