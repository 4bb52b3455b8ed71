"""Mapper processes: same results as inline, and a message that kills or stalls one costs itself only."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from pipelines.errors import MapperFailed
from pipelines.mapper import Failure, Mapper, MapperConfig
from pipelines.pool import BATCH, BATCH_BODY, Inline, Pool, _batch, _Job
from pipelines.said import Spoken
from tests.pipelines.v2 import BASE, CHANNELS, CONFIG, NAMESPACE, adt, oru, pid, visit

TIME = "20260302101500+0100"


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(CONFIG, 2)
    yield made
    made.close()


def result(pool: Pool, ticket: int) -> Spoken | Failure:
    found = pool.result(ticket, 60)
    assert found is not None
    return found


def test_processes_give_what_inline_gives(pool: Pool) -> None:
    inline = Inline(Mapper(CONFIG))
    bodies = [adt("A01", TIME, pid(str(n)), visit(f"V-{n}"), control_id=f"C{n}") for n in range(20)]
    bodies += [b"rubbish", oru(TIME, ("2345-7", "9", "F"))]
    for ticket, body in enumerate(bodies):
        pool.submit(ticket, "adt", body)
        inline.submit(ticket, "adt", body)
    for ticket in range(len(bodies)):
        assert result(pool, ticket) == inline.result(ticket, 0)


def slow(lines: int) -> bytes:
    return oru(TIME, *(("2345-7", "9", "F"),) * lines)


def test_a_message_that_takes_too_long_becomes_a_dead_letter() -> None:
    reports: list[str] = []
    pool = Pool(CONFIG, 1, seconds=0.3, report=reports.append)
    try:
        warm = adt("A01", TIME, pid(), visit())
        pool.submit(0, "adt", warm)
        result(pool, 0)
        pool.submit(1, "lab", slow(60_000))
        pool.submit(2, "adt", warm)
        found = result(pool, 1)
        assert isinstance(found, Failure)
        assert found.cause == "time"
        assert found.patients == Mapper(CONFIG).patients("lab", slow(1))
        assert isinstance(result(pool, 2), Spoken)
        assert reports == ["mapper.timeout"] * 2
    finally:
        pool.close()


def test_a_message_that_kills_its_mapper_twice_becomes_a_dead_letter() -> None:
    kills: list[int] = []

    def kill(pool: Pool, ticket: int) -> Spoken | Failure | None:
        """Kill whoever works on the large message, until the pool gives up on it."""
        while (found := pool.result(ticket, 0.1)) is None:
            (pid_,) = pool.pids
            if len(kills) < 2 and pid_ not in kills and _busy(pid_):
                os.kill(pid_, signal.SIGKILL)
                kills.append(pid_)
        return found

    pool = Pool(CONFIG, 1)
    try:
        pool.submit(0, "adt", adt("A01", TIME, pid(), visit()))
        result(pool, 0)
        pool.submit(1, "lab", slow(60_000))
        pool.submit(2, "adt", adt("A01", TIME, pid(), visit()))
        found = kill(pool, 1)
        assert isinstance(found, Failure)
        assert found.cause == "killed"
        assert found.patients
        assert len(kills) == 2
        assert isinstance(result(pool, 2), Spoken)
    finally:
        pool.close()


def _busy(pid_: int) -> bool:
    """Whether the process has begun to map: it has used more CPU than its start takes."""
    with open(f"/proc/{pid_}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return fields[0] == "R" and (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > 1.5


def test_what_ends_a_batch_is_held_against_none_of_it() -> None:
    reports: list[str] = []
    pool = Pool(CONFIG, 1, seconds=0.5, report=reports.append)
    try:
        bodies = [adt("A01", TIME, pid(str(n)), visit(f"V-{n}"), control_id=f"C{n}") for n in range(11)]
        pool.submit(0, "adt", bodies[0])
        result(pool, 0)
        (stopped,) = pool.pids
        os.kill(stopped, signal.SIGSTOP)
        for ticket in range(1, 11):
            pool.submit(ticket, "adt", bodies[ticket])
        mapper = Mapper(CONFIG)
        for ticket in range(1, 11):
            assert result(pool, ticket) == mapper.map("adt", bodies[ticket])
        assert reports == ["mapper.timeout"]
    finally:
        pool.close()


def test_only_small_messages_are_mapped_side_by_side() -> None:
    def jobs(*sizes: int) -> list[_Job]:
        return [_Job(number, 0, "adt", bytes(size)) for number, size in enumerate(sizes)]

    assert _batch([]) == 0
    assert _batch(jobs(*[100] * 20)) == BATCH
    assert _batch(jobs(100, 100, BATCH_BODY + 1, 100)) == 2
    assert _batch(jobs(BATCH_BODY + 1, 100)) == 1
    alone = jobs(100, 100)
    alone[0].alone = True
    assert _batch(alone) == 1


def test_a_mapper_killed_while_idle_is_replaced_and_nothing_is_lost(pool: Pool) -> None:
    body = adt("A01", TIME, pid(), visit())
    pool.submit(0, "adt", body)
    result(pool, 0)
    for number in pool.pids:
        os.kill(number, signal.SIGKILL)
    for ticket in range(1, 6):
        pool.submit(ticket, "adt", body)
    for ticket in range(1, 6):
        assert isinstance(result(pool, ticket), Spoken)


def test_mappers_that_never_start_stop_the_writer() -> None:
    broken = {"adt": type(CHANNELS["adt"])("adt", overlays=("/nowhere/at/all",))}
    pool = Pool(MapperConfig(broken, NAMESPACE, BASE), 1)
    pool.submit(0, "adt", b"x")
    try:
        with pytest.raises(MapperFailed):
            pool.result(0, 60)
    finally:
        pool.close()


def test_mappers_end_with_their_parent() -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover
        made = Pool(CONFIG, 2)
        made.submit(0, "adt", adt("A01", TIME, pid(), visit()))
        made.result(0, 60)
        os.write(writer, " ".join(map(str, made.pids)).encode())
        signal.pause()
    try:
        pids = [int(text) for text in os.read(reader, 100).split()]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    until = time.monotonic() + 10
    while time.monotonic() < until and any(_alive(each) for each in pids):
        time.sleep(0.05)
    assert not any(_alive(each) for each in pids)


def _alive(pid_: int) -> bool:
    try:
        os.kill(pid_, 0)
    except ProcessLookupError:
        return False
    return True
