"""Killed under load, again and again: no application acknowledgement is lost, and none has two control ids.

Each round: messages in enhanced mode until enough are accepted (CA), then SIGKILL to the whole group at a random moment
or at a named step; start again. In the end each message that was accepted has its application acknowledgement on the
receiver's own fsynced list; if it is there more than once, then under the same control id.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from pathlib import Path

import pytest

from pipelines.datafolder import open_folder
from pipelines.doctor import first_fault
from tests.support.killing import Killing
from tests.support.load import HospitalSender, message, seed
from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.soak import amount

STEPS = ("between-delivery-and-record", "inside-batch-commit", "after-commit-before-ack")
ROUNDS = 4
SOAK_ROUNDS = 102
SOAK_SLICE_ROUNDS = 8
ENOUGH = 60
CONNECTIONS = 4
STILL = 60.0  # seconds without one more acknowledgement: then the others never come


def enhanced(number: int) -> bytes:
    """The usual load, with CA at once and AA when it is settled."""
    return message(number).replace(b"|P|2.5.1||||||", b"|P|2.5.1|||AL|AL||", 1)


async def rounds(folder: Path, count: int) -> None:
    """All of it; the receiver lives on while the service dies."""
    number = seed()
    chance = random.Random(number)
    print(f"seed {number} (TABELLION_TEST_SEED)")
    sender = HospitalSender(folder / "accepted", enhanced)
    killing = Killing(folder, sender, chance, ENOUGH, CONNECTIONS)
    data, hits = killing.data, killing.hits
    kinds: list[str | None] = [[None, *STEPS][n % 4] for n in range(count)]
    chance.shuffle(kinds)
    with Receiver(folder / "received") as receiver:
        await receiver.listen()
        config = f'[pipeline]\nmappers = 0\n[channels.load]\nreply_to = "127.0.0.1:{receiver.port}"\n'
        for step in kinds:
            await killing.round(config, step)
        wanted = {b"L%08d" % number for number in sender.acknowledged}
        with Service(data, config) as service:
            seen, since = -1, time.monotonic()
            while missing := wanted - {about for about, _ in receiver.received}:
                if len(receiver.received) != seen:
                    seen, since = len(receiver.received), time.monotonic()
                still = time.monotonic() - since
                assert still < STILL, f"{len(missing)} of {len(wanted)} acknowledgements never came"
                await asyncio.sleep(0.1)
            assert await asyncio.to_thread(service.stop) == 0
        await receiver.close()
    names: dict[bytes, set[bytes]] = defaultdict(set)
    for line in (folder / "received").read_bytes().splitlines():
        about, own = line.split()
        names[about].add(own)
    assert wanted <= set(names), "on the receiver's own list, too"
    assert {about: own for about, own in names.items() if len(own) > 1} == {}
    assert len({own for each in names.values() for own in each}) == len(names), "one control id for two messages"
    twice = len(receiver.received) - len({about for about, _ in receiver.received})
    print(
        f"{count} rounds, {len(wanted)} accepted, all acknowledged, {twice} of them again; kills by step: {dict(hits)}"
    )
    for step in STEPS:
        assert hits[step] > 0, f"no kill at {step}"
    assert first_fault(open_folder(data)) is None


def test_acknowledgements_survive_kills(tmp_path: Path) -> None:
    asyncio.run(rounds(tmp_path, ROUNDS))


@pytest.mark.soak
def test_acknowledgements_survive_a_hundred_kills(tmp_path: Path) -> None:
    asyncio.run(rounds(tmp_path, amount(SOAK_ROUNDS, SOAK_SLICE_ROUNDS)))
