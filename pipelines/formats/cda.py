"""CDA as a source: one ClinicalDocument is one unit, known by its id, mapped by `mappings/cda`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import mappings.cda
from adapters.cda import CdaError, LimitError, read
from pipelines.formats.behind import Behind
from pipelines.formats.source import Refusal, Source, Unit

if TYPE_CHECKING:
    from mappings.cda import CdaMap

__all__ = ["SOURCE"]


def _load(overlays: Sequence[str]) -> Behind[CdaMap]:
    return Behind(mappings.cda.load(overlays), read)


def _load_content(content: bytes) -> Behind[CdaMap]:
    return Behind(mappings.cda.load_content(content), read)


def _units(data: bytes) -> Iterator[Unit]:
    """The document in a file; whether it is one is said when it is mapped."""
    if data.strip():
        yield Unit(0, data)


def _identity(body: bytes) -> bytes:
    """ClinicalDocument.id."""
    try:
        return mappings.cda.document_id(read(body).root).encode("utf-8", "replace")
    except CdaError:
        return b""


def _unreadable(body: bytes) -> Refusal | None:
    try:
        read(body)
    except CdaError as error:
        return Refusal("", str(error), "too-long" if isinstance(error, LimitError) else "structure")
    return None


SOURCE = Source(
    noun="CDA document",
    load=_load,
    load_content=_load_content,
    units=_units,
    identity=_identity,
    unreadable=_unreadable,
    media_types=("application/xml", "text/xml", "application/cda+xml", "application/octet-stream"),
    causes=((LimitError, "limit"), (CdaError, "structure")),
)
