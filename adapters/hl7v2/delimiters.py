"""Message delimiters (HL7 v2 chapter 2.5.4): the separators that MSH-1 and MSH-2 declare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from adapters.hl7v2.errors import HeaderError
from adapters.hl7v2.issue import Issue


@dataclass(frozen=True, slots=True)
class Delimiters:
    """One character each; '' where MSH-2 has none at that place: such text is not split at that level."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str
    truncation: str

    @property
    def encoding(self) -> str:
        """MSH-2 as these delimiters would write it."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Delimiters("|", "^", "~", "\\", "&", "")


def parse(header: str, issues: list[Issue]) -> Delimiters:
    """Delimiters from the text of an MSH line; HeaderError if MSH-1 or MSH-2 is unusable.

    Four or five characters in every version: the truncation character of v2.7 is sent before v2.7 too. Where one
    character has several roles, the text is split at each of these levels, and an escape character that is also a
    separator escapes nothing: splitting comes first.
    """
    field = header[3:4]
    if not field or field in "\r\n" or field.isalnum():
        raise HeaderError("MSH-1 is not a separator")
    # a sender's MSH-2 is always the same: worked out once, and no longer than makes sense
    delimiters, faults = _parse(field, header[4:16].partition(field)[0])
    issues.extend(faults)
    return delimiters


@lru_cache(maxsize=256)
def _parse(field: str, encoding: str) -> tuple[Delimiters, tuple[Issue, ...]]:
    used = encoding[:5]
    if not encoding or any(char.isalnum() or char in ' \t\r\n"' for char in used[:4]):
        raise HeaderError("MSH-2 holds no separators")
    faults: list[Issue] = []
    if len(encoding) > 5:
        faults.append(_fault("MSH-2 has more than five characters; the rest is ignored"))
    truncation = used[4:]
    if truncation.isalnum() or truncation.isspace():
        faults.append(_fault("the fifth character of MSH-2 can't be a truncation character"))
        truncation = ""
    component, repetition, escape, subcomponent = used[:1], used[1:2], used[2:3], used[3:4]
    if len(set(field + used)) < len(used) + 1:
        faults.append(_fault("MSH-2 gives one character several roles"))
        if escape and escape in (field, component, repetition, subcomponent):
            escape = ""
    return Delimiters(field, component, repetition, escape, subcomponent, truncation), tuple(faults)


def _fault(text: str) -> Issue:
    return Issue("error", "structure", "MSH[1]-2[1].1.1", None, text)
