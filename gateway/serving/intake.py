"""Intake: MLLP listeners that answer when the journal has committed, and nothing that could slow that down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from adapters.hl7v2.mllp import MllpServer, Peek, serve_mllp
from pipelines.channels import Channel, gate, route
from pipelines.envelope import Envelope
from pipelines.journal import SqliteJournal
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.ports import Kept
from pipelines.settings import Settings

__all__ = ["Intake", "dtm_now"]


def dtm_now() -> str:
    """MSH-7 of our answers: now, in UTC and with its offset."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S+0000")


class Intake:
    """The listeners of one service, writing to one journal."""

    def __init__(self, journal: SqliteJournal, settings: Settings, log: Log, registry: Registry) -> None:
        self._journal = journal
        self._settings = settings
        self._log = log
        self._servers: list[MllpServer] = []
        self._kept = registry.counter("intake_kept_total", "Messages committed to the journal, by channel and status.")
        self._answers = registry.gauge("mllp_answers", "Acknowledgements sent since start, by MSA-1.")
        self._connections = registry.gauge("mllp_connections", "Open MLLP connections.")

    async def listen(self, addresses: dict[str, tuple[str, int]]) -> list[str]:
        """Open a listener per entry of `addresses` (configured name → host, port); give the bound addresses."""
        for name, (host, port) in addresses.items():
            channels = self._settings.channels_on(name)
            limits = self._settings.mllp
            server = await serve_mllp(
                host,
                port,
                self._keep_for(channels),
                gate(channels),
                dtm_now,
                self._report,
                limits.max_message_bytes,
                limits.window_bytes,
            )
            self._servers.append(server)
        return [server.address for server in self._servers]

    def _keep_for(self, channels: tuple[Channel, ...]) -> Callable[..., None]:
        submit = self._journal.submit
        kept = self._kept

        def keep(body: bytes, header: Peek, peer: str, done: Callable[[Exception | None], None]) -> None:
            channel = route(channels, header, peer)
            assert channel is not None  # the gate let it through
            name = channel.name

            def answered(result: Kept | Exception) -> None:
                if isinstance(result, Kept):
                    kept.add(channel=name, status=result.status)
                    done(None)
                else:
                    kept.add(channel=name, status="unavailable")
                    done(result)

            now = time.time_ns() // 1000
            submit(Envelope(name, "hl7v2", body, header.control_id, now, peer), answered)

        return keep

    def _report(self, kind: str, peer: str, text: str) -> None:
        self._log.warning(f"mllp.{kind}", peer=peer, text=text)

    def observe(self) -> None:
        """Bring the gauges up to date."""
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
