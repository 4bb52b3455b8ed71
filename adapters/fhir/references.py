"""Literal references (references.html#literal): their forms, and which resource type they say they point at."""

from __future__ import annotations

import re

from adapters.fhir.definitions import Element, definitions
from adapters.fhir.findings import Path, Run
from adapters.fhir.primitives import is_id

_REST = re.compile(
    r"(?:(?P<base>https?://[^\s?#]+?)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#\S+)?"
).fullmatch
_CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?\S+").fullmatch
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+").fullmatch


class ReferenceFault(Exception):
    """Internal: the text is none of the lawful forms."""


def split(text: str) -> tuple[str, str, str] | None:
    """A RESTful reference as (base or '', type, id); None for every other form."""
    head, _, tail = text.partition("/")
    if head in definitions().resources and is_id(tail):
        return "", head, tail
    match = _REST(text)
    if match is None or match["type"] not in definitions().resources:
        return None
    return match["base"] or "", match["type"], match["id"]


def pointed_type(text: str) -> str | None:
    """The type a reference names; None if its form names none (urn:uuid). Raises ReferenceFault."""
    rest = split(text)
    if rest is not None:
        return rest[1]
    conditional = _CONDITIONAL(text)
    if conditional is not None and conditional["type"] in definitions().resources:
        return conditional["type"]
    if _ABSOLUTE(text) is None:
        raise ReferenceFault
    return None


def check_reference(value: dict[str, object], path: Path, run: Run, element: Element) -> None:
    """A Reference's form and target type; notes it in `run` for those who can resolve it."""
    text = value.get("reference")
    targets = element.targets
    if type(text) is str and text:
        if text[0] == "#":
            run.local.append((text, path))
        else:
            run.references.append((text, path))
            try:
                pointed = pointed_type(text)
            except ReferenceFault:
                run.error("value", (path, ".reference"), "neither Type/id nor #id nor an absolute URI")
            else:
                if pointed is not None and targets and pointed not in targets:
                    run.error(
                        "structure", (path, ".reference"), f"points at {pointed}, allowed are {', '.join(targets)}"
                    )
    declared = value.get("type")
    if targets and type(declared) is str and declared in definitions().resources and declared not in targets:
        run.error("structure", (path, ".type"), f"says {declared}, allowed are {', '.join(targets)}")
