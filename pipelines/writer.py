"""The writer: the ordered half of the journey, one per journal (architecture: "one writer per journal partition").

It reads the journal behind State's cursor, has the entries mapped, takes the results in journal order, settles them
and commits batches. After a crash it does the same: there is no other recovery. What it writes is a function of the
journal: neither the number of mappers nor where batches are cut shows in the records and their order.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

import msgspec

from pipelines import growing, identity, journey, replay
from pipelines.acknowledging import HEAD, application_acknowledgement, owes_reply
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder
from pipelines.draft import Draft, Memory
from pipelines.envelope import NO_FACTS
from pipelines.errors import BlobMissing
from pipelines.formats import FORMATS, Maps, source
from pipelines.growing import Growing
from pipelines.mapper import Failure, Mapper, Result, config_of
from pipelines.outcomes import action_detail, flagged
from pipelines.ownership import ownership
from pipelines.pool import Inline, Mappers
from pipelines.ports import (
    NO_EFFECT,
    Blobs,
    Case,
    Committed,
    DeadLetter,
    Entry,
    Hold,
    Merge,
    Outcome,
    State,
    StoredClaim,
)
from pipelines.registers import shown
from pipelines.replay import JournalReader
from pipelines.said import Spoken, whole
from pipelines.settings import Pipeline, Settings
from pipelines.settle import Held, Incoming, Known, NewVersion, Policy, Settled, Unchanged
from pipelines.stamp import Origin, effective
from pipelines.translation import prove
from pipelines.writermetrics import WriterMetrics

_READ = 64  # entries per look into the journal: each may hold 1 MiB
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
        self._blobs = blobs
        self._mappers = mappers
        self._channels = channels
        self._pipeline = pipeline
        self._effective_map = effective_map
        self.metrics = metrics or WriterMetrics()
        self._committed = committed
        self._cursor = self._read_to = state.cursor()
        self._pending: deque[Entry] = deque()  # on their way through the mappers
        self._failed: dict[int, Failure] = {}  # those that never got there
        self._pending_size = 0
        self._more = True  # the journal may hold entries we haven't read
        self._memory = Memory(state)
        self._draft = Draft(self._memory)
        self._growing = Growing(state)
        self._replaying = False
        self._people: dict[bytes, identity.Person] = {}
        self._begun = 0.0
        self._ownership = ownership()
        self._clocks: dict[str, int | None] = {}
        self._maps: set[str] = set()
        self._asides = 0
        self.released = 0

    # -- the loop ----------------------------------------------------------------------------------------------

    def step(self, timeout: float = 0.25) -> bool:
        """Do the next thing there is to do; False: nothing is left to do, and all of it is committed."""
        self._fill()
        if not self._pending:
            self.commit()
            return False
        entry = self._pending[0]
        result = self._result(entry, timeout) if entry.kind == "message" else None
        if result is None and entry.kind == "message":
            self.commit()  # the mappers are behind: what is done needn't wait for them
            return True
        self._pending_size -= self._pending.popleft().size
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

    def _result(self, entry: Entry, timeout: float) -> Result | None:
        """What the mappers made of it, waiting no longer than an open batch may stay open."""
        if entry.seq in self._failed:
            return self._failed.pop(entry.seq)
        if not self._draft.empty:
            timeout = min(timeout, self._begun + self._pipeline.batch_ms / 1000 - time.monotonic())
        return self._mappers.result(entry.seq, max(0.0, timeout))

    def _act(self, action: Entry) -> None:
        """An operator's action in its turn."""
        self.commit()
        body = self._body(action)
        quiet = growing.quiet_of(body)
        if quiet is None:
            tally = replay.act(self, self._state, self._journal, body)
            self._clocks.clear()
        else:
            tally = self._fold_quiet(action, action.received_at - quiet)
        self._done(Outcome(action, "action", detail=action_detail(tally)))

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
        self._more = True
        return self.step()

    def look(self) -> None:
        """There may be new entries: the next step reads the journal again."""
        self._more = True

    def _full(self) -> bool:
        draft, pipeline = self._draft, self._pipeline
        return (
            draft.records >= pipeline.batch_records
            or len(draft.outcomes) >= 4 * pipeline.batch_records
            or draft.size >= _BATCH_BYTES
            or time.monotonic() - self._begun >= pipeline.batch_ms / 1000
        )

    def _fill(self) -> None:
        """Hand entries to the mappers, up to the window."""
        pipeline = self._pipeline
        while self._more and len(self._pending) <= pipeline.window_messages - pipeline.window_messages // 4:
            if self._pending and self._pending_size >= pipeline.window_bytes:
                return
            room = max(1, pipeline.window_messages - len(self._pending))
            entries = self._journal.read(self._read_to, min(_READ, room))
            self._more = bool(entries)
            for entry in entries:
                self._submit(entry)
                self._read_to = entry.seq

    def _submit(self, entry: Entry) -> None:
        if entry.kind == "message":
            try:
                self._mappers.submit(entry.seq, entry.channel, self._body(entry))
            except BlobMissing as error:
                self._failed[entry.seq] = _gone(error)
        self._pending.append(entry)
        self._pending_size += entry.size

    def _body(self, entry: Entry) -> bytes:
        if entry.body is not None:
            return entry.body
        if not entry.blob:
            raise BlobMissing("the message's bytes were erased")
        row = source(entry.format) if entry.format in FORMATS else None
        if row is None or row.brief is None:
            return self._blobs.read(entry.sha256)
        try:
            with self._blobs.open(entry.sha256) as stream:
                return row.brief(stream, entry.sha256, entry.size)
        except row.errors as error:
            raise BlobMissing(f"blob {entry.sha256.hex()} is damaged: {error}") from error

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
            reply = application_acknowledgement(entry, self._head(entry), channel, failure, time.time_ns() // 1000)
            if reply is not None:
                self._draft.outbound.append(reply)

    def _head(self, entry: Entry) -> bytes:
        """The beginning of a message, enough for its header."""
        if entry.body is not None or not entry.blob:
            return (entry.body or b"")[:HEAD]
        try:
            with self._blobs.open(entry.sha256) as stream:
                return stream.read(HEAD)
        except BlobMissing:
            return b""

    def _message(self, entry: Entry, result: Result) -> None:
        """A message in its turn."""
        if self._repeated(entry):
            outcome = Outcome(entry, "unchanged", clock=self._clock(entry.channel), detail=b'{"repeated":true}')
            self._done(outcome)
            self._answer(entry, None)
            return
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

    def _settle(
        self, entry: Entry, spoken: Spoken, when: int, clock: int | None, *, wait: bool, released: bool = False
    ) -> str:
        """Fold every resource of a message into what is known, or hold the message; its status. `released`: an
        operator has looked at whose it is."""
        origin = Origin(when, entry.channel, entry.seq)
        policy = Policy(wait)
        said = [Incoming(each, origin) for each in spoken.said]
        known = self._draft.known([(each.type, each.id) for each in spoken.said])
        case = None if wait else self._contradiction(entry, spoken, known)
        if case is None and self._replaying and self._state.cases(entry=entry.seq):
            self._draft.verdicts.append((entry.seq, "resolved"))
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
            headers = self._marked(case, released)
            for incoming, current, result in zip(said, before, results, strict=True):
                self._store(entry, incoming, current, result, headers)
            self._draft.merges += [Merge(*pair, entry.seq) for pair in spoken.merges]
            self._keep_map(entry.channel, spoken.map_hash)
            for part in spoken.parts:
                if self._growing.add(entry, part, origin):
                    self._fold(entry, (part.type, part.id))
            for each in spoken.said:
                if each.type == "Patient" and each.owned:
                    self._ask_again(each.id)
        unchanged = sum(isinstance(result, Unchanged) for result in results)
        self._done(self._outcome(entry, status, spoken, when, clock, unchanged))
        return status

    # -- whose it is -------------------------------------------------------------------------------------------

    def _contradiction(self, entry: Entry, spoken: Spoken, known: Mapping[tuple[str, str], Known]) -> Case | None:
        """What a message says of its patient, against who that is known to be. Claims are kept to be asked again."""
        claim = spoken.claim
        if claim is None:
            return None
        if claim.subject:
            person = msgspec.json.encode(claim.person)
            self._draft.claims.append(StoredClaim(claim.patient, claim.subject, entry.seq, entry.channel, person))
        current = known.get(("Patient", claim.patient))
        if current is None:
            return None
        elements = identity.contradictions(self._person(current), claim.person)
        if not elements or (claim.subject and self._state.released(claim.patient, claim.subject, elements)):
            return None  # an operator has decided for the study as a whole: what comes later is no new case
        held = self._channels[entry.channel].identity == "hold"
        return Case(entry.seq, entry.channel, claim.patient, claim.subject, elements, held)

    def _person(self, known: Known) -> identity.Person:
        """Who a patient is known to be; remembered by the version's digest."""
        found = self._people.get(known.digest)
        if found is None:
            shows = shown(known.registers.cells)
            names = [
                name
                for (path, _), value in shows.items()
                if path == "name" and isinstance(value, list)
                for name in value
            ]
            found = identity.person_of(
                {"gender": shows.get(("gender", "")), "birthDate": shows.get(("birthDate", "")), "name": names}
            )
            if len(self._people) >= 4096:
                self._people.clear()
            self._people[known.digest] = found
        return found

    def _marked(self, case: Case | None, released: bool) -> Mapping[str, str]:
        """Headers of the records of a message whose patient may be another; the case goes to the worklist."""
        if case is None:
            return NO_FACTS
        if released:
            self._draft.verdicts.append((case.entry, "released"))
        else:
            self._draft.cases.append(replace(case, held=False))
        return {identity.HEADER: ",".join(case.elements)}

    def _ask_again(self, patient: str) -> None:
        """The owner has spoken: studies and documents of the patient that said otherwise are cases now, and cases that
        no longer contradict are resolved."""
        claims = {claim.subject: claim for claim in self._state.claims(patient)}
        claims |= {claim.subject: claim for claim in self._draft.claims if claim.patient == patient}
        current = self._draft.known([("Patient", patient)]).get(("Patient", patient))
        if not claims or current is None:
            return
        person = self._person(current)
        cases = (*self._state.cases(patient=patient), *(each for each in self._draft.cases if each.patient == patient))
        open_ = {case.entry for case in cases}
        for claim in claims.values():
            said = msgspec.json.decode(claim.person, type=identity.Person)
            elements = identity.contradictions(person, said)
            decided = self._state.released(patient, claim.subject, elements)
            if elements and claim.entry not in open_ and not decided:
                self._draft.cases.append(Case(claim.entry, claim.channel, patient, claim.subject, elements, False))
        for case in cases:
            kept = claims.get(case.subject)
            if kept is not None and not case.held:
                said = msgspec.json.decode(kept.person, type=identity.Person)
                if not identity.contradictions(person, said):
                    self._draft.verdicts.append((case.entry, "resolved"))

    def _store(
        self, entry: Entry, incoming: Incoming, known: Known | None, result: Settled, headers: Mapping[str, str]
    ) -> None:
        self._draft.add(entry, incoming, known, result, headers=headers)
        if isinstance(result, NewVersion):
            self.metrics.record(incoming.said.group)

    def _fold_quiet(self, action: Entry, received_before: int) -> dict[str, int]:
        """Make anew whatever was added to, but not lately."""
        due = self._state.stale(received_before)
        for growth in due:
            self._fold(action, (growth.type, growth.id))
        return {"folded": len(due)}

    def _fold(self, entry: Entry, key: tuple[str, str]) -> None:
        """Make a resource of all its parts, as what `entry` says. It is a function of the parts, and replaced whole."""
        parts = self._growing.parts(key)
        changes, _ = growing.fold(key, [part.content for part in parts])
        self._growing.folded(key)
        channel = self._channels.get(parts[-1].channel)
        said = [whole(change, self._ownership, channel.topics if channel else {}) for change in changes]
        known = self._draft.known([(each.type, each.id) for each in said])
        origin = Origin(entry.received_at, entry.channel, entry.seq)
        subject = f"{key[0]}/{key[1]}"
        closed = {entry for entry, _ in self._draft.verdicts}
        cases = [case for case in self._state.cases(subject=subject, limit=64) if case.entry not in closed]
        cases += [case for case in self._draft.cases if case.subject == subject]
        headers = {identity.HEADER: ",".join(cases[0].elements)} if cases else NO_FACTS
        for each in said:
            current = known.get((each.type, each.id))
            incoming = Incoming(each, origin)
            result = journey.settle(current, incoming, Policy())
            self._draft.add(entry, incoming, current, result, again=True, headers=headers)
            if isinstance(result, NewVersion):
                self.metrics.record(each.group)

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
        self._done(Outcome(entry, "dead", clock=clock))

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
        before = [each for each in seen if each.seq < entry.seq and each.status not in NO_EFFECT]
        return any(each.sha256 == entry.sha256 for each in before)

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
        self._asides += 1
        ticket = -self._asides
        try:
            self._mappers.submit(ticket, entry.channel, self._body(entry))
        except BlobMissing as error:
            return _gone(error)
        while (result := self._mappers.result(ticket, 1.0)) is None:
            pass  # ends: the mappers answer every message within its time limit
        return result

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
        self._fail(entry, Failure("identity", "", text), self._state.clock(entry.channel, entry.seq))
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
        self._done(Outcome(entry, "expired", clock=self._state.clock(entry.channel, entry.seq)))
        self.commit()


def _gone(error: BlobMissing) -> Failure:
    return Failure("gone", "", str(error))


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
