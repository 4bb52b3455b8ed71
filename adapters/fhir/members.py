"""Checks of what a profile demands: how often a member occurs, and what each of its values must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.fhir.coded import in_set
from adapters.fhir.definitions import Codes
from adapters.fhir.demands import MISSING
from adapters.fhir.findings import Path, Run
from adapters.fhir.references import ReferenceFault, pointed_type
from adapters.fhir.slices import Check, Slicing

__all__ = ["Member", "bound", "counted", "demand", "targets"]


@dataclass(frozen=True, slots=True)
class Member:
    """How often a member may occur, and what each of its values must be."""

    step: str
    least: int
    most: int | None
    inner: list[Check]
    slicing: Slicing | None
    profile: str


def counted(names: tuple[tuple[str, str], ...], wrong: frozenset[str], member: Member) -> Check:
    step, least, most, profile = member.step, member.least, member.most, member.profile
    value_of = {key: name for name, sibling in names for key in (name, sibling)}
    few = tuple(value_of) if len(names) == 1 else None  # a choice has a hundred names: then the object's are fewer

    def check(value: Any, path: Path, run: Run) -> None:
        if type(value) is not dict:
            return
        here: Path = (path, step)
        items: list[tuple[Any, Path]] = []
        for key in few or value:
            if key not in value_of or key not in value:
                continue
            name, found = value_of[key], value[key]
            if name in wrong:
                run.error("structure", here, f"{profile}: this type is not allowed here")
                return
            if key != name:
                if name not in value:  # there is nothing but extensions: it exists, without a value
                    items += [(MISSING, here)] * (len(found) if type(found) is list else 1)
            elif type(found) is list:
                items += [(MISSING if each is None else each, (here, place)) for place, each in enumerate(found)]
            else:
                items.append((found, here))
        if len(items) < least:
            run.error("required", here, f"{profile}: at least {least} needed")
        if most is not None and len(items) > most:
            run.error("structure", here, f"{profile}: at most {most} allowed")
        for item, place_of in items:
            if item is not MISSING:
                for each in member.inner:
                    each(item, place_of, run)
        if member.slicing is not None:
            member.slicing.check([pair for pair in items if pair[0] is not MISSING], here, run, profile)

    return check


def demand(fits: Callable[[Any], bool], text: str) -> Check:
    def check(value: Any, path: Path, run: Run) -> None:
        if not fits(value):
            run.error("value", path, text)

    return check


def bound(allowed: Codes, coded: bool, name: str) -> Check:
    """`coded`: a code is needed. Of a choice the binding speaks of its coded types only; a Period has no code."""

    def check(value: Any, path: Path, run: Run) -> None:
        if type(value) is str:
            fits = value in allowed.codes or bool(allowed.rules)
        elif type(value) is dict and "coding" in value:
            codings = value["coding"]
            fits = type(codings) is list and any(in_set(coding, allowed) for coding in codings)
        else:
            fits = (not coded and "code" not in value) or in_set(value, allowed) if type(value) is dict else True
        if not fits:
            run.error("code-invalid", path, f"{name}: not of the required value set")

    return check


def targets(allowed: frozenset[str], name: str) -> Check:
    among = ", ".join(sorted(allowed))

    def check(value: Any, path: Path, run: Run) -> None:
        text = value.get("reference") if type(value) is dict else None
        if type(text) is not str or text.startswith("#"):
            return
        try:
            pointed = pointed_type(text)
        except ReferenceFault:
            return  # the structure check names it
        if pointed is not None and pointed not in allowed:
            run.error("structure", (path, ".reference"), f"{name}: points at {pointed}, allowed are {among}")

    return check
