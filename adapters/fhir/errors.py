"""What can go wrong with FHIR, told apart by whose fault it is.

    FhirError
    ├── DecodeError             the peer's: these bytes are not strict JSON
    │   ├── Malformed           not UTF-8, not JSON, or something behind it
    │   ├── DuplicateKey        one object says a name twice
    │   ├── NumberRefused       NaN, infinite, too many digits, or no plain notation
    │   ├── TextRefused         a lone surrogate: text that no UTF-8 can carry
    │   └── LimitExceeded       larger or deeper than the limits
    ├── PackageRefused          the user's: this file is no FHIR package that can be used
    ├── EncodeError             ours: this value must not be written
    └── UnknownElement          ours: a path or type that R4 does not have

No error repeats a value: a value may be a patient's name. Paths hold element names and places only.
"""

from __future__ import annotations


class FhirError(Exception):
    """Base of the package's errors."""


class DecodeError(FhirError):
    """The bytes are refused. `path` is a FHIRPath-like place ('' at the root), `position` an offset."""

    def __init__(self, reason: str, *, path: str = "", position: int | None = None) -> None:
        self.reason = reason
        self.path = path
        self.position = position
        place = f" at {path}" if path else ""
        offset = f" (offset {position})" if position is not None else ""
        super().__init__(f"{reason}{place}{offset}")


class Malformed(DecodeError):
    """Not UTF-8 or not JSON (RFC 8259)."""


class DuplicateKey(DecodeError):
    """An object names a member twice: readers would disagree on which one counts."""


class NumberRefused(DecodeError):
    """A number that the one serialisation could not write back with the same value and precision."""


class TextRefused(DecodeError):
    """A string with a lone surrogate."""


class LimitExceeded(DecodeError):
    """Size or depth beyond the limits."""


class PackageRefused(FhirError):
    """A package that is damaged, over the limits, or not for R4."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class EncodeError(FhirError):
    """A value that has no place in the one serialisation; `path` tells where it sits."""

    def __init__(self, reason: str, *, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{reason} at {path}" if path else reason)


class UnknownElement(FhirError):
    """R4 has no such type or element; `path` is what was asked for."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"{path}: {reason}")
