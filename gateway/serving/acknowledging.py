"""HL7 over HTTP: who sends `Content-Type: x-application/hl7-v2+er7` gets the acknowledgement of an MLLP door.

The codes are those of `adapters.hl7v2.mllp` (HL7 v2.9 section 2.9.2). The HTTP status says the same: 200 kept, 400 the
sender's fault, 500 ours with this message, 503 ours; 202 without content where MSH-15 asks for silence.
"""

from __future__ import annotations

import itertools

from adapters.hl7v2.mllp import (
    Fault,
    HeaderUnusable,
    Outcome,
    Peek,
    Verdict,
    acknowledge,
    answer_code,
    fallback_peek,
    peek,
    trim,
)
from gateway.serving.intake import dtm_now
from gateway.web import Response

__all__ = ["ER7", "Acknowledging"]

ER7 = ("x-application/hl7-v2+er7", "application/hl7-v2+er7")
_STATUS = {
    Outcome.KEPT: 200,
    Outcome.UNREADABLE: 400,
    Outcome.REFUSED: 400,
    Outcome.FAILED: 503,
    Outcome.NONCONFORMING: 400,
    Outcome.DEAD: 500,
}
_FAILED = Fault("207", "Application internal error", None, "The receiver could not store the message. Send it again.")


class Acknowledging:
    """Writes the answers; numbers them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def read(self, data: bytes) -> tuple[Peek, bytes, Fault | None]:
        """The header and the bytes of the one message, and why it can't be taken at all."""
        try:
            body = trim(data)
            header = peek(body)
        except HeaderUnusable as error:
            return fallback_peek(), b"", Fault("100", "Segment sequence error", None, str(error))
        for number, name in ((9, "message type"), (10, "message control id")):
            if not header.field(number).strip():
                fault = Fault("101", "Required field missing", number, f"MSH-{number} ({name}) is empty")
                return header, body, fault
        return header, body, None

    def unreadable(self, header: Peek, fault: Fault) -> Response:
        """No message, or without type or control id."""
        return self._answer(header, Outcome.UNREADABLE, fault)

    def refused(self, header: Peek, fault: Fault) -> Response:
        """The channel doesn't accept it."""
        return self._answer(header, Outcome.REFUSED, fault)

    def kept(self, header: Peek, kept: bool) -> Response:
        """Committed to the journal, or our failure."""
        return self._answer(header, Outcome.KEPT if kept else Outcome.FAILED, None if kept else _FAILED)

    def became(self, header: Peek, became: Verdict) -> Response:
        """What became of it after it was committed."""
        return self._answer(header, became.outcome, became.fault, became.more)

    def _answer(self, header: Peek, outcome: Outcome, fault: Fault | None, more: tuple[Fault, ...] = ()) -> Response:
        code = answer_code(header, outcome)
        if code is None:
            return Response(202, b"", ER7[0])
        body = acknowledge(header, code, f"TABH{next(self._numbers):012d}", dtm_now(), fault, more=more)
        return Response(_STATUS[outcome], body, ER7[0])
