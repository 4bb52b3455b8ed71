"""Contained resources (references.html#contained): local references resolve; what is contained is bare and used.

By hand, as FHIRPath has to walk the whole resource once for each of them (dom-3) or needs the root (ref-1).
"""

from __future__ import annotations

from typing import Any

from adapters.fhir.findings import Path, Run


def check_contained(value: Any, path: Path, run: Run, full: bool) -> None:
    """ref-1; and at level full dom-2 to dom-5."""
    contained = value.get("contained") if isinstance(value, dict) else None
    ids: set[str] = set()
    used = {text for text, _ in run.local}
    for place, inner in enumerate(contained if isinstance(contained, list) else []):
        if not isinstance(inner, dict):
            continue
        here: Path = ((path, ".contained"), place)
        name = inner.get("id")
        if isinstance(name, str):
            ids.add(name)
        if not full:
            continue
        _check_one(inner, here, run)
        if not isinstance(name, str) or not (f"#{name}" in used or says(value, f"#{name}") or says(inner, "#")):
            run.error("invariant", here, "dom-3: nothing refers to this contained resource")
    for text, place_of in run.local:
        if text != "#" and text[1:] not in ids:
            run.error("invariant", place_of, "ref-1: no contained resource has this id")


def _check_one(inner: dict[str, Any], here: Path, run: Run) -> None:
    if "contained" in inner:
        run.error("invariant", here, "dom-2: a contained resource contains nothing")
    meta = inner.get("meta")
    if isinstance(meta, dict) and {"versionId", "lastUpdated"} & meta.keys():
        run.error("invariant", here, "dom-4: a contained resource has no version")
    if isinstance(meta, dict) and "security" in meta:
        run.error("invariant", here, "dom-5: a contained resource has no security label")


def says(value: object, text: str) -> bool:
    """Whether this text stands anywhere as a whole value (a reference, a uri or a canonical)."""
    if isinstance(value, dict):
        return any(says(inner, text) for inner in value.values())
    if isinstance(value, list):
        return any(says(inner, text) for inner in value)
    return value == text
