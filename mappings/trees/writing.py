"""Where a row writes: an element path compiled to a function, with repetition and choice from the R4 definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from adapters.fhir import Element, definitions

__all__ = ["Put", "compile_put", "inner_home", "names_of"]

Put: TypeAlias = Callable[[dict[str, Any], Any], bool]
"""Body and value → whether the value stands there now (also if it stood there before)."""


def names_of(home: tuple[str, str], element: Element) -> tuple[str, ...]:
    """The JSON names under which an element may stand: itself, its extension, the other types of a choice."""
    names = [element.name]
    if element.choice:
        names = [name for name, each in definitions().children(home).items() if each.choice == element.choice]
    return tuple(names) + tuple(f"_{name}" for name in names if not name.startswith("_"))


def inner_home(home: tuple[str, str], elements: tuple[Element, ...]) -> tuple[str, str]:
    """The home in which the last element of a path below `home` stands."""
    inner = elements[-2].home if len(elements) > 1 else home
    if inner is None:
        raise ValueError(f"{elements[-1].name} has no place")
    return inner


def compile_put(home: tuple[str, str], elements: tuple[Element, ...]) -> Put:
    """A writer. A value never replaces another one: the first stands."""
    *parents, last = elements
    inner = inner_home(home, elements)
    name = last.name
    stem = name.removeprefix("_")
    rivals = tuple(each for each in names_of(inner, last) if each not in (stem, f"_{stem}")) if last.choice else ()
    walk = [(each.name, each.repeats) for each in parents]

    def place(body: dict[str, Any]) -> dict[str, Any]:
        for step, repeats in walk:
            if repeats:
                items = body.setdefault(step, [])
                if not items:
                    items.append({})
                body = items[0]
            else:
                body = body.setdefault(step, {})
        return body

    if last.repeats:

        def extend(body: dict[str, Any], value: Any) -> bool:
            items = place(body).setdefault(name, [])
            for item in value if isinstance(value, list) else (value,):
                if item not in items:
                    items.append(item)
            return True

        return extend

    def put(body: dict[str, Any], value: Any) -> bool:
        at = place(body)
        if rivals and any(rival in at for rival in rivals):
            return False
        if name in at:
            return bool(at[name] == value)
        at[name] = value
        return True

    return put
