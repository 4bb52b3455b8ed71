"""Intake: MLLP listeners that answer when the journal has committed, and nothing that could slow that down."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock

from adapters.hl7v2.mllp import Fault, MllpServer, Peek, serve_mllp
from pipelines.channels import Channel, gate, route
from pipelines.envelope import Envelope
from pipelines.journal import SqliteJournal
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.ports import Kept
from pipelines.settings import Settings

__all__ = ["Intake", "dtm_now"]

_VARYING = (7, 10, 13, 14)
_HEADERS_MAX, _HEADER_MAX = 1024, 1024  # headers remembered, bytes of one


def dtm_now() -> str:
    """MSH-7 of our answers: now, in UTC and with its offset."""
    return _dtm(int(time.time()))


@lru_cache(maxsize=1)
def _dtm(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S+0000")


class _Door:
    """Which channel a message goes to, or why none takes it: asked once per message, remembered per kind of header.

    A sender's headers differ in time, control id, sequence number and continuation pointer only. What is remembered was
    asked without these, so that a rule that looked at them could not be remembered wrongly: it would see them empty.
    """

    def __init__(self, channels: tuple[Channel, ...]) -> None:
        self._channels = channels
        self._gate = gate(channels)
        self._known: dict[object, tuple[Fault | None, str]] = {}
        self._last: tuple[Peek | None, str] = (None, "")

    def check(self, header: Peek, peer: str) -> Fault | None:
        """The listener's gate."""
        fields = header.fields
        usual = (peer.rpartition(":")[0], header.separator, fields[2:7], fields[8:10], fields[11:13], fields[15:])
        found = self._known.get(usual)
        if found is None:
            found = self._ask(replace(header, fields=_without(fields)), peer)
            if sum(map(len, fields)) <= _HEADER_MAX:
                if len(self._known) >= _HEADERS_MAX:
                    self._known.clear()
                self._known[usual] = found
        self._last = (header, found[1])
        return found[0]

    def _ask(self, header: Peek, peer: str) -> tuple[Fault | None, str]:
        channel = route(self._channels, header, peer)
        return self._gate(header, peer), "" if channel is None else channel.name

    def channel(self, header: Peek, peer: str) -> str:
        """The name of the channel of a message that the gate let through."""
        if self._last[0] is not header:
            self.check(header, peer)
        return self._last[1]


def _without(fields: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """MSH without the fields that differ from message to message."""
    return tuple(b"" if number in _VARYING else field for number, field in enumerate(fields))


class Intake:
    """The listeners of one service, writing to one journal."""

    def __init__(self, journal: SqliteJournal, settings: Settings, log: Log, registry: Registry) -> None:
        self._journal = journal
        self._settings = settings
        self._log = log
        self._servers: list[MllpServer] = []
        self._counts: Counter[tuple[str, str]] = Counter()  # (channel, status), by the loop's thread alone
        self._reported: Counter[tuple[str, str]] = Counter()
        self._observing = Lock()
        self._kept = registry.counter("intake_kept_total", "Messages committed to the journal, by channel and status.")
        self._answers = registry.gauge("mllp_answers", "Acknowledgements sent since start, by MSA-1.")
        self._connections = registry.gauge("mllp_connections", "Open MLLP connections.")

    async def listen(self, addresses: dict[str, tuple[str, int]]) -> list[str]:
        """Open a listener per entry of `addresses` (configured name → host, port); give the bound addresses."""
        for name, (host, port) in addresses.items():
            door = _Door(self._settings.channels_on(name))
            limits = self._settings.mllp
            server = await serve_mllp(
                host,
                port,
                self._keep_for(door),
                door.check,
                dtm_now,
                self._report,
                limits.max_message_bytes,
                limits.window_bytes,
            )
            self._servers.append(server)
        return [server.address for server in self._servers]

    def _keep_for(self, door: _Door) -> Callable[..., None]:
        submit = self._journal.submit
        counts = self._counts

        def keep(body: bytes, header: Peek, peer: str, done: Callable[[Exception | None], None]) -> None:
            name = door.channel(header, peer)

            def answered(result: Kept | Exception) -> None:
                if isinstance(result, Kept):
                    counts[name, result.status] += 1
                    done(None)
                else:
                    counts[name, "unavailable"] += 1
                    done(result)

            now = time.time_ns() // 1000
            submit(Envelope(name, "hl7v2", body, header.control_id, now, peer), answered)

        return keep

    def _report(self, kind: str, peer: str, text: str) -> None:
        self._log.warning(f"mllp.{kind}", peer=peer, text=text)

    def observe(self) -> None:
        """Bring the metrics up to date; from any thread. The loop only counts: labels and locks cost more than that."""
        with self._observing:
            for (channel, status), count in list(self._counts.items()):
                self._kept.add(count - self._reported[channel, status], channel=channel, status=status)
                self._reported[channel, status] = count
        totals: dict[str, int] = {}
        for server in self._servers:
            for code, count in server.counts.items():
                totals[code] = totals.get(code, 0) + count
        for code, count in totals.items():
            self._answers.set(count, code=code)
        self._connections.set(sum(server.connections for server in self._servers))

    async def drain(self, seconds: float) -> None:
        """Stop listening; answer what is under way."""
        for server in self._servers:
            await server.drain(seconds)
