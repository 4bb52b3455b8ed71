"""`POST /ingest/{format}` (commands.md): a unit over HTTP, answered when the journal has committed it."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import replace
from hashlib import sha256
from threading import Lock

from adapters.hl7v2.mllp import Outcome, Verdict, peek
from gateway.serving.acknowledging import ER7, Acknowledging
from gateway.serving.outcomes import Outcomes
from gateway.web import Problem, Request, Response, Route, outcome, refused
from pipelines.channels import Channel, route
from pipelines.envelope import Envelope
from pipelines.errors import Unavailable
from pipelines.formats import FORMATS, Source, source
from pipelines.metrics import Registry
from pipelines.ports import Journal, Kept
from pipelines.settings import Settings

__all__ = ["Ingest"]

_INLINE = 64 << 10  # bytes: what is larger is looked at on a thread, so that the event loop goes on
_AT_ONCE = 2  # of them at a time: they compete with the event loop for the interpreter lock
# what tools send when nobody told them a type (curl: the last)
_UNSAID = ("", "application/octet-stream", "application/x-www-form-urlencoded")
_CHANNEL = "x-tabellion-channel"
_SEVERITIES = {"E": "error", "W": "warning", "I": "information"}


class Ingest:
    """The ingest surface of one service, writing to one journal."""

    def __init__(
        self,
        journal: Journal,
        settings: Settings,
        registry: Registry,
        stopped: Container[str] = (),
        outcomes: Outcomes | None = None,
    ) -> None:
        self._stopped = stopped
        self._outcomes = outcomes
        self._journal = journal
        self._settings = settings
        self._acknowledging = Acknowledging()
        self._heavy = asyncio.Semaphore(_AT_ONCE)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._reported: Counter[tuple[str, str]] = Counter()
        self._observing = Lock()
        self._kept = registry.counter("ingest_total", "Units that came over HTTP, by channel and what became of them.")

    def use(self, settings: Settings) -> None:
        """Other channels from now on."""
        self._settings = settings

    @property
    def routes(self) -> tuple[Route, ...]:
        """Rows of this surface."""
        return (Route("POST", "/ingest/{format}", self.handle),)

    async def handle(self, request: Request) -> Response:
        """One request."""
        format_ = request.parameters["format"]
        if format_ not in FORMATS:
            return refused(404, f"no such format; there are {', '.join(FORMATS)}")
        row = source(format_)
        if row.media_types and request.media_type not in (*_UNSAID, *row.media_types):
            accepted = (("Accept-Post", ", ".join(row.media_types)),)
            return refused(415, f"a {row.noun} is sent as {', '.join(row.media_types)}", accepted)
        if request.media_type in ER7 and format_ == "hl7v2":
            return await self._acknowledge(request)
        if not request.body:
            return outcome(400, [Problem("the body is empty", "required")])
        if len(request.body) <= _INLINE:
            found = self._look(row, format_, request)
        else:
            async with self._heavy:
                found = await asyncio.to_thread(self._look, row, format_, request)
        if isinstance(found, Response):
            return found
        if request.media_type in row.lines:
            return await self._keep_lines(found)
        return await self._keep(found[0])

    async def _acknowledge(self, request: Request) -> Response:
        """HL7 over HTTP: the sender reads an acknowledgement, not JSON."""
        header, body, fault = self._acknowledging.read(request.body)
        if fault is not None:
            return self._acknowledging.unreadable(header, fault)
        channel = self.channel("hl7v2", body, request)
        if isinstance(channel, Response):
            return channel
        fault = channel.refuses(header)
        if fault is not None:
            self._counts[channel.name, "refused"] += 1
            return self._acknowledging.refused(header, fault)
        facts = {"transport": "http", "content-type": request.headers["content-type"][:200]}
        result = await self.keep(envelope(channel, body, header.control_id, request.peer, facts))
        if isinstance(result, Kept) and not header.enhanced:
            became = await self._became(channel, result)
            if became is not None:
                return self._acknowledging.became(header, became)
        return self._acknowledging.kept(header, isinstance(result, Kept))

    def _look(self, row: Source, format_: str, request: Request) -> list[Envelope] | Response:
        """What is to be kept, or why not; pure but for the time. Of many units one that is refused refuses all."""
        units = [unit for unit in row.units(request.body) if not unit.envelope]
        if not units:
            unreadable = row.unreadable(request.body)
            text = unreadable.text if unreadable is not None else f"no {row.noun}"
            return outcome(400, [Problem(text, "structure")])
        if len(units) > 1 and request.media_type not in row.lines:
            return outcome(400, [Problem(f"more than one {row.noun}: one body carries one", "structure")])
        found = []
        for number, unit in enumerate(units):
            each = self._look_at(row, format_, unit.body, request)
            if isinstance(each, Response):
                return each if len(units) == 1 else _at_line(each, number)
            found.append(each)
        return found

    def _look_at(self, row: Source, format_: str, body: bytes, request: Request) -> Envelope | Response:
        unreadable = row.unreadable(body)
        if unreadable is not None:
            return outcome(400, [Problem(unreadable.text, unreadable.code, **_where(format_, unreadable.place))])
        channel = self.channel(format_, body, request)
        if isinstance(channel, Response):
            return channel
        fault = row.refuses(channel, body)
        if fault is not None:
            self._counts[channel.name, "refused"] += 1
            return outcome(422, [Problem(fault.text, fault.code, **_where(format_, fault.place))])
        facts = {"transport": "http"}
        if request.media_type:
            facts["content-type"] = request.headers["content-type"][:200]
        return envelope(channel, body, row.identity(body), request.peer, facts)

    def _named(self, format_: str, request: Request) -> Channel | Response | None:
        """The channel that the sender chose, None if it left that to us."""
        name = request.query.get("channel") or request.headers.get(_CHANNEL, "")
        if not name:
            return None
        channel = self._settings.channels.get(name)
        if channel is None or channel.format != format_:
            return refused(404, f"there is no channel of this name for {format_}")
        if not channel.admits(request.peer) or channel.certificates:  # over HTTP nobody shows one
            return refused(403, "the channel does not take requests of this address")
        return channel

    def channel(self, format_: str, body: bytes, request: Request) -> Channel | Response:
        """The channel of a request, or why there is none."""
        found = self._routed(format_, body, request)
        if isinstance(found, Channel) and found.name in self._stopped:
            return refused(503, "the channel is stopped: send it again later")
        return found

    def _routed(self, format_: str, body: bytes, request: Request) -> Channel | Response:
        named = self._named(format_, request)
        if named is not None:
            return named
        channels = self._settings.channels_of(format_)
        if not channels:
            return refused(404, f"no channel takes {format_}: there is none in the configuration")
        if format_ == "hl7v2":
            found = route(channels, peek(body), request.peer)
        else:
            found = next((channel for channel in channels if channel.admits(request.peer)), None)
        return found or refused(403, "no channel here takes what this sender sends")

    async def keep(self, envelope: Envelope) -> Kept | Unavailable:
        """Commit to the journal; what became of it."""
        append = self._journal.append
        large = len(envelope.body) > _INLINE  # it hashes the body
        future = await asyncio.to_thread(append, envelope) if large else append(envelope)
        try:
            result: Kept | Unavailable = await asyncio.wrap_future(future)
        except Unavailable as error:
            result = error
        self._counts[envelope.channel, result.status if isinstance(result, Kept) else "unavailable"] += 1
        return result

    async def _became(self, channel: Channel, kept: Kept) -> Verdict | None:
        """What became of a message, where its channel answers after map."""
        if channel.answer_after != "map" or self._outcomes is None:
            return None
        return await self._outcomes.outcome(kept.seq, channel.answer_within)

    async def _keep(self, envelope: Envelope) -> Response:
        result = await self.keep(envelope)
        if not isinstance(result, Kept):
            return refused(503, "nothing can be kept now: send it again later", (("Retry-After", "5"),))
        channel = self._settings.channels.get(envelope.channel)
        became = None if channel is None else await self._became(channel, result)
        if became is not None and became.outcome is not Outcome.KEPT:
            return _failed(became)
        large = len(envelope.body) > _INLINE
        digest = await asyncio.to_thread(_digest, envelope.body) if large else _digest(envelope.body)
        return Response.json(202, {"id": result.seq, "sha256": digest, "status": result.status})

    async def _keep_lines(self, envelopes: list[Envelope]) -> Response:
        """An answer per line, in order. If not all could be kept, none is said to be: sending all again is safe."""
        results = await asyncio.gather(*map(self.keep, envelopes))
        rows = []
        for one, result in zip(envelopes, results, strict=True):
            if not isinstance(result, Kept):
                return refused(503, "not all could be kept: send all of it again later", (("Retry-After", "5"),))
            rows.append(json.dumps({"id": result.seq, "sha256": _digest(one.body), "status": result.status}))
        return Response(202, ("\n".join(rows) + "\n").encode(), "application/x-ndjson")

    def observe(self) -> None:
        """Bring the metrics up to date; from any thread."""
        with self._observing:
            for (channel, status), count in list(self._counts.items()):
                self._kept.add(count - self._reported[channel, status], channel=channel, status=status)
                self._reported[channel, status] = count


def envelope(channel: Channel, body: bytes, identity: bytes, peer: str, facts: Mapping[str, str]) -> Envelope:
    """What the journal keeps of a unit that came now."""
    return Envelope(channel.name, channel.format, body, identity, time.time_ns() // 1000, peer, facts)


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()


def _failed(became: Verdict) -> Response:
    """Why a message is kept and yet not taken."""
    if became.outcome is Outcome.FAILED:
        return refused(503, "it is kept, but was not processed in time: send it again", (("Retry-After", "5"),))
    faults = (*(() if became.fault is None else (became.fault,)), *became.more)
    problems = [Problem(each.text, place=each.place, severity=_SEVERITIES[each.severity]) for each in faults]
    return outcome(500 if became.outcome is Outcome.DEAD else 422, problems)


def _at_line(response: Response, number: int) -> Response:
    """The same refusal with the unit it is about, counted from 0."""
    content = json.loads(response.body)
    for issue in content["issue"]:
        issue["diagnostics"] = f"unit {number}" + (f", {issue['diagnostics']}" if "diagnostics" in issue else "")
    return replace(response, body=json.dumps(content, ensure_ascii=False).encode())


def _where(format_: str, place: str) -> dict[str, str]:
    """FHIRPath stands in `expression`; a place of another format, or an offset, in `diagnostics`."""
    return {"expression" if format_ == "fhir" and " " not in place else "place": place}
