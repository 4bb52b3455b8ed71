"""MLLP: HL7 v2 over TCP. Framing and acknowledgements without input or output, a listener and a sender on asyncio."""

from adapters.hl7v2.mllp.ack import Fault, Outcome, acknowledge, answer_code, fallback_peek
from adapters.hl7v2.mllp.client import Answer, Outgoing, Sender, acknowledged, send_all
from adapters.hl7v2.mllp.errors import HeaderUnusable, MllpError, NoAnswer
from adapters.hl7v2.mllp.framer import Event, Frame, Framer, Junk, Oversize, Truncated, frame
from adapters.hl7v2.mllp.peek import Peek, peek, trim
from adapters.hl7v2.mllp.server import Gate, Keep, MllpServer, serve_mllp

__all__ = [
    "Answer",
    "Event",
    "Fault",
    "Frame",
    "Framer",
    "Gate",
    "HeaderUnusable",
    "Junk",
    "Keep",
    "MllpError",
    "MllpServer",
    "NoAnswer",
    "Outcome",
    "Outgoing",
    "Oversize",
    "Peek",
    "Sender",
    "Truncated",
    "acknowledge",
    "acknowledged",
    "answer_code",
    "fallback_peek",
    "frame",
    "peek",
    "send_all",
    "serve_mllp",
    "trim",
]
