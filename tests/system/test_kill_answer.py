"""Killed under load, again and again, where the channel answers after map: whatever had AA was settled by then."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from pipelines.datafolder import open_folder
from pipelines.doctor import first_fault
from tests.support.load import HospitalSender, seed
from tests.support.service import Service, settled

CONFIG = '[pipeline]\nmappers = 1\n[channels.load]\nanswer_after = "map"\nanswer_within = 60\n'
STEPS = ("after-commit-before-ack", "inside-batch-commit")
ROUNDS = 60
SOAK_SLICE_ROUNDS = 6
ENOUGH = 60
CONNECTIONS = 8


async def load(service: Service, sender: HospitalSender, crash: Path, step: str | None, moment: float) -> None:
    """Send until it is dead."""
    before = len(sender.acknowledged)
    loop = asyncio.get_running_loop()
    armed: float | None = None

    def over() -> bool:
        nonlocal armed
        if armed is None and len(sender.acknowledged) - before >= ENOUGH:
            armed = loop.time()
            (crash / "armed").touch()
        return armed is not None and loop.time() - armed > 20

    sending = asyncio.create_task(sender.run(service.host, service.port, CONNECTIONS, over))
    while not sending.done():
        if armed is not None and not step and loop.time() - armed >= moment:
            service.kill()
        await asyncio.sleep(0.005)
    await sending


def outcomes(data: Path) -> Counter[bytes]:
    """Control ids of what is settled, and how often."""
    state = open_folder(data).state_reader()
    rows = state.connection.execute("SELECT control_id FROM entry WHERE status='settled'")
    found = Counter(bytes(row[0]) for row in rows)
    state.close()
    return found


@pytest.mark.soak
def test_aa_means_settled_whenever_it_is_killed(tmp_path: Path) -> None:
    number = seed()
    chance = random.Random(number)
    print(f"seed {number} (TABELLION_TEST_SEED)")
    data, crash = tmp_path / "data", tmp_path / "crash"
    crash.mkdir()
    sender = HospitalSender(tmp_path / "acknowledged")
    hits: Counter[str] = Counter()
    for turn in range(SOAK_SLICE_ROUNDS if os.environ.get("TABELLION_SOAK_SLICE") else ROUNDS):
        step = (*STEPS, None)[turn % 3]
        for mark in crash.iterdir():
            mark.unlink()
        with Service(data, CONFIG, f"{step}={crash}" if step else "") as service:
            asyncio.run(load(service, sender, crash, step, chance.random() * 0.5))
            service.kill()
        hits[step or "random moment"] += not step or (crash / "hit").exists()
        found = outcomes(data)  # as the kill has left it
        assert [one for one in sender.acknowledged if not found[f"L{one:08d}".encode()]] == []
    with Service(data, CONFIG) as service:
        settled(data)
        assert service.stop() == 0
    assert set(outcomes(data).values()) == {1}
    assert first_fault(open_folder(data)) is None
    print(f"{len(sender.acknowledged)} AA, all settled; kills by step: {dict(hits)}")
    assert all(hits[step] for step in STEPS)
    sender.close()
