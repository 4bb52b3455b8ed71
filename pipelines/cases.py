"""Cases: contradictions of identity, found and resolved while messages are settled (ADR 15).

A message is held against who its patient is known to be; what it said of the person is kept, and held against the
patient again whenever the owner of demographics has spoken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec

from pipelines import identity
from pipelines.channels import Channel
from pipelines.draft import Draft
from pipelines.envelope import NO_FACTS
from pipelines.ports import Case, Entry, State, StoredClaim
from pipelines.registers import shown
from pipelines.said import Spoken
from pipelines.settle import Known

__all__ = ["Cases"]

_PEOPLE = 4096  # remembered


class Cases:
    """Whether a message is of the patient that it names. What it finds goes into the draft that it is handed."""

    def __init__(self, state: State, channels: Mapping[str, Channel]) -> None:
        self._state = state
        self._channels = channels
        self._people: dict[bytes, identity.Person] = {}

    def contradiction(
        self, draft: Draft, entry: Entry, spoken: Spoken, known: Mapping[tuple[str, str], Known]
    ) -> Case | None:
        """What a message says of its patient, against who that is known to be. Claims are kept to be asked again."""
        claim = spoken.claim
        if claim is None:
            return None
        if claim.subject:
            person = msgspec.json.encode(claim.person)
            draft.claims.append(StoredClaim(claim.patient, claim.subject, entry.seq, entry.channel, person))
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
            if len(self._people) >= _PEOPLE:
                self._people.clear()
            self._people[known.digest] = found
        return found

    def closed(self, draft: Draft, entry: Entry) -> None:
        """An earlier message that is settled again contradicts nothing any more."""
        if self._state.cases(entry=entry.seq):
            draft.verdicts.append((entry.seq, "resolved"))

    def passed(self, draft: Draft, case: Case | None, *, released: bool) -> Mapping[str, str]:
        """Headers of the records of a message that is not held, though its patient may be another; the case goes to
        the worklist. `released`: an operator has looked at it."""
        if case is None:
            return NO_FACTS
        if released:
            draft.verdicts.append((case.entry, "released"))
        else:
            draft.cases.append(replace(case, held=False))
        return _headers([case])

    def ask_again(self, draft: Draft, patient: str) -> None:
        """The owner has spoken: studies and documents of the patient that said otherwise are cases now, and cases that
        no longer contradict are resolved."""
        claims = {claim.subject: claim for claim in self._state.claims(patient)}
        claims |= {claim.subject: claim for claim in draft.claims if claim.patient == patient}
        current = draft.known([("Patient", patient)]).get(("Patient", patient))
        if not claims or current is None:
            return
        person = self._person(current)
        cases = (*self._state.cases(patient=patient), *(each for each in draft.cases if each.patient == patient))
        open_ = {case.entry for case in cases}
        for claim in claims.values():
            elements = _differing(person, claim)
            decided = self._state.released(patient, claim.subject, elements)
            if elements and claim.entry not in open_ and not decided:
                draft.cases.append(Case(claim.entry, claim.channel, patient, claim.subject, elements, False))
        for case in cases:
            kept = claims.get(case.subject)
            if kept is not None and not case.held and not _differing(person, kept):
                draft.verdicts.append((case.entry, "resolved"))

    def headers(self, draft: Draft, subject: str) -> Mapping[str, str]:
        """Headers of a resource of many messages: those of its first case that is open."""
        closed = {entry for entry, _ in draft.verdicts}
        cases = [case for case in self._state.cases(subject=subject, limit=64) if case.entry not in closed]
        return _headers([*cases, *(case for case in draft.cases if case.subject == subject)])


def _differing(person: identity.Person, claim: StoredClaim) -> tuple[str, ...]:
    return identity.contradictions(person, msgspec.json.decode(claim.person, type=identity.Person))


def _headers(cases: Iterable[Case]) -> Mapping[str, str]:
    first = next(iter(cases), None)
    return NO_FACTS if first is None else {identity.HEADER: ",".join(first.elements)}
