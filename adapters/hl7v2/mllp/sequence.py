"""The sequence number protocol (HL7 v2.9 section 2.10.1; MSH-13, MSA-4), without input or output.

A link is one stream of messages between two applications. Its receiver stores the number of the last message that it
accepted before it answers, and says in MSA-4 which it expects:

| MSH-13                    | what it means                            | taken | MSA-4                          |
|---------------------------|------------------------------------------|-------|--------------------------------|
| 0                         | the link is (re)started                  | no    | last + 1; -1: none known       |
| -1                        | resynchronise: forget the last           | no    | -1                             |
| n, none known             | the link begins with this one            | yes   | n                              |
| last + 1                  | as it should be                          | yes   | n                              |
| last, the same message    | our acknowledgement was lost             | no    | last + 1: "send the next"      |
| anything else             | out of step: AE, the sender stops        | no    | last + 1                       |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from adapters.hl7v2.mllp.ack import Fault

__all__ = ["NEW_LINK", "Link", "Step", "Taking", "step"]

_NUMBER = re.compile(rb"-1|[0-9]{1,15}")
_NO_NUMBER = Fault("102", "Data type error", 13, "MSH-13 (sequence number) is no whole number")
# Table 0357 has no code of its own for this; 207 is "a catchall for internal errors not explicitly covered"
_OUT_OF_STEP = Fault("207", "Application internal error", 13, "MSH-13 is not the expected sequence number, see MSA-4")


@dataclass(frozen=True, slots=True)
class Link:
    """What the receiver knows: number and mark (control id and hash) of the last message accepted; None: nothing."""

    last: int | None = None
    mark: bytes = b""

    @property
    def expected(self) -> int:
        """MSA-4 where the number that came is not the one."""
        return -1 if self.last is None else self.last + 1


NEW_LINK = Link()


class Taking(Enum):
    """What to do with the message."""

    KEEP = "keep"  # make it durable, then the link, then answer
    ANSWER = "answer"  # it is only about the link, or known already
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, MSA-4 of the answer, and the link afterwards (of KEEP: once it is kept)."""

    taking: Taking
    expected: int
    link: Link
    fault: Fault | None = None


def step(link: Link, number: bytes, mark: bytes) -> Step:
    """One message with MSH-13 = `number`."""
    if not _NUMBER.fullmatch(number):
        return Step(Taking.REFUSE, link.expected, link, _NO_NUMBER)
    value = int(number)
    if value == 0:
        return Step(Taking.ANSWER, link.expected, link)
    if value == -1:
        return Step(Taking.ANSWER, -1, NEW_LINK)
    if link.last is None or value == link.last + 1:
        return Step(Taking.KEEP, value, Link(value, mark))
    if value == link.last and mark == link.mark:
        return Step(Taking.ANSWER, link.expected, link)
    return Step(Taking.REFUSE, link.expected, link, _OUT_OF_STEP)
