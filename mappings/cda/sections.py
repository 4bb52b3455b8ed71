"""What a section must hold (R4 composition.html, cmp-1 and cmp-2): text, entries or sections.

One that is empty in the source gets words that say so, and a reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["complete_sections"]

_NOTHING = '<div xmlns="http://www.w3.org/1999/xhtml">The section has no text and no entries.</div>'
_REASONS = "http://terminology.hl7.org/CodeSystem/list-empty-reason"


def complete_sections(sections: Iterable[Any]) -> None:
    """Give every empty section a reason."""
    for section in sections:
        inner = section.get("section", ())
        complete_sections(inner)
        if not inner and "text" not in section and not section.get("entry"):
            section["text"] = {"status": "empty", "div": _NOTHING}
            section["emptyReason"] = {"coding": [{"system": _REASONS, "code": "unavailable", "display": "Unavailable"}]}
