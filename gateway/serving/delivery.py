"""Delivery of messages of ours: the outbound queue's way to other systems, beside intake in its process.

It sits where the connections are. The files are read and written on a thread of its own, so that neither waits for the
other; what came of the attempts and what is new goes into the queue in one transaction per turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock

from adapters.hl7v2.mllp import NoAnswer, Origin, Sender, Tls, TlsUnusable, acknowledged, client_context
from gateway.addresses import parse_address
from pipelines.datafolder import DataFolder
from pipelines.errors import PipelineError
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.outbound import BACKOFF, OutboundQueue, Queued, Result
from pipelines.reads import StateReader
from pipelines.settings import Settings

__all__ = ["Delivery"]

_LOOK = 0.2  # seconds between looks into State
_AT_ONCE = 256  # messages under way
_ANSWER = 30.0  # seconds that a receiver has for its answer where the channel is gone
_COUNTED = 2.0  # seconds between counts for the metrics
_TIDIED = 600.0  # seconds between looks for what is over

Party = tuple[str, bytes]  # channel, sender


@dataclass(slots=True)
class _Address:
    """A receiver that we connect to: one message under way, in order."""

    host: str
    port: int
    tls: bool
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    sender: Sender | None = None
    down_until: float = 0.0
    failures: int = 0


class Delivery:
    """Runs until stopped; whatever is under way then is sent again by the next one."""

    def __init__(self, folder: DataFolder, settings: Settings, log: Log, registry: Registry) -> None:
        self._folder = folder
        self._settings = settings
        self._log = log
        self._thread = ThreadPoolExecutor(1, "outbound")
        self._queue: OutboundQueue | None = None
        self._state: StateReader | None = None
        self._loop: asyncio.Task[None] | None = None
        self._parties: dict[Party, Origin] = {}
        self._peers: dict[str, Origin] = {}
        self._back: set[Party] = set()
        self._repeat: set[bytes] = set()
        self._addresses: dict[str, _Address] = {}
        self._under_way: set[int] = set()
        self._results: list[Result] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._counts: list[tuple[str, str, int, int]] = []
        self._counted = self._tidied = float("-inf")
        self._ended: Counter[tuple[str, str]] = Counter()
        self._failed: Counter[str] = Counter()
        self._shown: Counter[tuple[str, ...]] = Counter()
        self._observing = Lock()
        counter, gauge = registry.counter, registry.gauge
        self._metric_ended = counter("outbound_ended_total", "Messages of ours that are answered, by channel and code.")
        self._metric_failed = counter("outbound_failed_attempts_total", "Attempts that nobody answered, by channel.")
        self._metric_waiting = gauge("outbound_waiting", "Messages of ours on their way, by channel and state.")
        self._metric_oldest = gauge("outbound_oldest_seconds", "Age of the oldest of them, by channel.")

    def use(self, settings: Settings) -> None:
        """Other channels from now on."""
        self._settings = settings

    # -- what intake tells -------------------------------------------------------------------------------------

    def heard(self, channel: str, sender: bytes, origin: Origin) -> None:
        """A sender that waits for application acknowledgements is on this connection now."""
        party = (channel, sender)
        if self._parties.get(party) is not origin:
            self._parties[party] = origin
            self._back.add(party)
        self._peers[origin.peer.address] = origin

    def repeated(self, control_id: bytes) -> None:
        """A message came again: its acknowledgement was lost, or will be asked for once more."""
        self._repeat.add(control_id)
        self._wake.set()

    # -- the loop ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        """Take over, send, record, until `stop`."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            results, self._results = self._results, []
            back, self._back = self._back, set()
            repeat, self._repeat = self._repeat, set()
            room = _AT_ONCE - len(self._under_way)
            try:
                turn = partial(self._turn, results, back, repeat, room, frozenset(self._under_way))
                due = await loop.run_in_executor(self._thread, turn)
            except PipelineError as error:
                self._log.error("outbound.unavailable", error=type(error).__name__, text=str(error))
                # nothing of it is recorded: the next turn tries again
                self._results, due = results + self._results, []
                self._back |= back
                self._repeat |= repeat
                await asyncio.sleep(1.0)
            for message in () if self._stopping else due:
                self._under_way.add(message.id)
                self._start(message)
            self._forget_closed()
            if len(due) < room or not due:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK)
            self._wake.clear()

    def _turn(
        self, results: list[Result], back: set[Party], repeat: set[bytes], room: int, busy: frozenset[int]
    ) -> list[Queued]:
        """On the thread: record, take over, choose."""
        queue = self._queue = self._queue or OutboundQueue(self._folder.outbound_path)
        now = time.time_ns() // 1000
        state = self._state = self._state or self._folder.state_reader()
        taken = state.outbound(queue.place())
        queue.advance(taken, results, now)
        if back:
            queue.unpark(back)
        if repeat:
            queue.again(repeat)
        self._tidy(queue, now)
        found = queue.due(now, room + len(busy)) if room else []
        return [message for message in found if message.id not in busy][:room]

    def _tidy(self, queue: OutboundQueue, now: int) -> None:
        moment = time.monotonic()
        if moment - self._counted >= _COUNTED:
            self._counted, self._counts = moment, queue.counts()
        if moment - self._tidied >= _TIDIED:
            self._tidied = moment
            for name, channel in self._settings.channels.items():
                given_up = queue.expire(name, now - int(channel.reply_days * 86_400e6), now)
                if given_up:
                    self._log.error("outbound.expired", channel=name, count=given_up)
            queue.forget(now - self._settings.journal().dedupe_window)

    def _forget_closed(self) -> None:
        for peer in [peer for peer, origin in self._peers.items() if not origin.open]:
            del self._peers[peer]
        for party in [party for party, origin in self._parties.items() if not origin.open]:
            del self._parties[party]

    # -- one message -------------------------------------------------------------------------------------------

    def _start(self, message: Queued) -> None:
        channel = self._settings.channels.get(message.channel)
        if channel is not None and channel.reply_to:
            self._spawn(message, channel.reply_to, channel.reply_tls)
            return
        origin = self._peers.get(message.peer) or self._parties.get((message.channel, message.sender))
        if origin is None or not origin.open:
            self._done(message, Result(message.id, parked=True))
            return
        wait = channel is None or channel.reply_accept == "AL"
        waiting = asyncio.get_running_loop().call_later(self._patience(message), self._answered, message, None)

        def answered(code: str | None) -> None:
            waiting.cancel()
            self._answered(message, code)

        origin.offer(message.body, message.control_id, wait, answered)

    def _answered(self, message: Queued, code: str | None) -> None:
        if message.id in self._under_way:  # else its time was over before
            self._done(message, Result(message.id, code or ""))

    def _done(self, message: Queued, result: Result) -> None:
        self._under_way.discard(message.id)
        self._results.append(result)
        self._wake.set()
        state = result.state()
        if state == "waiting":
            self._failed[message.channel] += 1
        elif state != "parked":
            self._ended[message.channel, result.code] += 1
        if state == "refused":
            self._log.error("outbound.refused", channel=message.channel, code=result.code)

    def _spawn(self, message: Queued, address: str, tls: bool) -> None:
        known = self._addresses.get(address)
        if known is None or known.tls is not tls:
            known = self._addresses[address] = _Address(*parse_address(address), tls)
        task = asyncio.get_running_loop().create_task(self._send(known, message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, address: _Address, message: Queued) -> None:
        async with address.lock:
            code = await self._attempt(address, message)
        self._answered(message, code)

    async def _attempt(self, address: _Address, message: Queued) -> str | None:
        """MSA-1, or None. A receiver that is down is not asked again for each message."""
        loop = asyncio.get_running_loop()
        if loop.time() < address.down_until:
            return None
        seconds = self._patience(message)
        try:
            if address.sender is None:
                address.sender = await Sender.connect(address.host, address.port, seconds, self._tls(address))
            answer = await address.sender.send(message.body, seconds)
            address.failures = 0
            return "CA" if answer is None else acknowledged(answer)[0]
        except (OSError, NoAnswer, TlsUnusable) as error:  # TimeoutError is an OSError
            if not address.failures:
                self._log.warning("outbound.unreachable", channel=message.channel, error=type(error).__name__)
            address.down_until = loop.time() + BACKOFF[min(address.failures, len(BACKOFF) - 1)] / 2
            address.failures += 1
            await self._close(address)
            return None

    def _patience(self, message: Queued) -> float:
        channel = self._settings.channels.get(message.channel)
        return _ANSWER if channel is None else channel.reply_seconds

    def _tls(self, address: _Address) -> Tls | None:
        return Tls(client_context(self._settings.mllp.tls_out())) if address.tls else None

    async def _close(self, address: _Address) -> None:
        sender, address.sender = address.sender, None
        if sender is not None:
            await sender.close()

    # -- metrics, end ------------------------------------------------------------------------------------------

    def observe(self) -> None:
        """Bring the metrics up to date; from any thread."""
        with self._observing:
            for (channel, code), count in list(self._ended.items()):
                self._metric_ended.add(count - self._shown[channel, code], channel=channel, code=code)
                self._shown[channel, code] = count
            for channel, count in list(self._failed.items()):
                self._metric_failed.add(count - self._shown[(channel,)], channel=channel)
                self._shown[(channel,)] = count
            counted = {(channel, state): (count, oldest) for channel, state, count, oldest in self._counts}
            for channel in self._settings.channels:
                ages = [time.time() - oldest / 1e6 for (name, _), (_, oldest) in counted.items() if name == channel]
                self._metric_oldest.set(max(ages, default=0.0), channel=channel)
                for state in ("waiting", "parked"):
                    self._metric_waiting.set(counted.get((channel, state), (0, 0))[0], channel=channel, state=state)

    async def stop(self) -> None:
        """Record what is known, and end."""
        self._stopping = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for address in self._addresses.values():
            await self._close(address)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close_queue, self._results)
        self._thread.shutdown()

    def _close_queue(self, results: Iterable[Result]) -> None:
        if self._queue is not None:
            self._queue.advance((), list(results), time.time_ns() // 1000)
            self._queue.close()
        if self._state is not None:
            self._state.close()
