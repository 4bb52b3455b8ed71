"""A message and its segments (HL7 v2 chapter 2.5): fields eager, everything below split only where it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.hl7v2.delimiters import Delimiters
from adapters.hl7v2.issue import Issue


@dataclass(slots=True, eq=False)
class Segment:
    """One segment; immutable after read (not frozen: a hundred are made per message).

    `fields[0]` is the name and `fields[n]` field n: decoded text with its escape sequences. In MSH `fields[1]` is the
    field separator and `fields[2]` the encoding characters, so that MSH-3 is `fields[3]`.
    """

    name: str
    fields: list[str]
    number: int  # 1-based among the segments of this name: OBX[3]
    position: int  # 0-based in the message

    def field(self, number: int) -> str:
        """Field `number` as it stands, '' past the end."""
        return self.fields[number] if number < len(self.fields) else ""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """What `read` makes of a unit's bytes."""

    delimiters: Delimiters
    charset: str  # Python codec name that the text was decoded with, for `\\X..\\`
    segments: list[Segment]
    issues: list[Issue]
    sha256: bytes  # 32 bytes, of the unit's bytes
    size: int  # of the unit's bytes
    version: str  # MSH-12.1 as sent
    dictionary_version: str  # the nearest version there is a dictionary for
    code: str  # MSH-9.1
    event: str  # MSH-9.2
    structure: str  # MSH-9.3 if it fits code and event, else derived; '' if neither is known
    control_id: str  # MSH-10
    source: bytes  # the unit's bytes, as received or as written anew
    _by_name: dict[str, list[Segment]] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """`ADT^A01^ADT_A01`, the last part derived if need be; trailing empty parts are left out."""
        return "^".join((self.code, self.event, self.structure)).rstrip("^")

    def all(self, name: str) -> list[Segment]:
        """The segments of this name in message order."""
        return self._by_name.get(name, [])

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        found = self._by_name.get(name)
        return found[0] if found else None
