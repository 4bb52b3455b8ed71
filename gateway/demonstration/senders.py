"""The ways into the service, as other systems use them: MLLP, HTTP, a watched folder, C-STORE, STOW-RS."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any

from adapters.hl7v2 import units
from adapters.hl7v2.mllp import Outgoing, send_all
from gateway.demonstration.child import ServiceChild
from gateway.demonstration.samples import Sample

__all__ = ["WAYS", "Said", "Way"]

_SECONDS = 20.0  # for one answer
_BOUNDARY = "made-up-sample"


@dataclass(frozen=True, slots=True)
class Said:
    """What the service answered to one unit of a sample."""

    name: str
    index: int
    answer: str


@dataclass(frozen=True, slots=True)
class Way:
    """One way in. `send` gives an answer for each unit that a sample holds."""

    text: str
    send: Callable[[ServiceChild, Path, list[Sample]], list[Said]]


def _mllp(service: ServiceChild, _: Path, samples: list[Sample]) -> list[Said]:
    return asyncio.run(_over_mllp(service, [*samples, *samples[:1]]))


async def _over_mllp(service: ServiceChild, samples: list[Sample]) -> list[Said]:
    sent = send_all(service.host, service.port, _messages(samples), connections=1, timeout=_SECONDS)
    return [Said(each.source, each.index, each.code or str(each.error)) async for each in sent]


def _messages(samples: list[Sample]) -> Iterator[Outgoing]:
    for sample in samples:
        for unit in units(sample.data):
            if unit.kind == "message" and unit.index is not None:
                yield Outgoing(sample.name, unit.index, unit.body)


def _http(service: ServiceChild, _: Path, samples: list[Sample]) -> list[Said]:
    path = "/ingest/cda?channel=documents"
    return [Said(each.name, 0, _posted(service, path, "application/xml", each.data)) for each in samples]


def _stow(service: ServiceChild, _: Path, samples: list[Sample]) -> list[Said]:
    """All in one request: 200 says that every instance is stored (PS3.18 table 10.5.3-1)."""
    head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + each.data + b"\r\n" for each in samples) + f"--{_BOUNDARY}--\r\n".encode()
    media_type = f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}'
    answer = _posted(service, "/dicom-web/studies", media_type, body)
    return [Said(each.name, 0, answer) for each in samples]


def _posted(service: ServiceChild, path: str, media_type: str, body: bytes) -> str:
    connection = HTTPConnection(service.http, timeout=_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": media_type})
        answer = connection.getresponse()
        answer.read()
        return str(answer.status)
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


def _folder(_: ServiceChild, inbox: Path, samples: list[Sample]) -> list[Said]:
    """Written aside and renamed; the answer is where the service moves the file."""
    for sample in samples:
        aside = inbox / f"{Path(sample.name).name}.part"
        aside.write_bytes(sample.data)
        os.rename(aside, aside.with_suffix(""))
    until = time.monotonic() + _SECONDS
    while any((inbox / Path(each.name).name).exists() for each in samples) and time.monotonic() < until:
        time.sleep(0.05)
    return [Said(each.name, 0, _where(inbox, Path(each.name).name)) for each in samples]


def _where(inbox: Path, name: str) -> str:
    return next((place for place in ("done", "failed") if (inbox / place / name).exists()), "not taken")


def _c_store(service: ServiceChild, _: Path, samples: list[Sample]) -> list[Said]:
    """One association of a modality, by pynetdicom."""
    from pydicom import dcmread
    from pynetdicom import AE, build_context

    instances = [(sample.name, dcmread(BytesIO(sample.data))) for sample in samples]
    wanted = dict.fromkeys((each.SOPClassUID, each.file_meta.TransferSyntaxUID) for _, each in instances)
    modality = AE(ae_title="DEMOCT")
    modality.dimse_timeout = modality.acse_timeout = modality.network_timeout = _SECONDS
    modality.requested_contexts = [build_context(abstract, syntax) for abstract, syntax in wanted]
    host, port = service.dicom.rsplit(":", 1)
    association: Any = modality.associate(host, int(port), ae_title="TABELLION")
    if not association.is_established:
        return [Said(sample.name, 0, "no association") for sample in samples]
    try:
        statuses = [(name, association.send_c_store(instance)) for name, instance in instances]
    finally:
        association.release()
    # an empty status: the answer did not come
    return [Said(name, 0, f"0x{status.Status:04X}" if status else "no answer") for name, status in statuses]


WAYS = {
    "mllp": Way("HL7 v2 messages over MLLP, one of them twice (AR: a type that the channel refuses)", _mllp),
    "http": Way("CDA documents over HTTP (POST /ingest/cda)", _http),
    "folder": Way("a CDA document through a watched folder", _folder),
    "c-store": Way("DICOM instances over C-STORE", _c_store),
    "stow-rs": Way("a DICOM report and letter over STOW-RS (POST /dicom-web/studies)", _stow),
}
