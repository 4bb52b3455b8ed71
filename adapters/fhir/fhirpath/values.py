"""What FHIRPath compares and walks (N1 sections 5 and 6), over FHIR JSON values.

A collection is a list. A primitive that holds only extensions (`_status` without `status`) is the object of its
extensions: it exists, and has no value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias, TypeGuard

Items: TypeAlias = "list[Any]"


def children(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if type(item) is dict:
            for name, value in item.items():
                if name == "resourceType":
                    continue
                if type(value) is list:
                    yield from (each for each in value if each is not None)
                elif value is not None:
                    yield value


def descendants(items: Iterable[Any]) -> Items:
    found: Items = []
    level = list(children(items))
    while level:
        found += level
        level = list(children(level))
    return found


def is_number(value: object) -> TypeGuard[int | Decimal]:
    return type(value) is int or type(value) is Decimal


def key(value: Any) -> Any:
    """Equal values have equal keys, and keys can be put into a set."""
    if type(value) is dict:
        return frozenset((name, key(inner)) for name, inner in value.items())
    if type(value) is list:
        return tuple(key(inner) for inner in value)
    return (type(value) is bool, value)


def later(left: Any, right: Any) -> bool | None:
    """Whether left is surely greater than right; None where nobody can say.

    Dates of different precision and times across zones compare to what both say; Quantities only in one unit.
    """
    if is_number(left) and is_number(right):
        return bool(left > right)
    if type(left) is str and type(right) is str:
        return _later_text(left, right)
    if type(left) is dict and type(right) is dict:
        low, high = left.get("value"), right.get("value")
        same = left.get("code") == right.get("code") and left.get("unit") == right.get("unit")
        return low > high if same and is_number(low) and is_number(high) else None
    return None


def _later_text(left: str, right: str) -> bool | None:
    if not (left[:4].isdigit() and right[:4].isdigit() and _is_date(left) and _is_date(right)):
        return left > right
    if "T" in left and "T" in right:
        try:
            return datetime.fromisoformat(left) > datetime.fromisoformat(right)
        except (ValueError, TypeError):  # a leap second, or a fault that the structure check names
            return None
    shared = min(len(left.partition("T")[0]), len(right.partition("T")[0]))
    if "T" in left or "T" in right:
        shared = min(shared, 7)  # across zones a day is not the same day
    if left[:shared] != right[:shared]:
        return left[:shared] > right[:shared]
    return False if len(left) == len(right) == shared else None


def _is_date(text: str) -> bool:
    return len(text) == 4 or text[4] == "-"


def to_integer(value: Any) -> int | None:
    if type(value) is int:
        return value
    if type(value) is str and value.removeprefix("-").removeprefix("+").isdecimal():
        return int(value)
    return None


def to_string(value: Any) -> str | None:
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is Decimal:
        return format(value, "f")
    return str(value) if type(value) in {int, str} else None
