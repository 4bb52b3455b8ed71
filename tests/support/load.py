"""A sender as hospitals have them: it sends again what was not acknowledged, and keeps its own list of what was."""

from __future__ import annotations

import asyncio
import os
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from adapters.hl7v2.mllp import NoAnswer, Sender, acknowledged


def message(number: int, patients: int = 50) -> bytes:
    """A made-up message: two admissions or updates to one result of three values; its control id is its number."""
    who = number % patients
    minutes = number // 4
    day, hour, minute = minutes // 1440, minutes // 60 % 24, minutes % 60
    stamp = f"2026{1 + day // 28 % 12:02d}{1 + day % 28:02d}{hour:02d}{minute:02d}00+0000"
    event, kind = (("A01", "ADT_A01"), ("A08", "ADT_A01"), ("R01", "ORU_R01"))[number % 3]
    code = "ORU" if event == "R01" else "ADT"
    header = f"MSH|^~\\&|LOAD|TESTFAC|T|H|{stamp}||{code}^{event}^{kind}|L{number:08d}|P|2.5.1||||||UNICODE UTF-8"
    person = f"PID|1||{who:06d}^^^TESTFAC^MR||ZZTEST-{who}^LOAD^N{number}||19700101|F"
    if code == "ADT":
        visit = f"PV1|1|I|W{number % 9}^1^A^TESTFAC||||||||||||||||V{who:06d}^^^TESTFAC^VN"
        segments = [header, f"EVN|{event}|{stamp}", person, visit]
    else:
        order = f"OBR|1|P{number}^LOAD|F{number}^LOAD|24323-8^Panel^LN|||{stamp}|||||||||||||||{stamp}||CH|F"
        values = [f"OBX|{n}|NM|2345-{n}^Value {n}^LN||{number % 97}.{n}0|mg/dL^^UCUM||||F" for n in (1, 2, 3)]
        values = [value.replace("||||F", "|||||F") for value in values]
        segments = [header, person, order, *values]
    return "\r".join(segments).encode() + b"\r"


class HospitalSender:
    """Sends messages from `first` on over several connections; writes each acknowledged number to `acks`, fsynced."""

    def __init__(self, acks: Path, make: Callable[[int], bytes] = message) -> None:
        self._make = make
        self._file = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        self.acknowledged: set[int] = set()
        self._again: deque[int] = deque()
        self._next = 1
        self.pause = 0.0  # seconds between a connection's messages

    async def run(self, host: str, port: int, connections: int, until: Callable[[], bool]) -> int:
        """Send until `until()` or the receiver is gone; give how many were acknowledged in this run."""
        before = len(self.acknowledged)
        await asyncio.gather(*(self._work(host, port, until) for _ in range(connections)))
        return len(self.acknowledged) - before

    async def _work(self, host: str, port: int, until: Callable[[], bool]) -> None:
        try:
            sender = await Sender.connect(host, port, 5)
        except OSError:
            return
        number: int | None = None
        try:
            while not until():
                number = self._take()
                answer = await sender.send(self._make(number), 20)
                assert answer is not None
                code, control = acknowledged(answer)
                assert code in ("AA", "CA"), answer
                assert control == f"L{number:08d}".encode(), answer
                os.write(self._file, f"{number}\n".encode())
                os.fsync(self._file)
                self.acknowledged.add(number)
                number = None
                if self.pause:
                    await asyncio.sleep(self.pause)
        except (NoAnswer, OSError):
            return  # the receiver died: what was under way is sent again to the next one
        finally:
            if number is not None:
                self._again.append(number)
            await sender.close()

    def _take(self) -> int:
        if self._again:
            return self._again.popleft()
        self._next += 1
        return self._next - 1

    def close(self) -> None:
        """Close the list."""
        os.close(self._file)


def seed() -> int:
    """The run's seed: TABELLION_TEST_SEED or a new one; tests print it."""
    given = os.environ.get("TABELLION_TEST_SEED")
    return int(given) if given else random.SystemRandom().randrange(1 << 32)
