"""Where a row's value goes in a resource: the register of its target, or a part of an object in it.

A sink is called as sink(resource, seat number, repetition, value); False = something else stands there already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from mappings.engine.runtime import Register, Resource
from mappings.engine.targets import MISSING, Literal, Target, apply, clone, extension, fill, joined, merged

__all__ = ["Sink", "beside_sink", "extension_sink", "sink"]


Sink: TypeAlias = Callable[[Resource, int, int, Any], bool]


def sink(target: Target, slot: str, shared: bool, rank: int, found: tuple[Literal, ...]) -> Sink:
    """The sink of a target. `shared`: one object per seat, whatever the repetition; `found`: literals of `set`."""
    if target.repeats and not target.rest:
        plain = _appending((target.path, slot), found)
    elif target.repeats:
        plain = _item(target, slot, shared, found)
    elif target.choice:
        plain = _choice(target, found)
    else:
        plain = _scalar(target, found)
    if not rank:
        return plain
    key = (target.path, slot if target.repeats else "")

    def ranked(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        put = plain(resource, seat, repetition, value)
        if put:
            resource.ranks[key] = rank
        return put

    return ranked


def _put(resource: Resource, key: Register, value: Any) -> None:
    if resource.undo is not None:
        resource.undo.append((resource.registers, key, resource.registers.get(key, MISSING)))
    resource.registers[key] = value


def _appending(key: Register, found: tuple[Literal, ...]) -> Sink:
    def append(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        if found:
            value = merged(value, found)
        there = resource.registers.get(key)
        if there is not None and value in there:
            return True
        # a list of one's own: the one there may be shared
        _put(resource, key, [value] if there is None else [*there, value])
        place = (*key, seat, repetition)
        if resource.undo is not None:
            resource.undo.append((resource.items, place, resource.items.get(place, MISSING)))
        resource.items[place] = value
        return True

    return append


def _first_of(resource: Resource, path: str, slot: str, seat: int) -> Any:
    """The first object that this segment made in a register; another segment's is never joined."""
    own = [place[3] for place in resource.items if place[:3] == (path, slot, seat)]
    return resource.items[path, slot, seat, min(own)] if own else None


def _item(target: Target, slot: str, shared: bool, found: tuple[Literal, ...]) -> Sink:
    path, rest, mergeable = target.path, target.rest, target.mergeable
    key = (path, slot)

    def item(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        place = (path, slot, seat, -1 if shared else repetition)
        made = resource.items.get(place)
        undo = resource.undo
        if made is None:
            there = resource.registers.get(key)
            if undo is not None:
                undo.append((resource.items, place, MISSING))
            first = _first_of(resource, path, slot, seat) if shared and there else None
            if first is not None:
                # `address.district` with `slot: PID-11` goes into the address that PID-11 of this segment made
                made = clone(first)
                _put(resource, key, [made if each is first else each for each in there or ()])
            else:
                made = {}
                _put(resource, key, [made] if there is None else [*there, made])
            resource.items[place] = made
        put = fill(made, rest, value, undo, mergeable)
        if put and found:
            apply(made, found)
        return put

    return item


def _choice(target: Target, found: tuple[Literal, ...]) -> Sink:
    key, name, rest, mergeable = (target.path, ""), target.choice, target.rest, target.mergeable

    def choice(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        if found and not rest:
            value = merged(value, found)
        there = resource.registers.get(key)
        if there is None:
            if rest:
                inner: dict[str, Any] = {}
                fill(inner, rest, value)
                if found:
                    apply(inner, found)
                value = inner
            _put(resource, key, {name: value})
            return True
        if name not in there:
            return False
        if rest:
            inner = merged(there[name], ())
            if not fill(inner, rest, value, None, mergeable):
                return False
            _put(resource, key, {**there, name: inner})
            return True
        if there[name] == value:
            return True
        both = joined(there[name], value) if mergeable else None
        if both is None:
            return False
        _put(resource, key, {**there, name: both})
        return True

    return choice


def _scalar(target: Target, found: tuple[Literal, ...]) -> Sink:
    key, mergeable = (target.path, ""), target.mergeable

    def scalar(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        if found:
            value = merged(value, found)
        there = resource.registers.get(key)
        if there is None:
            _put(resource, key, value)
            return True
        if there == value and there.__class__ is value.__class__:
            return True
        both = joined(there, value) if mergeable else None
        if both is None:
            return False
        _put(resource, key, both)
        return True

    return scalar


def extension_sink(path: str, slot: str, urls: tuple[str, ...], name: str) -> Sink:
    """`{url, valueX}` in the list at `path` (`extension`, `_birthDate.extension`)."""
    *outer, url = urls
    key = (path, slot)

    def extended(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
        made = extension(url, name, value)
        there = resource.registers.get(key)
        if outer:
            place = (path, f"{slot} {outer[0]}", seat, -1)
            around = resource.items.get(place)
            if around is None:
                around = {"url": outer[0], "extension": []}
                if resource.undo is not None:
                    resource.undo.append((resource.items, place, MISSING))
                resource.items[place] = around
                _put(resource, key, [around] if there is None else [*there, around])
            if made not in around["extension"]:
                around["extension"].append(made)
            return True
        if there is None:
            _put(resource, key, [made])
        elif made not in there:
            _put(resource, key, [*there, made])
        return True

    return extended


def marked(steps: tuple[tuple[str, bool], ...]) -> tuple[tuple[str, bool], ...]:
    """The steps to `_name` beside the primitive at their end."""
    if not steps:
        return steps
    name, repeats = steps[-1]
    return (*steps[:-1], (f"_{name}", repeats))


def beside_sink(target: Target, slot: str, shared: bool) -> Sink | None:
    """Where the extensions of a primitive go; None for a primitive in a list, which has no good place for them."""
    if target.element.repeats:
        return None
    if target.rest:
        return sink(replace(target, rest=marked(target.rest)), slot, shared, 0, ())
    if target.choice:
        key, name = (target.path, ""), target.choice

        def choice(resource: Resource, seat: int, repetition: int, value: Any) -> bool:
            there = resource.registers[key]
            if f"_{name}" not in there:
                _put(resource, key, {**there, f"_{name}": value})
            return True

        return choice
    *parents, last = target.path.split(".")
    return sink(replace(target, path=".".join((*parents, f"_{last}"))), slot, shared, 0, ())
