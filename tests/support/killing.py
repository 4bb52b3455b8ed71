"""A service under load that is killed, round after round: at a named step, or at a random moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

from tests.support.load import HospitalSender
from tests.support.service import Service

__all__ = ["Killing"]

PAUSE = 0.05  # seconds between a connection's messages once enough are acknowledged and a named step is awaited
AWAITED = 20.0  # seconds that a named step is waited for
MOMENT = 0.5  # seconds within which a random moment comes


class Killing:
    """Rounds on one data folder. `enough`: messages that a round acknowledges at least before the kill; `hits`: kills
    by step."""

    def __init__(self, folder: Path, sender: HospitalSender, chance: random.Random, enough: int, connections: int):
        self.data = folder / "data"
        self._marks = folder / "crash"
        self._marks.mkdir()
        self._sender = sender
        self._chance = chance
        self._enough = enough
        self._connections = connections
        self.hits: Counter[str] = Counter()

    async def round(self, config: str, step: str | None) -> int:
        """Start, send, kill at `step` or at a random moment (None); gives how many were acknowledged."""
        for mark in self._marks.iterdir():
            mark.unlink()
        with Service(self.data, config, f"{step}={self._marks}" if step else "") as service:
            acknowledged = await self._load(service, step, self._chance.random() * MOMENT)
            service.kill()
        self.hits[step or "random moment"] += not step or (self._marks / "hit").exists()
        return acknowledged

    async def _load(self, service: Service, step: str | None, moment: float) -> int:
        """Send until it is dead."""
        sender = self._sender
        before = len(sender.acknowledged)
        sender.pause = 0.0
        loop = asyncio.get_running_loop()
        armed: float | None = None

        def over() -> bool:
            nonlocal armed
            if armed is None and len(sender.acknowledged) - before >= self._enough:
                armed = loop.time()
                if step:
                    (self._marks / "armed").touch()
                    sender.pause = PAUSE  # enough to pass the step; what more is sent only has to be settled
            # a named step kills by itself; the load goes on until it does, so that it is passed again
            return armed is not None and loop.time() - armed > (AWAITED if step else moment)

        sending = asyncio.create_task(sender.run(service.host, service.port, self._connections, over))
        while not sending.done():
            if armed is not None and not step and loop.time() - armed >= moment:
                service.kill()  # in the middle of the load, not after it
            await asyncio.sleep(0.005)
        return await sending
