"""The writer: the ordered half of the journey, one per journal (architecture: "one writer per journal partition").

It reads the journal behind State's cursor, has the entries mapped, takes the results in journal order, settles them
and commits batches. After a crash it does the same: there is no other recovery. What it writes is a function of the
journal: neither the number of mappers nor where batches are cut shows in the records and their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pipelines import growing, journey, replay
from pipelines.acknowledging import application_acknowledgement, owes_reply
from pipelines.bodies import Bodies
from pipelines.cases import Cases
from pipelines.channels import Channel
from pipelines.continuing import (
    INCOMPLETE,
    Continuing,
    incomplete_after,
    joined,
    joined_to,
    parts_of,
    reader,
    whole,
    with_parts,
)
from pipelines.datafolder import DataFolder
from pipelines.draft import Draft, Memory
from pipelines.errors import BlobMissing
from pipelines.folding import Folding
from pipelines.formats import Maps
from pipelines.growing import Growing
from pipelines.mapper import Failure, Mapper, Result, config_of
from pipelines.outcomes import action_detail, failure_detail, flagged
from pipelines.pool import Inline, Mappers
from pipelines.ports import (
    NO_EFFECT,
    Blobs,
    Committed,
    DeadLetter,
    Entry,
    Hold,
    Merge,
    Outcome,
    Seen,
    State,
)
from pipelines.replay import JournalReader
from pipelines.said import Spoken
from pipelines.settings import Pipeline, Settings
from pipelines.settle import Held, Incoming, Known, NewVersion, Policy, Settled, Unchanged
from pipelines.stamp import Origin, effective
from pipelines.translation import prove
from pipelines.window import Window, gone
from pipelines.writermetrics import WriterMetrics

_BATCH_BYTES = 32 << 20


class Writer:
    """Settles what the journal holds. Used from one thread; after an exception it is done, and a new one goes on."""

    def __init__(
        self,
        state: State,
        journal: JournalReader,
        blobs: Blobs,
        mappers: Mappers,
        *,
        channels: Mapping[str, Channel],
        pipeline: Pipeline,
        effective_map: Callable[[str], Maps],
        metrics: WriterMetrics | None = None,
        committed: Callable[[Committed], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._journal = journal
        self._channels = channels
        self._pipeline = pipeline
        self._effective_map = effective_map
        self.metrics = metrics or WriterMetrics()
        self._committed = committed
        self._cursor = state.cursor()
        self._bodies = Bodies(blobs)
        self._window = Window(journal, self._bodies, mappers, pipeline, self._cursor)
        self._memory = Memory(state)
        self._draft = Draft(self._memory)
        self._continuing = Continuing(state, journal, self._bodies, channels)
        self._growing = Growing(state)
        self._cases = Cases(state, channels)
        self._folding = Folding(state, self._growing, self._cases, channels, self.metrics)
        self._begun = 0.0  # when the open batch was begun
        self._clocks: dict[str, int | None] = {}
        self._maps: set[str] = set()
        self._replaying = False
        self.released = 0

    # -- the loop ----------------------------------------------------------------------------------------------

    def step(self, timeout: float = 0.25) -> bool:
        """Do the next thing there is to do; False: nothing is left to do, and all of it is committed."""
        entry = self._window.fill()
        if entry is None:
            self.commit()
            return False
        result = self._window.result(entry, self._patience(timeout)) if entry.kind == "message" else None
        if result is None and entry.kind == "message":
            self.commit()  # the mappers are behind: what is done needn't wait for them
            return True
        self._window.take()
        if self._draft.empty:
            self._begun = time.monotonic()
        if result is None:
            self._act(entry)
        else:
            self._message(entry, result)
        self._cursor = entry.seq
        if self._full():
            self.commit()
        return True

    def _patience(self, timeout: float) -> float:
        """Seconds to wait for the mappers: no longer than an open batch may stay open."""
        if self._draft.empty:
            return timeout
        return min(timeout, self._begun + self._pipeline.batch_ms / 1000 - time.monotonic())

    def _act(self, action: Entry) -> None:
        """An operator's action in its turn."""
        self.commit()
        body = self._bodies.read(action)
        quiet, after = growing.quiet_of(body), incomplete_after(body)
        if after is not None:
            tally = {"incomplete": self._give_up(action.received_at - after)}
        elif quiet is None:
            tally = replay.act(self, self._state, self._journal, body)
            self._clocks.clear()
        else:
            tally = self._folding.quiet(self._draft, action, action.received_at - quiet)
        self._done(Outcome(action, "action", detail=action_detail(tally)))

    def _give_up(self, received_before: int) -> int:
        """Parts of messages whose rest has not come: dead letters; how many."""
        entries = [self._journal.get(seq) for seq in self._continuing.over(received_before)]
        for entry in entries:
            if entry is not None:
                self._fail(entry, INCOMPLETE, self._state.clock(entry.channel, entry.seq))
                self._answer(entry, INCOMPLETE)
        return len(entries)

    @property
    def cursor(self) -> int:
        """The last entry that was settled, if not yet committed."""
        return self._cursor

    def drain(self) -> int:
        """Settle all that the journal holds now; how many entries that were."""
        before = self._cursor
        while self.poll():
            pass
        return self._cursor - before

    def poll(self) -> bool:
        """As `step`, after a new look into the journal."""
        self.look()
        return self.step()

    def look(self) -> None:
        """There may be new entries: the next step reads the journal again."""
        self._window.look()

    def _full(self) -> bool:
        draft, pipeline = self._draft, self._pipeline
        return (
            draft.records >= pipeline.batch_records
            or len(draft.outcomes) >= 4 * pipeline.batch_records
            or draft.size >= _BATCH_BYTES
            or time.monotonic() - self._begun >= pipeline.batch_ms / 1000
        )

    def commit(self) -> None:
        """Make durable what is settled so far."""
        if self._draft.empty:
            return
        begun = time.monotonic()
        done = journey.commit(self._state, self._draft.batch(self._cursor, *self._growing.batch()))
        self.released = journey.release(done)
        self.metrics.committed(done.count, time.monotonic() - begun)
        self._memory.trim()
        self._growing.committed()
        self._draft = Draft(self._memory)
        self._committed(done)

    def forget_outbound(self, upto: int) -> None:
        """The queue has taken over what is to be sent up to this id."""
        self._state.forget_outbound(upto)

    # -- one message -------------------------------------------------------------------------------------------

    def _answer(self, entry: Entry, failure: Failure | None) -> None:
        """Queue the application acknowledgement that the sender asked for, durable with what it speaks of."""
        channel = self._channels.get(entry.channel)
        if channel is not None and owes_reply(entry, channel):
            reply = application_acknowledgement(
                entry, self._bodies.head(entry), channel, failure, time.time_ns() // 1000
            )
            if reply is not None:
                self._draft.outbound.append(reply)

    def _message(self, entry: Entry, result: Result) -> None:
        """A message in its turn."""
        if self._repeated(entry):
            outcome = Outcome(entry, "unchanged", clock=self._clock(entry.channel), detail=b'{"repeated":true}')
            self._done(outcome)
            self._answer(entry, None)
            return
        parts = self._continuing.take(entry)
        if parts == ():
            self._done(Outcome(entry, "part", clock=self._clock(entry.channel), detail=b"{}"))
            return
        if parts is not None:
            result = parts if isinstance(parts, Failure) else self._joined(entry, parts)
        clock = self._clock(entry.channel)
        if isinstance(result, Failure):
            self._fail(entry, result, clock)
            self._answer(entry, result)
            return
        when, clock = effective(result.event_time, clock)
        self._clocks[entry.channel] = clock
        wait = self._waits(self._channels[entry.channel], result.patients)
        if self._settle(entry, result, when, clock, wait=wait) != "held":
            self._answer(entry, None)

    def _joined(self, entry: Entry, parts: tuple[int, ...]) -> Result:
        """What a message says that came in parts, `entry` the last of them to come: it stands for all."""
        self.commit()  # in one batch an entry has one outcome
        detail = joined(entry.seq)
        for seq in parts:
            part = None if seq == entry.seq else self._journal.get(seq)
            if part is not None:
                self._done(Outcome(part, "joined", clock=self._state.clock(part.channel, seq), detail=detail))
        return self._whole(entry, parts)

    def _whole(self, entry: Entry, parts: tuple[int, ...]) -> Result:
        try:
            body = whole(entry.format, parts, reader(self._journal, self._bodies))
        except BlobMissing as error:
            return with_parts(gone(error), parts)
        return with_parts(self._window.aside(entry, body), parts)

    def _settle(
        self, entry: Entry, spoken: Spoken, when: int, clock: int | None, *, wait: bool, released: bool = False
    ) -> str:
        """Fold every resource of a message into what is known, or hold the message; its status. `released`: an
        operator has looked at whose it is."""
        origin = Origin(when, entry.channel, entry.seq)
        policy = Policy(wait)
        said = [Incoming(each, origin) for each in spoken.said]
        known = self._draft.known([(each.type, each.id) for each in spoken.said])
        case = None if wait else self._cases.contradiction(self._draft, entry, spoken, known)
        if case is None and self._replaying:
            self._cases.closed(self._draft, entry)
        if case is not None and case.held and not released:
            self._draft.cases.append(case)
            self._done(self._outcome(entry, "held", spoken, when, clock, 0))
            return "held"
        before = [known.get((each.type, each.id)) for each in spoken.said]
        results = [journey.settle(*pair, policy) for pair in zip(before, said, strict=True)]
        status = "held" if any(isinstance(result, Held) for result in results) else "settled"
        if status == "held":
            self._draft.holds.append(Hold(entry.seq, spoken.patients))
        else:
            headers = self._cases.passed(self._draft, case, released=released)
            for incoming, current, result in zip(said, before, results, strict=True):
                self._store(entry, incoming, current, result, headers)
            self._draft.merges += [Merge(*pair, entry.seq) for pair in spoken.merges]
            self._keep_map(entry.channel, spoken.map_hash)
            for part in spoken.parts:
                self._folding.add(self._draft, entry, part, origin)
            for each in spoken.said:
                if each.type == "Patient" and each.owned:
                    self._cases.ask_again(self._draft, each.id)
        unchanged = sum(isinstance(result, Unchanged) for result in results)
        self._done(self._outcome(entry, status, spoken, when, clock, unchanged))
        return status

    def _store(
        self, entry: Entry, incoming: Incoming, known: Known | None, result: Settled, headers: Mapping[str, str]
    ) -> None:
        self._draft.add(entry, incoming, known, result, headers=headers)
        if isinstance(result, NewVersion):
            self.metrics.record(incoming.said.group)

    def _outcome(
        self, entry: Entry, status: str, spoken: Spoken, when: int, clock: int | None, unchanged: int
    ) -> Outcome:
        return Outcome(
            entry,
            status,
            type=spoken.type,
            event_time=when if spoken.event_time is not None else None,
            clock=clock,
            map_hash=spoken.map_hash,
            unchanged=unchanged,
            detail=flagged(spoken.detail) if entry.changed else spoken.detail,
            terms=spoken.terms,
            untranslated=spoken.untranslated,
        )

    def _fail(self, entry: Entry, failure: Failure, clock: int | None) -> None:
        letter = DeadLetter(entry.seq, failure.cause, failure.place, failure.text, failure.patients)
        self._draft.letters.append(letter)
        self.metrics.dead_letter(failure.cause)
        detail = failure_detail(failure.cause, failure.place, failure.text, failure.breaches, failure.parts)
        self._done(Outcome(entry, "dead", clock=clock, detail=detail))

    def _done(self, outcome: Outcome) -> None:
        self._draft.done(outcome)
        self.metrics.entry(outcome)

    def _repeated(self, entry: Entry) -> bool:
        """Kept twice (its dedupe window was over): takes effect once."""
        if not entry.control_id:
            return False
        if self._draft.holds_copy(entry):
            return True
        seen = self._state.seen(entry.channel, entry.control_id)
        before = [each for each in seen if each.seq < entry.seq and each.sha256 == entry.sha256]
        first = [each for each in before if each.status != "unchanged"]  # else copies themselves, of what is long ago
        return any(self._took_effect(each) for each in first or before)

    def _took_effect(self, seen: Seen) -> bool:
        """Whether an earlier entry did, or will; a part does if the message that it is joined to does."""
        if seen.status not in ("part", "joined"):
            return seen.status not in NO_EFFECT
        self.commit()  # what became of it may be in the open batch
        part = self._state.outcome(seen.seq)
        whole = None if part is None else joined_to(part.detail)
        now = part if whole is None else self._state.outcome(whole)
        return now is not None and now.status not in NO_EFFECT

    def _waits(self, channel: Channel, patients: tuple[str, ...]) -> bool:
        """Whether a message has to wait for a failed one of the same patients. Beyond the limit it passes: settle
        needs no order, and a queue that nobody looks after must not grow for ever."""
        if channel.error_policy != "wait":
            return False
        if not self._draft.marks.intersection(patients) and not self._state.marked(patients):
            return False
        return len(self._state.held(channel.hold_limit)) + len(self._draft.holds) < channel.hold_limit

    def _clock(self, channel: str) -> int | None:
        if channel not in self._clocks:
            self._clocks[channel] = self._state.clock(channel, self._cursor + 1)
        return self._clocks[channel]

    def _keep_map(self, channel: str, map_hash: str) -> None:
        """The effective map beside the records it made, so that they can be explained later."""
        if map_hash in self._maps:
            return
        self._maps.add(map_hash)
        if self._state.map(map_hash) is None:
            made = self._effective_map(channel)
            if made.hash == map_hash:
                self._draft.maps.append((map_hash, made.content))

    # -- for replay --------------------------------------------------------------------------------------------

    def map_now(self, entry: Entry) -> Result:
        """Map an entry out of turn."""
        before = self._state.outcome(entry.seq)
        parts = () if before is None else parts_of(before.detail)
        return self._whole(entry, parts) if parts else self._window.aside(entry)

    def settle_again(self, entry: Entry, result: Spoken, *, solved: bool, freed: bool, released: bool = False) -> None:
        """Settle an earlier entry at its own place and time, in a batch of its own."""
        if solved:
            self._draft.solved.append(entry.seq)
        clock = self._state.clock(entry.channel, entry.seq)
        when = effective(result.event_time, clock)
        self._replaying = True
        status = self._settle(entry, result, *when, wait=False, released=released)
        self._replaying = False
        if freed and status != "held":
            self._draft.freed.append(entry.seq)
            self._answer(entry, None)  # a dead letter has been answered when it failed
        self.commit()

    def reject(self, entry: Entry) -> None:
        """An operator says that it is somebody else's: it never takes effect, and is a dead letter."""
        text = "rejected by an operator: it contradicts the known patient"
        self._draft.verdicts.append((entry.seq, "rejected"))
        self._draft.freed.append(entry.seq)
        before = self._state.outcome(entry.seq)
        parts = () if before is None else parts_of(before.detail)
        failure = Failure("identity", "", text, parts=parts)
        self._fail(entry, failure, self._state.clock(entry.channel, entry.seq))
        self.commit()

    def fail_again(self, entry: Entry, failure: Failure, *, freed: bool) -> None:
        """It failed once more."""
        if freed:
            self._draft.freed.append(entry.seq)
        self._fail(entry, failure, self._state.clock(entry.channel, entry.seq))
        if freed:
            self._answer(entry, failure)
        self.commit()

    def expire(self, entry: Entry) -> None:
        """Let a dead letter and its bytes go: its channel keeps errors no longer."""
        self._draft.solved.append(entry.seq)
        before = self._state.outcome(entry.seq)
        detail = b"" if before is None else before.detail
        self._done(Outcome(entry, "expired", clock=self._state.clock(entry.channel, entry.seq), detail=detail))
        self.commit()


def settle_all(folder: DataFolder, state: State, settings: Settings) -> int:
    """Settle everything behind the cursor, inline; how many entries that were (restore, and commands without serve).

    Raises SettingsError for a translation plan that can't be followed."""
    namespace = folder.keystore.namespace
    prove(settings.channels.values(), folder.packs_path)
    mapper = Mapper(config_of(settings, namespace, folder.packs_path, folder.packages_path))
    journal = folder.journal_reader()
    writer = Writer(
        state,
        journal,
        folder.blobs,
        Inline(mapper),
        channels=settings.channels,
        pipeline=settings.pipeline,
        effective_map=mapper.effective,
    )
    try:
        return writer.drain()
    finally:
        journal.close()
