"""Named conditions for what `when` can't say (mappings.md: at most 30, each tested, each naming its row)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

__all__ = ["PREDICATES", "Place", "Predicate"]


class Place(Protocol):
    """Where a condition is asked: a segment in its group."""

    @property
    def event(self) -> str:
        """MSH-9.2."""

    def text(self, path: str) -> str:
        """The first leaf at `OBX-5` or `OBX-5.1`, unescaped, '' without."""

    def texts(self, path: str) -> tuple[str, ...]:
        """The first leaf of each repetition."""

    def has(self, segment: str) -> bool:
        """Whether the group (below, then outward) holds such a segment."""

    def option(self, name: str) -> str:
        """The channel's option, or its default."""


Predicate = Callable[[Place], bool]

PREDICATES: Mapping[str, Predicate] = {}
