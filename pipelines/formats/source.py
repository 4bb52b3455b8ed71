"""What the journey needs to know of a format, and nothing else: the values of the table in `pipelines.formats`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from adapters.issue import Issue

if TYPE_CHECKING:
    from adapters.hl7v2.mllp import Fault, Peek
    from mappings import Mapped, MapSettings
    from pipelines.validation import Validator

LEVELS = ("values", "structure", "full")
"""How far what the maps give is checked, each more than the one before."""

__all__ = ["LEVELS", "Continued", "Gate", "Linked", "Maps", "Refusal", "Source", "Together", "Unit"]


class Maps(Protocol):
    """The effective maps of a format: base under overlays. Pure functions of bytes and settings."""

    @property
    def hash(self) -> str:
        """Hex SHA-256 of `content`."""

    @property
    def content(self) -> bytes:
        """All effective rules as bytes, from which `Source.load_content` makes the same maps again."""

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        """Read one unit and say what it says. Raises the format's errors (`Source.causes`) and MappingError."""

    def map_many(self, bodies: Sequence[bytes], settings: MapSettings) -> list[Mapped]:
        """What each of some units says, as `map` would, together where that is faster. Raises as `map`, of any."""

    def explain(self, body: bytes, settings: MapSettings) -> Sequence[str]:
        """`element <- source <- rule (file and line)`, a line for each element written. Raises as `map`."""

    def patients(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """Ids of the patients of a unit that can't be mapped, as far as they can be read. May raise anything."""

    def check(self) -> None:
        """Compile everything now. Raises MappingError with all findings."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One message, document, resource or object of a file; or, with `envelope`, what a batch file says of itself."""

    index: int | None  # 0-based among the file's units; None for an envelope
    body: bytes  # the bytes that sha256 and ids are made of
    issues: tuple[Issue, ...] = ()  # found around the unit, such as bytes before it
    envelope: str = ""  # its type, such as FHS


class Gate(Protocol):
    """What of a channel may refuse a unit of its own: it asks for fields of HL7 v2."""

    def refuses(self, header: Peek) -> Fault | None:
        """Why the channel doesn't accept a message (HL7 Table 0357), or None."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a unit isn't taken; no content of it. `place` is the source path at fault, '' for none; `code`: of FHIR's
    issue-type."""

    place: str
    text: str
    code: str = "business-rule"


@dataclass(frozen=True, slots=True)
class Together:
    """Of a format whose units make one Bundle together when files are converted (DICOM: a study).

    `place`: path of the Bundle below the output folder, from one unit's `Mapped`, such as `study/<uuid>.json`.
    `join`: all units of one place, in walk order, as one `Mapped`.
    """

    place: Callable[[Mapped], str]
    join: Callable[[Sequence[Mapped]], Mapped]


class Linked(Protocol):
    """What a unit says of the parts before and after it. `link`: what the parts of one unit have in common; `follows`
    and `pointer`: by which it answers the one before, and the one after answers it; b'' for none."""

    @property
    def link(self) -> bytes: ...

    @property
    def follows(self) -> bytes: ...

    @property
    def pointer(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Continued:
    """Of a format whose units may arrive in parts (HL7 v2: DSC and MSH-14).

    `part`: from the beginning and the end of a unit; None: it is whole. `join`: the parts in order → the unit.
    """

    part: Callable[[bytes, bytes], Linked | None]
    join: Callable[[Sequence[bytes]], bytes]


@dataclass(frozen=True, slots=True)
class Source:
    """One format.

    `noun`: of one unit, for texts. `units`: of a file; never raises. `identity`: what tells a unit sent again from a
    new one within its channel (MSH-10, document id, SOP Instance UID), b'' if it has none or can't be read; never
    raises. `refuses`: the channel's gate. `causes`: the format's errors → cause of the dead letter, first fit.
    `proving`: its maps check all they give themselves, at the level of `MapSettings.check`: the same maps with this
    validator.
    `brief`: of a unit kept as a blob (stream, SHA-256, size) what its maps need, which they take in its place.
    `unreadable`: why bytes are no unit of the format at all, which a sender over HTTP hears at once; never raises.
    `continued`: its units may arrive in parts.
    `media_types`: that a sender over HTTP may name; the first is the format's own; `lines`: those of them of which one
    body holds many units.
    """

    noun: str
    load: Callable[[Sequence[str]], Maps]
    load_content: Callable[[bytes], Maps]
    units: Callable[[bytes], Iterable[Unit]]
    identity: Callable[[bytes], bytes]
    causes: tuple[tuple[type[Exception], str], ...]
    refuses: Callable[[Gate, bytes], Refusal | None] = lambda _gate, _body: None
    unreadable: Callable[[bytes], Refusal | None] = lambda _: None
    brief: Callable[[BinaryIO, bytes, int], bytes] | None = None
    media_types: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    proving: Callable[[Maps, Validator], Maps] | None = None
    together: Together | None = None
    continued: Continued | None = None

    def level(self, asked: str) -> str:
        """How far what the maps gave is still to be checked, where this was asked for."""
        return asked if self.proving is None else LEVELS[0]

    def validating(self, maps: Maps, validator: Validator) -> Maps:
        """The maps as they are, or with the validator that they ask themselves."""
        return maps if self.proving is None else self.proving(maps, validator)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What reading a unit raises."""
        return tuple(kind for kind, _ in self.causes)
