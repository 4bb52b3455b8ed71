"""HL7 v2 as a source: messages in ER7 encoding (HL7 v2 chapter 2), mapped by `mappings/hl7v2`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import mappings
from adapters.hl7v2 import HeaderError, Hl7Error, LimitError, fragment, joined, read, units
from adapters.hl7v2.mllp import HeaderUnusable, peek, trim
from pipelines.formats.behind import Behind
from pipelines.formats.embedded import opened
from pipelines.formats.source import Continued, Gate, Refusal, Source, Unit

if TYPE_CHECKING:
    from mappings import Mapped, MapSettings

__all__ = ["SOURCE", "Hl7v2Maps"]

_PATIENT_LINES = re.compile(rb"(?:\A|(?<=[\r\n]))(?:MSH|EVN|PID|MRG)[^\r\n]*")


class Hl7v2Maps(Behind["mappings.EffectiveMap"]):
    """Opens documents inside messages, too."""

    def map(self, body: bytes, settings: MapSettings) -> Mapped:
        return opened(super().map(body, settings), settings)

    def map_many(self, bodies: Sequence[bytes], settings: MapSettings) -> list[Mapped]:
        found = self.effective.map_many([self.read(body) for body in bodies], settings)
        return [opened(mapped, settings) for mapped in found]

    def patients(self, body: bytes, settings: MapSettings) -> tuple[str, ...]:
        """From the header and patient segments alone."""
        return super().patients(b"\r".join(_PATIENT_LINES.findall(body)), settings)


def _load(overlays: Sequence[str]) -> Hl7v2Maps:
    return Hl7v2Maps(mappings.load(overlays), read)


def _load_content(content: bytes) -> Hl7v2Maps:
    return Hl7v2Maps(mappings.load_content(content), read)


def _units(data: bytes) -> Iterator[Unit]:
    for unit in units(data):
        yield Unit(unit.index, unit.body, unit.issues, unit.type)


def _identity(body: bytes) -> bytes:
    """MSH-10 byte for byte."""
    try:
        return peek(trim(body)).control_id
    except HeaderUnusable:
        return b""


def _refuses(gate: Gate, body: bytes) -> Refusal | None:
    fault = gate.refuses(peek(trim(body)))
    return None if fault is None else Refusal(f"MSH-{fault.field}" if fault.field else "", fault.text)


def _unreadable(body: bytes) -> Refusal | None:
    """As at an MLLP door (HL7 v2.9 section 2.9.2): MSH can be read and has its type and control id."""
    try:
        header = peek(trim(body))
    except HeaderUnusable as error:
        return Refusal("", str(error), "structure")
    empty = [number for number in (9, 10) if not header.field(number).strip()]
    return Refusal(f"MSH-{empty[0]}", "a required field is empty", "required") if empty else None


def _join(bodies: Sequence[bytes]) -> bytes:
    return b"\r".join(body for _, body in joined(bodies))


SOURCE = Source(
    noun="HL7 v2 message",
    load=_load,
    load_content=_load_content,
    units=_units,
    identity=_identity,
    refuses=_refuses,
    unreadable=_unreadable,
    media_types=("x-application/hl7-v2+er7", "application/hl7-v2+er7", "text/plain", "application/octet-stream"),
    continued=Continued(fragment, _join),
    causes=(
        (HeaderError, "header"),
        (HeaderUnusable, "header"),
        (LimitError, "limit"),
        (Hl7Error, "structure"),
    ),
)
