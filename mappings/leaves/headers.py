"""Leaf functions for times and events of a message's header (v2-to-FHIR guide, MSH[Provenance-*], EVN[Provenance])."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mappings.leaves.base import Invalid, Leaf, LeafContext
from mappings.leaves.core import text
from mappings.leaves.time import instant

__all__ = ["LEAVES"]


def zoned_instant(source: str, context: LeafContext) -> str | None:
    """instant where a zone is known by the zone rules; nothing otherwise (`unzoned` keeps the text)."""
    try:
        return instant(source, context)
    except Invalid:
        return None


def unzoned(source: str, context: LeafContext) -> str | None:
    """The text of a stamp that is no instant, nothing for one that is."""
    return text(source, context) if zoned_instant(source, context) is None else None


def message_type(parts: Sequence[str], context: LeafContext) -> str | None:
    """MSG.1 to MSG.3 with carets, as the guide writes them."""
    return text("^".join(part.strip() for part in parts).strip("^"), context)


def event_display(parts: Sequence[str], context: LeafContext) -> str | None:
    """MSG.1 to MSG.3 with the guide's prefix."""
    found = message_type(parts, context)
    return None if found is None else f"message - {found}"


def event_label(parts: Sequence[str], context: LeafContext) -> str | None:
    """MSG.1 and MSG.2 with the guide's prefix."""
    found = message_type(parts, context)
    return None if found is None else f"event - {found}"


def narrative(source: str, context: LeafContext) -> str | None:
    """Text as an XHTML div (R4 narrative.html): hostile text is escaped."""
    found = text(source, context)
    return None if found is None else f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(found, quote=False)}</div>'


LEAVES = {
    "zoned-instant": Leaf(zoned_instant, produces=("instant",)),
    "unzoned": Leaf(unzoned, produces=("string",)),
    "message-type": Leaf(message_type, arity=3, produces=("string",)),
    "event-display": Leaf(event_display, arity=3, produces=("string",)),
    "event-label": Leaf(event_label, arity=2, produces=("string",)),
    "narrative": Leaf(narrative, produces=("xhtml",)),
}
