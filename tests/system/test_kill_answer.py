"""Killed under load, again and again, where the channel answers after map: whatever had AA was settled by then."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from pipelines.datafolder import open_folder
from pipelines.doctor import first_fault
from tests.support.killing import Killing
from tests.support.load import HospitalSender, seed
from tests.support.service import Service, settled
from tests.support.soak import amount

CONFIG = '[pipeline]\nmappers = 1\n[channels.load]\nanswer_after = "map"\nanswer_within = 60\n'
STEPS = ("after-commit-before-ack", "inside-batch-commit")
ROUNDS = 60
SOAK_SLICE_ROUNDS = 6
ENOUGH = 60
CONNECTIONS = 8


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
    sender = HospitalSender(tmp_path / "acknowledged")
    killing = Killing(tmp_path, sender, chance, ENOUGH, CONNECTIONS)
    data, hits = killing.data, killing.hits
    for turn in range(amount(ROUNDS, SOAK_SLICE_ROUNDS)):
        step = (*STEPS, None)[turn % 3]
        asyncio.run(killing.round(CONFIG, step))
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
