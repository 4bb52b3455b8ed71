"""STOW-RS: `POST /dicom-web/studies[/{study}]` (PS3.18 section 10.5): instances over HTTP, answered when the journal
has committed them.

The answer is application/dicom+json: what was stored in Referenced SOP Sequence, what was not in Failed SOP Sequence.
200 all stored, 202 some, 409 none; 400 and 415 if the request itself can't be read.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from adapters.dicom import DicomError, payload, read, tag_of
from adapters.dicom.multipart import boundary_of, parts
from adapters.dicom.network import Status
from gateway.serving.ingest import Ingest, envelope
from gateway.web import Problem, Request, Response, Route, outcome, refused
from pipelines.channels import Channel
from pipelines.envelope import Envelope
from pipelines.ports import Kept

__all__ = ["Stow"]

_JSON = "application/dicom+json"
_DICOM = "application/dicom"
_SOP_CLASS, _SOP_INSTANCE, _STUDY = tag_of("SOPClassUID"), tag_of("SOPInstanceUID"), tag_of("StudyInstanceUID")
_CONCURRENT = 16  # instances of one request on their way to the journal


@dataclass(frozen=True, slots=True)
class _Instance:
    """One part: what it is, and what is to be kept of it, or why not."""

    sop_class: str
    sop_instance: str
    envelope: Envelope | None
    reason: int = 0


class Stow:
    """The surface of STOW-RS."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._heavy = asyncio.Semaphore(2)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Rows of this surface."""
        return (
            Route("POST", "/dicom-web/studies", self.handle),
            Route("POST", "/dicom-web/studies/{study}", self.handle),
        )

    async def handle(self, request: Request) -> Response:
        """One request."""
        if request.media_type not in (_DICOM, "multipart/related"):
            return refused(415, 'instances are sent as multipart/related; type="application/dicom"')
        channel = self._ingest.channel("dicom", b"", request)
        if isinstance(channel, Response):
            return channel
        try:
            async with self._heavy:
                instances = await asyncio.to_thread(_instances, request, channel)
        except DicomError as error:
            return outcome(400, [Problem(str(error), "structure")])
        if not instances:
            return outcome(400, [Problem("there is no instance in the body", "required")])
        gate = asyncio.Semaphore(_CONCURRENT)
        stored = await asyncio.gather(*[self._keep(each, gate) for each in instances])
        return _answer(stored)

    async def _keep(self, instance: _Instance, gate: asyncio.Semaphore) -> _Instance:
        if instance.envelope is None:
            return instance
        async with gate:
            kept = await self._ingest.keep(instance.envelope)
        reason = 0 if isinstance(kept, Kept) else int(Status.OUT_OF_RESOURCES)
        return _Instance(instance.sop_class, instance.sop_instance, None, reason)


def _instances(request: Request, channel: Channel) -> list[_Instance]:
    """Every part of the request. Raises DicomError if the body as a whole can't be read."""
    if request.media_type == _DICOM:
        return [_instance(request.body, request, channel)]
    boundary = boundary_of(request.headers.get("content-type", ""))
    found = []
    for part in parts(request.body, boundary or b"\0"):
        if part.media_type not in (_DICOM, ""):
            found.append(_Instance("", "", None, int(Status.CANNOT_UNDERSTAND)))
        else:
            found.append(_instance(bytes(part.body), request, channel))
    return found


def _instance(data: bytes, request: Request, channel: Channel) -> _Instance:
    try:
        start, syntax = payload(data)
        dataset = read(data).dataset
    except DicomError:
        return _Instance("", "", None, int(Status.CANNOT_UNDERSTAND))
    sop_class, sop_instance = dataset.text(_SOP_CLASS), dataset.text(_SOP_INSTANCE)
    wanted = request.parameters.get("study", "")
    if wanted and dataset.text(_STUDY) != wanted:
        return _Instance(sop_class, sop_instance, None, int(Status.NO_MATCH))
    facts = {"transport": "stow-rs", "transfer_syntax": syntax, "sop_class": sop_class}
    return _Instance(
        sop_class, sop_instance, envelope(channel, data[start:], sop_instance.encode(), request.peer, facts)
    )


def _answer(instances: list[_Instance]) -> Response:
    stored = [each for each in instances if not each.reason]
    failed = [each for each in instances if each.reason]
    body: dict[str, object] = {}
    if stored:
        body["00081199"] = {"vr": "SQ", "Value": [_reference(each) for each in stored]}
    if failed:
        body["00081198"] = {
            "vr": "SQ",
            "Value": [_reference(each) | {"00081197": {"vr": "US", "Value": [each.reason]}} for each in failed],
        }
    status = 200 if not failed else 202 if stored else 409
    if not stored and all(each.reason == Status.OUT_OF_RESOURCES for each in failed):
        return Response(503, json.dumps(body).encode(), _JSON, (("Retry-After", "5"),))
    return Response(status, json.dumps(body).encode(), _JSON)


def _reference(instance: _Instance) -> dict[str, object]:
    found: dict[str, object] = {}
    for tag, value in (("00081150", instance.sop_class), ("00081155", instance.sop_instance)):
        found[tag] = {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}
    return found
