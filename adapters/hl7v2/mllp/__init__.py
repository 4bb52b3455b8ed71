"""MLLP: HL7 v2 over TCP. Framing and acknowledgements without input or output, a listener and a sender on asyncio."""

from adapters.hl7v2.mllp.ack import (
    Fault,
    Outcome,
    acknowledge,
    acknowledged,
    answer_code,
    application_due,
    fallback_peek,
)
from adapters.hl7v2.mllp.client import Answer, Outgoing, Sender, Tls, send_all
from adapters.hl7v2.mllp.door import KEPT, UNAVAILABLE, WAITING, Gate, Keep, Origin, Peer, Route, Verdict
from adapters.hl7v2.mllp.errors import HeaderUnusable, MllpError, NoAnswer, TlsUnusable
from adapters.hl7v2.mllp.framer import Event, Frame, Framer, Junk, Oversize, Truncated, frame
from adapters.hl7v2.mllp.limits import Budget, Limits
from adapters.hl7v2.mllp.peek import Peek, peek, trim
from adapters.hl7v2.mllp.sequence import NEW_LINK, Link, Step, Taking, step
from adapters.hl7v2.mllp.server import MllpServer, serve_mllp
from adapters.hl7v2.mllp.tally import BUCKETS, Answers, Tally
from adapters.hl7v2.mllp.tls import TlsFiles, client_context, server_context

__all__ = [
    "BUCKETS",
    "KEPT",
    "NEW_LINK",
    "UNAVAILABLE",
    "WAITING",
    "Answer",
    "Answers",
    "Budget",
    "Event",
    "Fault",
    "Frame",
    "Framer",
    "Gate",
    "HeaderUnusable",
    "Junk",
    "Keep",
    "Limits",
    "Link",
    "MllpError",
    "MllpServer",
    "NoAnswer",
    "Origin",
    "Outcome",
    "Outgoing",
    "Oversize",
    "Peek",
    "Peer",
    "Route",
    "Sender",
    "Step",
    "Taking",
    "Tally",
    "Tls",
    "TlsFiles",
    "TlsUnusable",
    "Truncated",
    "Verdict",
    "acknowledge",
    "acknowledged",
    "answer_code",
    "application_due",
    "client_context",
    "fallback_peek",
    "frame",
    "peek",
    "send_all",
    "serve_mllp",
    "server_context",
    "step",
    "trim",
]
