"""The outbound queue: nothing is forgotten, nothing has two names, whatever comes in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.outbound import BACKOFF, OutboundQueue, Result, rewind, taken_over
from pipelines.ports import Outbound

SECOND = 1_000_000


def message(number: int, *, entry: int = 0, channel: str = "lab", sender: bytes = b"LAB\x1fN") -> tuple[int, Outbound]:
    own = Outbound(entry or number, channel, b"TA%d" % number, sender, "10.0.0.1:5", b"body %d" % number, number)
    return number, own


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[OutboundQueue]:
    with closing(OutboundQueue(tmp_path / "outbound.sqlite")) as made:
        yield made


def ids(queue: OutboundQueue, now: int = 0) -> list[int]:
    return [int(found.control_id[2:]) for found in queue.due(now, 100)]


def number_of(queue: OutboundQueue, name: bytes, now: int = 1 << 60) -> int:
    return next(found.id for found in queue.due(now, 100) if found.control_id == name)


def test_taken_over_once_and_in_order(queue: OutboundQueue, tmp_path: Path) -> None:
    assert taken_over(tmp_path / "none.sqlite") == 0
    queue.advance([message(1), message(2)], [], 0)
    queue.advance([message(2), message(3)], [], 0)
    assert ids(queue) == [1, 2, 3]
    assert queue.place() == taken_over(tmp_path / "outbound.sqlite") == 3


@pytest.mark.parametrize(
    ("code", "again"),
    [("CA", False), ("AA", False), ("CE", True), ("", True), ("CR", False), ("AR", False), ("AE", False)],
)
def test_what_an_answer_does(queue: OutboundQueue, code: str, again: bool) -> None:
    queue.advance([message(1)], [], 0)
    queue.advance([], [Result(number_of(queue, b"TA1"), code)], 0)
    assert ids(queue) == []
    assert ids(queue, int(BACKOFF[0] * SECOND)) == ([1] if again else [])


def test_attempts_grow_rarer_and_never_end(queue: OutboundQueue) -> None:
    queue.advance([message(1)], [], 0)
    now = 0
    for pause in (*BACKOFF, BACKOFF[-1], BACKOFF[-1]):
        queue.advance([], [Result(number_of(queue, b"TA1"))], now)
        assert ids(queue, now + int(pause * SECOND) - 1) == []
        now += int(pause * SECOND)
        assert ids(queue, now) == [1]


def test_parked_until_its_receiver_has_a_connection(queue: OutboundQueue, tmp_path: Path) -> None:
    queue.advance([message(1), message(2, sender=b"HIS\x1fN"), message(3, channel="adt")], [], 0)
    queue.advance([], [Result(found.id, parked=True) for found in queue.due(0, 10)], 0)
    assert ids(queue, 1 << 60) == []
    queue.unpark([("lab", b"LAB\x1fN")])
    assert ids(queue) == [1]
    assert queue.due(0, 1)[0].attempts == 0
    with closing(OutboundQueue(tmp_path / "outbound.sqlite")) as after_a_restart:
        assert ids(after_a_restart) == [1, 2, 3]


def test_a_copy_of_the_message_is_acknowledged_again_and_the_same_taken_over_again_is_not(queue: OutboundQueue) -> None:
    """The sender's message was kept twice (other entry): the same acknowledgement goes again. After a restore State is
    looked at from the start: what was delivered stays so."""
    queue.advance([message(1)], [], 0)
    queue.advance([], [Result(number_of(queue, b"TA1"), "CA")], 0)
    queue.advance([message(1)], [], 0)
    assert ids(queue) == []
    queue.advance([(2, message(1, entry=7)[1])], [], 0)
    assert ids(queue) == [1]
    queue.advance([], [Result(number_of(queue, b"TA1"), "CA")], 0)
    queue.again([b"TA1", b"unknown"])
    assert ids(queue) == [1]


def test_given_up_and_forgotten(queue: OutboundQueue) -> None:
    queue.advance([message(1), message(2), message(3, channel="adt")], [], 0)
    assert queue.counts() == [("adt", "waiting", 1, 3), ("lab", "waiting", 2, 1)]
    assert queue.expire("lab", 2, 10) == 1
    assert ids(queue) == [2, 3]
    queue.forget(10)
    queue.again([b"TA1"])
    assert ids(queue) == [1, 2, 3]
    queue.expire("lab", 3, 20)
    queue.forget(21)
    queue.again([b"TA1", b"TA2"])
    assert ids(queue) == [3]


def test_after_a_restore_all_of_state_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "outbound.sqlite"
    with closing(OutboundQueue(path)) as queue:
        queue.advance([message(5)], [], 0)
    rewind(path)
    assert taken_over(path) == 0
