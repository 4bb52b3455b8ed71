"""Intake: MLLP listeners that answer when the journal has committed, and nothing that could slow that down."""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from threading import Lock

from adapters.hl7v2.mllp import (
    KEPT,
    UNAVAILABLE,
    Budget,
    Fault,
    MllpServer,
    Origin,
    Outcome,
    Peek,
    Route,
    Verdict,
    serve_mllp,
    server_context,
)
from gateway.serving.delivery import Delivery
from gateway.serving.doors import Door
from gateway.serving.sequences import Sequences
from pipelines.acknowledging import control_id, sender_of
from pipelines.envelope import NO_FACTS, REPLY, Envelope
from pipelines.errors import Unavailable
from pipelines.journal import SqliteJournal
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.ports import Kept
from pipelines.settings import Settings

__all__ = ["Intake", "dtm_now"]

_REPORTS = 5.0  # seconds between log lines of one kind about one peer; between them they are only counted
_REPORTS_MAX = 1024


_NO_NUMBER = Fault("101", "Required field missing", 13, "MSH-13 (sequence number) is empty")


def _numbered(settings: Settings) -> dict[str, str]:
    """Channels that look at MSH-13, and how."""
    modes = {name: channel.sequence_numbers for name, channel in settings.channels.items()}
    return {name: mode for name, mode in modes.items() if mode != "ignore"}


def dtm_now() -> str:
    """MSH-7 of our answers: now, in UTC and with its offset."""
    return _dtm(int(time.time()))


@lru_cache(maxsize=1)
def _dtm(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S+0000")


class Intake:
    """The listeners of one service, writing to one journal."""

    def __init__(
        self,
        journal: SqliteJournal,
        settings: Settings,
        log: Log,
        registry: Registry,
        delivery: Delivery | None = None,
        sequences: Sequences | None = None,
    ) -> None:
        self._journal = journal
        self._delivery = delivery
        self._sequences = sequences
        self._numbered = _numbered(settings) if sequences is not None else {}
        self._settings = settings
        self._log = log
        self._servers: dict[str, MllpServer] = {}
        self._budget = Budget(settings.mllp.memory_bytes)
        self._counts: Counter[tuple[str, str]] = Counter()  # (channel, status), by the loop's thread alone
        self._reported: Counter[tuple[str, str]] = Counter()
        self._said: dict[tuple[str, str], float] = {}
        self._observing = Lock()
        self._kept = registry.counter("intake_kept_total", "Messages committed to the journal, by channel and status.")
        self._answers = registry.gauge("mllp_answers", "Acknowledgements sent since start, by MSA-1.")
        self._events = registry.gauge("mllp_events", "What else happened on connections since start, by kind.")
        self._connections = registry.gauge("mllp_connections", "Open MLLP connections.")
        self._memory = registry.gauge("mllp_memory_bytes", "Bytes that connections hold: unfinished, and on their way.")

    async def listen(self, addresses: dict[str, tuple[str, int]]) -> list[str]:
        """Open a listener per entry of `addresses` (configured name → host, port); give the bound addresses.

        Raises TlsUnusable and OSError.
        """
        mllp = self._settings.mllp
        contexts = {name: self._context(name) for name in addresses}
        for name, (host, port) in addresses.items():
            door = Door(self._settings.channels_on(name))
            self._servers[name] = await serve_mllp(
                host,
                port,
                self._take,
                door.check,
                dtm_now,
                self._report,
                mllp.limits(),
                self._budget,
                contexts[name],
                self._settings.release_on(name),
            )
        return [server.address for server in self._servers.values()]

    def _context(self, name: str) -> ssl.SSLContext | None:
        files = self._settings.tls_on(name)
        return None if files is None else server_context(files)

    async def renew(self) -> None:
        """Read certificates, keys, CAs and CRLs anew, for connections from now on. Raises TlsUnusable: all stay."""
        contexts = {name: self._context(name) for name in self._servers}
        for name, context in contexts.items():
            if context is not None:
                await self._servers[name].take_over(context)

    def _take(self, body: bytes, header: Peek, route: Route, origin: Origin, done: Callable[[Verdict], None]) -> None:
        """What listeners call: a link that uses sequence numbers is asked first."""
        mode = self._numbered.get(route.channel) if self._numbered else None
        number = header.field(13).strip() if mode is not None else b""
        if mode is None or self._sequences is None or (mode == "check" and not number):
            self._keep(body, header, route, origin, done)
            return
        if not number:
            done(Verdict(Outcome.UNREADABLE, _NO_NUMBER))
            return
        key = (route.channel, b"\x1f".join(header.field(field) for field in (3, 4, 5, 6)))
        mark = header.control_id + sha256(body).digest()
        self._sequences.take(key, number, mark, lambda kept: self._keep(body, header, route, origin, kept), done)

    def _keep(self, body: bytes, header: Peek, route: Route, origin: Origin, done: Callable[[Verdict], None]) -> None:
        name = route.channel
        # whoever asks for an application acknowledgement (MSH-16) gets it when the message is settled
        waits = self._delivery is not None and header.field(16).strip().upper() not in (b"", b"NE")

        def answered(result: Kept | Unavailable) -> None:
            if isinstance(result, Kept):
                self._counts[name, result.status] += 1
                if waits and result.status == "repeated":
                    self._again(name, header, body)
                done(KEPT)
            else:
                self._counts[name, "unavailable"] += 1
                done(Verdict(Outcome.FAILED, UNAVAILABLE, error=type(result.__cause__ or result).__name__))

        peer = origin.peer
        facts = {"certificate": peer.names[0]} if peer.names else NO_FACTS
        if waits:
            facts = {**facts, REPLY: "mllp"}
            self._heard(name, header, origin)
        now = time.time_ns() // 1000
        self._journal.submit(Envelope(name, "hl7v2", body, header.control_id, now, peer.address, facts), answered)

    def _heard(self, channel: str, header: Peek, origin: Origin) -> None:
        if self._delivery is not None:
            self._delivery.heard(channel, sender_of(header.field(3), header.field(4)), origin)

    def _again(self, channel: str, header: Peek, body: bytes) -> None:
        if self._delivery is not None:
            self._delivery.repeated(control_id(channel, header.control_id, sha256(body).digest()))

    def _report(self, kind: str, peer: str, text: str) -> None:
        """A log line, but no flood of them: whoever sends rubbish must not fill the disk with lines about it."""
        key = (kind, peer.rpartition(":")[0])
        now = time.monotonic()
        if now - self._said.get(key, float("-inf")) < _REPORTS:
            return
        if len(self._said) >= _REPORTS_MAX:
            self._said.clear()
        self._said[key] = now
        self._log.warning(f"mllp.{kind}", peer=peer, text=text)

    def observe(self) -> None:
        """Bring the metrics up to date; from any thread. The loop only counts: labels and locks cost more than that."""
        with self._observing:
            for (channel, status), count in list(self._counts.items()):
                self._kept.add(count - self._reported[channel, status], channel=channel, status=status)
                self._reported[channel, status] = count
        if self._delivery is not None:
            self._delivery.observe()
        codes: Counter[str] = Counter()
        events: Counter[str] = Counter()
        for server in self._servers.values():
            codes.update(server.tally.codes)
            events.update(server.tally.events)
        for code, count in codes.items():
            self._answers.set(count, code=code)
        for kind, count in events.items():
            self._events.set(count, kind=kind)
        self._connections.set(sum(server.connections for server in self._servers.values()))
        self._memory.set(self._budget.unfinished, state="unfinished")
        self._memory.set(self._budget.under_way, state="under-way")

    async def drain(self, seconds: float) -> None:
        """Stop listening; answer what is under way."""
        for server in self._servers.values():
            await server.drain(seconds)
