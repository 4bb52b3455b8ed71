"""Errors of FHIR as a source; all of them the sender's. `adapters.fhir` has those of JSON itself.

FhirSourceError
├── NotTaken        what is asked for is not what we do: a method, a kind of Bundle, a conditional request
└── NothingStands   valid JSON, but no resource in it is one of R4
"""

from __future__ import annotations

__all__ = ["FhirSourceError", "NotTaken", "NothingStands"]


class FhirSourceError(Exception):
    """`place`: FHIRPath in what was sent; `code`: of issue-type. Neither holds a value."""

    def __init__(self, place: str, text: str, code: str) -> None:
        super().__init__(f"{text} at {place}" if place else text)
        self.place = place
        self.text = text
        self.code = code


class NotTaken(FhirSourceError):
    """Refused as a whole: to do half of it would be something else than what was asked."""

    def __init__(self, place: str, text: str, code: str = "not-supported") -> None:
        super().__init__(place, text, code)


class NothingStands(FhirSourceError):
    """Nothing is left after what can't stand was set aside."""

    def __init__(self, place: str, text: str, code: str = "invalid") -> None:
        super().__init__(place, text, code)
