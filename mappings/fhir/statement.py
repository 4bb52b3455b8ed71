"""A resource as registers: a complete statement of its sender (http.html#update), which ends what it said before.

Every element of the type is spoken of: set, or marked as not there, so that what the sender took out of its resource
goes here, too. Owners' words of other formats are not touched: a filler's mark is weaker than they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from adapters.fhir import definitions, encode_trusted
from mappings.values import Change, Element

__all__ = ["identified", "statement"]

IDENTIFIERS = "FHIR"  # the slot of identifiers: a set, in which those of other formats have slots of their own


def statement(
    resource: dict[str, Any], patient: str | None, slots: Mapping[str, str], event_time: str | None
) -> Change:
    """The change that a valid resource makes; its id is ours already."""
    type_ = str(resource["resourceType"])
    choices, marks = _elements(type_)
    said: dict[str, Any] = {}
    for name, value in resource.items():
        if name in ("resourceType", "id"):
            continue
        choice = choices.get(name.removeprefix("_"))
        if choice is None:
            said[name] = value
        else:
            said[choice] = {**said.get(choice, {}), name: value}
    elements = [Element(path, _slot(type_, path, value, slots), value) for path, value in said.items()]
    for path in marks:
        if path not in said and f"_{path}" not in said:
            slot = IDENTIFIERS if path == "identifier" else slots.get(f"{type_}.{path}", "")
            elements.append(Element(path, slot, None))
    return Change(type_, str(resource["id"]), patient, tuple(elements), encode_trusted(resource), event_time)


def _slot(type_: str, path: str, value: Any, slots: Mapping[str, str]) -> str:
    if not isinstance(value, list):
        return ""
    return IDENTIFIERS if path == "identifier" else slots.get(f"{type_}.{path}", "")


@lru_cache(maxsize=256)
def _elements(type_: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """(JSON name → the choice it is one of, every element of the type once)."""
    children = definitions().children((type_, ""))
    choices = {name: each.choice for name, each in children.items() if each.choice and each.choice != name}
    names = dict.fromkeys(each.choice or name for name, each in children.items() if name != "id")
    return choices, tuple(names)


def identified(resource: dict[str, Any], base: str, own_id: str) -> None:
    """Keep the sender's id: as an identifier where the type has room for one, else as the source of its content."""
    type_ = resource["resourceType"]
    mine = {"system": f"{base}/{type_}", "value": own_id}
    element = definitions().children((type_, "")).get("identifier")
    if element is not None and element.repeats:
        identifiers = resource.setdefault("identifier", [])
        if mine not in identifiers:
            identifiers.append(mine)
    elif element is not None and "identifier" not in resource:
        resource["identifier"] = mine
    else:
        resource.setdefault("meta", {}).setdefault("source", f"{base}/{type_}/{own_id}")
