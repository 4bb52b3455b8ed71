"""Intake: MLLP listeners that answer when the journal has committed, and nothing that could slow that down."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256

from adapters.hl7v2.mllp import (
    KEPT,
    UNAVAILABLE,
    WAITING,
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
from gateway.serving.ages import Ages
from gateway.serving.delivery import Delivery
from gateway.serving.doors import Door
from gateway.serving.intakemetrics import IntakeMetrics
from gateway.serving.outcomes import Outcomes
from gateway.serving.sequences import Sequences
from gateway.serving.states import Stopped
from pipelines.acknowledging import control_id, sender_of
from pipelines.channels import Channel
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


def _after_map(settings: Settings) -> dict[str, float]:
    """Channels that answer after map, and within how many seconds."""
    channels = settings.channels.values()
    return {channel.name: channel.answer_within for channel in channels if channel.answer_after == "map"}


def dtm_now() -> str:
    """MSH-7 of our answers: now, in UTC and with its offset."""
    return _dtm(int(time.time()))


@lru_cache(maxsize=1)
def _dtm(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S+0000")


class Intake:
    """The listeners of one service, writing to one journal. Used on the event loop, but for `observe`."""

    def __init__(
        self,
        journal: SqliteJournal,
        settings: Settings,
        log: Log,
        registry: Registry,
        delivery: Delivery | None = None,
        sequences: Sequences | None = None,
        stopped: Stopped | None = None,
        outcomes: Outcomes | None = None,
    ) -> None:
        self._journal = journal
        self._delivery = delivery
        self._sequences = sequences
        self._stopped = stopped
        self._outcomes = outcomes
        self._after_map = _after_map(settings)
        self._numbered = _numbered(settings)
        self._settings = settings
        self._log = log
        self._servers: dict[str, MllpServer] = {}
        self._doors: dict[str, Door] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._draining: set[asyncio.Task[None]] = set()
        self._budget = Budget(settings.mllp.memory_bytes)
        self._counts: Counter[tuple[str, str]] = Counter()  # (channel, status), by the loop's thread alone
        self._said: dict[tuple[str, str], float] = {}
        self.ages = Ages()
        self._metrics = IntakeMetrics(registry)

    # -- listeners and channels --------------------------------------------------------------------------------

    async def listen(self, addresses: dict[str, tuple[str, int]]) -> list[str]:
        """Open a listener per entry of `addresses` (configured name → host, port); give the bound addresses.

        Raises TlsUnusable and OSError.
        """
        self._places = dict(addresses)
        await self._open(self._contexts(self._settings, addresses))
        return [self._address(name) for name in addresses]

    def _address(self, name: str) -> str:
        host, port = self._places[name]
        return self._servers[name].address if name in self._servers else f"{host}:{port}"

    @staticmethod
    def _contexts(settings: Settings, names: Iterable[str]) -> dict[str, ssl.SSLContext | None]:
        files = {name: settings.tls_on(name) for name in names}
        return {name: None if found is None else server_context(found) for name, found in files.items()}

    async def _open(self, contexts: dict[str, ssl.SSLContext | None]) -> None:
        """Open what should be open and isn't, close what shouldn't: a listener whose channels are all stopped."""
        for name, context in contexts.items():
            channels = self._settings.channels_on(name)
            idle = name != "" and all(channel.name in self._stop_list for channel in channels)
            if name in self._doors:
                self._doors[name].change(channels)
            if name not in self._servers and not idle:
                door = self._doors[name] = Door(channels, self._stop_list)
                self._servers[name] = await serve_mllp(
                    *self._places[name],
                    self._take,
                    door.check,
                    dtm_now,
                    self._report,
                    self._settings.mllp.limits(),
                    self._budget,
                    context,
                    self._settings.release_on(name),
                )
                self._places[name] = (self._places[name][0], int(self._servers[name].address.rpartition(":")[2]))
            elif name in self._servers and idle:
                self._close(name)
        for name in [name for name in self._servers if name not in contexts]:
            self._close(name)

    def _close(self, name: str) -> None:
        """Stop listening at once; answer what is under way beside the rest."""
        server = self._servers.pop(name)
        del self._doors[name]
        task = asyncio.get_running_loop().create_task(server.drain(self._settings.service.drain_seconds))
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)

    @property
    def _stop_list(self) -> Container[str]:
        return self._stopped if self._stopped is not None else ()

    async def change(self, settings: Settings, addresses: dict[str, tuple[str, int]]) -> None:
        """Other channels, limits and certificates, for what comes from now on; connections that are open stay.

        Raises TlsUnusable (nothing has changed) and OSError (a new listener's address is taken; the rest has).
        """
        contexts = self._contexts(settings, addresses)
        released = {name: self._settings.release_on(name) for name in self._servers}
        self._settings = settings
        self._numbered = _numbered(settings)
        self._after_map = _after_map(settings)
        self._places = {name: self._places.get(name, place) for name, place in addresses.items()}
        for name, server in list(self._servers.items()):
            if name in contexts and settings.release_on(name) != released[name]:
                self._close(name)
            elif name in contexts:
                server.limit(settings.mllp.limits())
                await server.take_over(contexts[name])
        await self._open(contexts)

    async def switch(self, name: str, on: bool) -> None:
        """Start or stop a channel, durably. Raises KeyError (no such channel of ours), OSError, TlsUnusable."""
        channel = self._settings.channels[name]
        if self._stopped is None:
            raise KeyError(name)
        if on:
            self._stopped.start(name)
        else:
            self._stopped.stop(name)
        if channel.format == "hl7v2":
            await self._open(self._contexts(self._settings, self._places))

    def channels(self, cursor: int) -> list[dict[str, object]]:
        """What `tabellion channels list` shows, a row per channel. `cursor`: the last entry settled."""
        ages = self.ages.oldest(cursor, time.monotonic())
        return [self._row(channel, ages.get(channel.name, 0.0)) for channel in self._settings.channels.values()]

    def _row(self, channel: Channel, age: float) -> dict[str, object]:
        server = self._servers.get(channel.listener) if channel.format == "hl7v2" else None
        answers = None if server is None else server.tally.channels.get(channel.name)
        received = {status: count for (name, status), count in self._counts.items() if name == channel.name}
        return {
            "name": channel.name,
            "format": channel.format,
            "state": "stopped" if channel.name in self._stop_list else "running",
            "listener": None if server is None else server.address,
            "received": received,
            "answers": {} if answers is None else dict(answers.codes),
            "oldest_seconds": round(age, 3),
        }

    # -- messages ----------------------------------------------------------------------------------------------

    def _take(self, body: bytes, header: Peek, route: Route, origin: Origin, done: Callable[[Verdict], None]) -> None:
        """What listeners call: a link that uses sequence numbers is asked first."""
        if not self._numbered:
            self._keep(body, header, route, origin, done)
            return
        mode = self._numbered.get(route.channel)
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
        now = time.time_ns() // 1000
        # whoever asks for an application acknowledgement (MSH-16) gets it when the message is settled
        asked = header.fields[16] if len(header.fields) > 16 else b""
        waits = bool(asked) and self._delivery is not None and asked.strip().upper() not in (b"", b"NE")

        # in enhanced mode it is that acknowledgement which says what became of it, and the first one is given at once
        seconds = self._after_map.get(name) if self._after_map and not header.enhanced else None

        def answered(result: Kept | Unavailable) -> None:
            if isinstance(result, Kept):
                self._counts[name, result.status] += 1
                if result.status != "repeated":
                    self.ages.note(name, result.seq, time.monotonic())
                if waits and result.status == "repeated":
                    self._again(name, header, body)
                if seconds is None or self._outcomes is None:
                    done(KEPT)
                else:
                    done(WAITING)
                    self._outcomes.hear(result.seq, seconds, done)
            else:
                self._counts[name, "unavailable"] += 1
                done(Verdict(Outcome.FAILED, UNAVAILABLE, error=type(result.__cause__ or result).__name__))

        peer = origin.peer
        facts = {"certificate": peer.names[0]} if peer.names else NO_FACTS
        if waits:
            facts = {**facts, REPLY: "mllp"}
            self._heard(name, header, origin)
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

    def observe(self, cursor: int) -> None:
        """Bring the metrics up to date; from any thread. `cursor`: the last entry settled."""
        if self._delivery is not None:
            self._delivery.observe()
        oldest = self.ages.oldest(cursor, time.monotonic())
        self._metrics.observe(self._counts, list(self._servers.values()), self._budget, oldest)

    async def drain(self, seconds: float) -> None:
        """Stop listening; answer what is under way."""
        await asyncio.gather(*(server.drain(seconds) for server in self._servers.values()), *self._draining)
