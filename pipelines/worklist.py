"""The worklist of identity: contradictions by study or document, and an operator's verdicts (ADR 15)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pipelines.datafolder import DataFolder
from pipelines.deadletters import Replayed, replay
from pipelines.errors import NoSuchEntry
from pipelines.ports import Case
from pipelines.replay import verdict
from pipelines.settings import Settings

__all__ = ["Contradiction", "decide", "worklist"]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One study or document whose patient may be another. `id`: its first message, by which it is named; `held`:
    messages on hold. No values of the messages: `messages show ID` has them."""

    id: int
    channel: str
    patient: str
    subject: str
    elements: tuple[str, ...]
    messages: int
    held: int


def worklist(folder: DataFolder) -> list[Contradiction]:
    """All that are open, oldest first."""
    return [
        Contradiction(
            cases[0].entry,
            cases[0].channel,
            cases[0].patient,
            cases[0].subject,
            tuple(dict.fromkeys(element for case in cases for element in case.elements)),
            len(cases),
            sum(case.held for case in cases),
        )
        for cases in _grouped(folder)
    ]


def decide(folder: DataFolder, settings: Settings, ids: Iterable[int], kind: str) -> Replayed:
    """`release` (it is this patient's) or `reject` (it never takes effect; a dead letter) all messages on hold of these
    contradictions. Raises NoSuchEntry, Unavailable."""
    wanted = set(ids)
    entries = [case.entry for cases in _grouped(folder) if cases[0].entry in wanted for case in cases]
    missing = wanted - set(entries)
    if missing:
        raise NoSuchEntry(f"no open contradiction {min(missing)}: see `tabellion identity worklist`")
    return replay(folder, settings, entries, order=partial(verdict, kind))


def _grouped(folder: DataFolder) -> list[list[Case]]:
    found: dict[tuple[str, str], list[Case]] = {}
    with closing(folder.state_reader()) as state:
        for case in state.cases(limit=1_000_000):
            found.setdefault((case.patient, case.subject or str(case.entry)), []).append(case)
    return list(found.values())
