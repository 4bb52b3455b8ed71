"""Instances of one study and run as one Bundle (commands.md, "Unit, others")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mappings.dicom.study import fold
from mappings.values import Change, Element, Mapped

__all__ = ["join", "place"]


def place(mapped: Mapped) -> str:
    """Where the Bundle of an instance's study is written."""
    return f"study/{mapped.parts[0].id}.json"


def join(instances: Sequence[Mapped]) -> Mapped:
    """All instances of one study. Of two words for one element, and of two files for one instance, the first stands."""
    found: dict[tuple[str, str], Change] = {}
    parts: dict[str, bytes] = {}
    for mapped in instances:
        for part in mapped.parts:
            parts.setdefault(part.member, part.content)
        for change in mapped.changes:
            if change.type == "Provenance":  # of an encapsulated document: a Bundle has one, the study's
                continue
            known = found.setdefault((change.type, change.id), change)
            places = {(element.path, element.slot) for element in known.elements}
            new = tuple(element for element in change.elements if (element.path, element.slot) not in places)
            if new and known is not change:
                found[change.type, change.id] = known.anew(known.elements + new)
    study, provenance = fold(instances[0].parts[0].id, parts.values())
    ordered = [*sorted(found.values(), key=lambda change: change.type != "Patient"), study]
    targets = Element("target", "bundle", [{"reference": f"{each.type}/{each.id}"} for each in ordered])
    elements = (targets, *(each for each in provenance.elements if each.path != "target"))
    changes = (*ordered, provenance.anew(elements))
    return replace(instances[0], changes=changes, parts=(), control_id="", timestamp=None)
