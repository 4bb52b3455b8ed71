"""Mapper processes: N of them over pipes, results asked for by ticket (architecture: "N mappers (spawn), one writer").

The parent never blocks on a pipe: each process has a thread that reads jobs as they come. A process that dies, or takes
too long over one message, is started again and its other messages are given out anew; the message it had in hands is
tried once more, and then a dead letter. Small messages that wait are mapped some at a time; if that ends a process,
each of them is given out alone, so that it is seen which one it was, and that time counts for none of them. `Inline` is
the same without processes.
"""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from threading import Thread
from typing import Protocol

import msgspec

from pipelines.errors import MapperFailed
from pipelines.mapper import Failure, Mapper, MapperConfig, Result
from pipelines.memory import settle_in
from pipelines.said import Spoken

ATTEMPTS = 2
BATCH = 8  # messages mapped side by side: as many as fit in the caches
BATCH_BODY = 32 << 10  # bytes of a message that may be one of them
START_SECONDS = 120.0
_START_FAILURES = 3

_MAP, _PATIENTS = 0, 1
_MAPPED, _FAILED, _FOUND, _READY = 0, 1, 2, 3


class _Job(msgspec.Struct, array_like=True):
    ticket: int
    mode: int
    channel: str
    body: bytes
    alone: bool = False  # it was in hands when a process ended

    @property
    def joins(self) -> bool:
        """Whether it may be mapped along with others."""
        return self.mode == _MAP and not self.alone and len(self.body) <= BATCH_BODY


class _Answer(msgspec.Struct, array_like=True):
    ticket: int
    kind: int
    spoken: Spoken | None = None
    failure: Failure | None = None


_ENCODE = msgspec.msgpack.Encoder().encode
_JOB = msgspec.msgpack.Decoder(_Job).decode
_ANSWER = msgspec.msgpack.Decoder(_Answer).decode


class Mappers(Protocol):
    """What the writer needs: hand in, take out by ticket."""

    def submit(self, ticket: int, channel: str, body: bytes) -> None:
        """Queue one message."""

    def result(self, ticket: int, timeout: float) -> Result | None:
        """The result of a message; None: not within `timeout` seconds."""

    def close(self) -> None:
        """End all processes."""


class Inline:
    """Maps when asked for the result, in this process."""

    def __init__(self, mapper: Mapper) -> None:
        self._mapper = mapper
        self._jobs: dict[int, tuple[str, bytes]] = {}

    def submit(self, ticket: int, channel: str, body: bytes) -> None:
        self._jobs[ticket] = (channel, body)

    def result(self, ticket: int, timeout: float) -> Result | None:
        return self._mapper.map(*self._jobs.pop(ticket))

    def close(self) -> None:
        self._jobs.clear()


@dataclass(slots=True)
class _Worker:
    """One process and the jobs it has, in the order it works on them."""

    process: object
    connection: Connection
    jobs: deque[_Job] = field(default_factory=deque)
    since: float = 0.0  # when it began the first of its jobs, as far as we know: never too early
    ready: bool = False


class Pool:
    """`processes` mappers. Used from one thread. `seconds`: time limit of one message."""

    def __init__(
        self,
        config: MapperConfig,
        processes: int,
        *,
        seconds: float = 60.0,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._config = config
        self._seconds = seconds
        self._report = report  # hears 'mapper.died' and 'mapper.timeout'
        self._context = get_context("spawn")
        self._results: dict[int, Result] = {}
        self._attempts: dict[int, int] = {}
        self._causes: dict[int, str] = {}
        self._start_failures = 0
        self._workers: list[_Worker] = []
        for _ in range(processes):
            self._workers.append(self._start())

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids, for tests and the log."""
        return tuple(worker.process.pid for worker in self._workers)  # type: ignore[attr-defined]

    def submit(self, ticket: int, channel: str, body: bytes) -> None:
        """Queue one message with the process that has least to do."""
        self._give(_Job(ticket, _MAP, channel, body))

    def result(self, ticket: int, timeout: float) -> Result | None:
        """Wait for one message's result, collecting others meanwhile."""
        until = time.monotonic() + timeout
        while ticket not in self._results:
            left = until - time.monotonic()
            self._collect(max(0.0, min(left, 0.25)))
            if left <= 0 and ticket not in self._results:
                return None
        self._attempts.pop(ticket, None)
        self._causes.pop(ticket, None)
        return self._results.pop(ticket)

    def close(self) -> None:
        """Kill the processes: they hold nothing that the journal doesn't."""
        for worker in self._workers:
            _end(worker)
        self._workers = []

    # -- inside ------------------------------------------------------------------------------------------------

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._config), name="tabellion-mapper", daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, since=time.monotonic())

    def _give(self, job: _Job) -> None:
        worker = min(self._workers, key=lambda each: len(each.jobs))
        if not worker.jobs:
            worker.since = time.monotonic()
        worker.jobs.append(job)
        try:
            worker.connection.send_bytes(_ENCODE(job))
        except OSError:
            return  # it is gone; `_collect` finds out, and gives the job to its successor

    def _collect(self, timeout: float) -> None:
        """Take what is there, then look after processes that died or take too long."""
        by_connection = {worker.connection: worker for worker in self._workers}
        for each in wait(list(by_connection), timeout):
            worker = by_connection[each]  # type: ignore[index]
            try:
                while worker.connection.poll():
                    self._take(worker, _ANSWER(worker.connection.recv_bytes()))
            except (EOFError, OSError):
                self._replace(worker, "killed")
        now = time.monotonic()
        for worker in list(self._workers):
            limit = self._seconds * max(1, _batch(list(worker.jobs))) if worker.ready else START_SECONDS
            if (worker.jobs or not worker.ready) and now - worker.since > limit and not worker.connection.poll():
                self._replace(worker, "time")

    def _take(self, worker: _Worker, answer: _Answer) -> None:
        worker.since = time.monotonic()
        if answer.kind == _READY:
            worker.ready = True
            self._start_failures = 0
            return
        job = worker.jobs.popleft()
        if answer.spoken is not None:
            self._results[job.ticket] = answer.spoken
        elif answer.kind == _FAILED and answer.failure is not None:
            self._results[job.ticket] = answer.failure
        else:  # the patients of a message that can't be mapped
            patients = () if answer.failure is None else answer.failure.patients
            self._results[job.ticket] = self._given_up(job.ticket, patients)

    def _replace(self, worker: _Worker, cause: str) -> None:
        """Start its successor; the job it had in hands is suspect, the others are not."""
        self._report("mapper.timeout" if cause == "time" else "mapper.died")
        _end(worker)
        self._workers.remove(worker)
        if not worker.ready:
            self._start_failures += 1
            if self._start_failures >= _START_FAILURES:
                raise MapperFailed("mapper processes end before they are ready: see their messages on stderr")
        self._workers.append(self._start())
        jobs = list(worker.jobs)
        in_hands = _batch(jobs) if worker.ready else 0
        for job in jobs[:in_hands]:
            job.alone = True
        if in_hands == 1:
            self._try_again(jobs.pop(0), cause)
        for job in jobs:
            self._give(job)

    def _try_again(self, job: _Job, cause: str) -> None:
        attempts = self._attempts[job.ticket] = self._attempts.get(job.ticket, 0) + 1
        self._causes[job.ticket] = cause
        if attempts < ATTEMPTS:
            self._give(job)
        elif attempts == ATTEMPTS:
            self._give(_Job(job.ticket, _PATIENTS, job.channel, job.body))
        else:
            self._results[job.ticket] = self._given_up(job.ticket, ())

    def _given_up(self, ticket: int, patients: tuple[str, ...]) -> Failure:
        cause = self._causes[ticket]
        text = f"took longer than {self._seconds:g} s" if cause == "time" else "ended its mapper process"
        return Failure(cause, "", f"the message {text}, {ATTEMPTS} times", patients)


def _batch(jobs: Sequence[_Job]) -> int:
    """How many of a worker's jobs, from the first on, it may have in hands at once."""
    count = 0
    for job in jobs[:BATCH]:
        if not job.joins:
            return count or 1
        count += 1
    return count


def _end(worker: _Worker) -> None:
    worker.process.kill()  # type: ignore[attr-defined]
    worker.process.join()  # type: ignore[attr-defined]
    worker.connection.close()


def serve(connection: Connection, config: MapperConfig) -> None:
    """A mapper process: answers jobs in their order until the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the writer decides when its mappers end
    queue: SimpleQueue[_Job] = SimpleQueue()
    Thread(target=_read_jobs, args=(connection, queue), daemon=True).start()
    mapper = Mapper(config)
    for effective in set(mapper.load_all().values()):
        effective.check()  # compiles all of it now: the first message of a type waits no longer than the next
    settle_in()
    connection.send_bytes(_ENCODE(_Answer(0, _READY)))
    jobs: deque[_Job] = deque()
    while True:
        while not jobs or (len(jobs) < BATCH and not queue.empty()):
            jobs.append(queue.get())
        for answer in _work(mapper, [jobs.popleft() for _ in range(_batch(list(jobs)))]):
            connection.send_bytes(_ENCODE(answer))


def _work(mapper: Mapper, jobs: list[_Job]) -> Iterator[_Answer]:
    """Answers in the order of the jobs; more than one job are all to be mapped."""
    first = jobs[0]
    if first.mode == _PATIENTS:
        yield _Answer(first.ticket, _FOUND, None, Failure("", "", "", mapper.patients(first.channel, first.body)))
        return
    for job, result in zip(jobs, mapper.map_many([(job.channel, job.body) for job in jobs]), strict=True):
        if isinstance(result, Failure):
            yield _Answer(job.ticket, _FAILED, None, result)
        else:
            yield _Answer(job.ticket, _MAPPED, result)


def _read_jobs(connection: Connection, jobs: SimpleQueue[_Job]) -> None:
    """Empties the pipe at once, so that the parent's write never waits for a map."""
    try:
        while True:
            jobs.put(_JOB(connection.recv_bytes()))
    except (EOFError, OSError):
        os._exit(0)  # the parent is gone; whatever is in hands is in the journal
