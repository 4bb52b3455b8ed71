"""The account of leaves: every non-empty JSON leaf of what was sent is mapped, kept, excused or residue."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["leaves", "lost"]


def leaves(value: Any, place: str) -> Iterator[str]:
    """FHIRPath of each primitive that says something. resourceType names what the others are about, and is none."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "resourceType":
                yield from leaves(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{place}[{number}]")
    elif value is not None and value != "":
        yield place


def lost(before: Any, after: Any, place: str) -> Iterator[str]:
    """Leaves of a value that a repaired one, made from it by taking out, doesn't have any more."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name, inner in before.items():
            if name == "resourceType":
                continue
            if name in after:
                yield from lost(inner, after[name], f"{place}.{name}")
            else:
                yield from leaves(inner, f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_list(before, after, place)
    elif before != after or type(before) is not type(after):
        yield from leaves(before, place)


def _of_list(before: list[Any], after: list[Any], place: str) -> Iterator[str]:
    """Items keep their order: each is matched with the next of the repaired that can be what is left of it."""
    position = 0
    for number, item in enumerate(before):
        inside = f"{place}[{number}]"
        spare = len(after) - position < len(before) - number  # one may have gone
        if position < len(after) and (not spare or _remains(item, after[position])):
            yield from lost(item, after[position], inside)
            position += 1
        else:
            yield from leaves(item, inside)


def _remains(before: Any, after: Any) -> bool:
    """Whether `after` may be what is left of `before`."""
    if isinstance(before, dict) and isinstance(after, dict):
        shared = [name for name in after if name in before]
        return any(_remains(before[name], after[name]) for name in shared)
    if isinstance(before, list) and isinstance(after, list):
        return bool(after) and any(_remains(item, after[0]) for item in before)
    return bool(before == after and type(before) is type(after))
