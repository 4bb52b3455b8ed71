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


def result_restated(at: Place) -> bool:
    """OBX-11, OBX-5: this OBX says the whole result again; D U V W without a value say only a new status."""
    return bool(at.text("OBX-5")) or at.text("OBX-11") not in ("D", "U", "V", "W")


def obr_speaks_of_specimen(at: Place) -> bool:
    """OBR[Specimen]: the guide makes a Specimen of every OBR; one of these fields must say that there was one."""
    return any(at.text(path) for path in ("OBR-9", "OBR-10", "OBR-14", "OBR-15", "OBR-39"))


PREDICATES: Mapping[str, Predicate] = {
    "result-restated": result_restated,
    "obr-speaks-of-specimen": obr_speaks_of_specimen,
}
