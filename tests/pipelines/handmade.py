"""Messages made by hand: JSON bodies that become `Mapped` without the engine, to test the ordered half alone."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from adapters.fhir import decode_trusted
from mappings import Change, Element, Mapped
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder, init_folder
from pipelines.envelope import Envelope
from pipelines.mapper import Failure, Result
from pipelines.ownership import ownership
from pipelines.said import speak
from pipelines.settings import Pipeline
from pipelines.state import SqliteState
from pipelines.writer import Writer

KEY = b"k" * 32  # of search terms
CHANNELS = {
    "adt": Channel("adt"),
    "lab": Channel("lab"),
    "careful": Channel("careful", error_policy="wait", hold_limit=3),
}


def body(
    *changes: tuple[str, str, str | None, dict[str, Any]],
    time: str | None = None,
    family: str = "ADT",
    merges: Iterable[tuple[str, str]] = (),
    fail: str = "",
    patients: Iterable[str] = (),
) -> bytes:
    """A message: changes as (type, id, patient, {'path' or 'path|slot': value})."""
    return json.dumps(
        {
            "changes": changes,
            "time": time,
            "family": family,
            "merges": list(merges),
            "fail": fail,
            "patients": list(patients),
        }
    ).encode()


def patient(id_: str, **values: Any) -> tuple[str, str, str | None, dict[str, Any]]:
    return "Patient", id_, id_, values


def result(data: bytes) -> Result:
    """What mappers make of a body."""
    said = json.loads(data)
    if said["fail"]:
        return Failure(said["fail"], "PID-3.1", "made to fail", tuple(said["patients"]))
    return speak(mapped(data), ownership(), {}, KEY)


def mapped(data: bytes) -> Mapped:
    """What maps would make of a body."""
    said = json.loads(data)
    changes = tuple(
        Change(
            kind,
            id_,
            patient,
            tuple(Element(path.partition("|")[0], path.partition("|")[2], value) for path, value in values.items()),
        )
        for kind, id_, patient, values in said["changes"]
    )
    return Mapped(
        family=said["family"],
        type=f"{said['family']}^A01",
        event_time=said["time"],
        timestamp=None,
        control_id="",
        sha256=sha256(data).digest(),
        map_hash="hand",
        changes=changes,
        issues=(),
        residue=(),
        excused=(),
        leaves=(1, 0, 0, 0),
        status="ok",
        merges=tuple((old, new) for old, new in said["merges"]),
    )


EMPTY = mapped(body())


class Hands:
    """Mappers that read the bodies above. `cured`: failures that no longer happen (the map was corrected)."""

    def __init__(self) -> None:
        self.cured: set[str] = set()
        self.lag = 0  # how often a result is not there yet
        self._jobs: dict[int, bytes] = {}
        self._asked: dict[int, int] = {}

    def submit(self, ticket: int, channel: str, data: bytes) -> None:
        self._jobs[ticket] = data

    def result(self, ticket: int, timeout: float) -> Result | None:
        asked = self._asked[ticket] = self._asked.get(ticket, 0) + 1
        if asked <= self.lag:
            return None
        data = self._jobs.pop(ticket)
        said = json.loads(data)
        if said["fail"] in self.cured:
            data = json.dumps(said | {"fail": ""}).encode()
        return result(data)

    def close(self) -> None:
        self._jobs.clear()


class Bench:
    """A data folder with a writer on it."""

    def __init__(self, path: Path) -> None:
        self.folder: DataFolder = init_folder(path / "data")
        self.hands = Hands()
        self.count = 0

    def keep(self, channel: str, *bodies: bytes, control_id: str | None = None) -> list[int]:
        """Append to the journal; each message its own control id unless one is given."""
        made = []
        with closing(self.folder.journal()) as journal:
            for data in bodies:
                self.count += 1
                name = (control_id or f"c{self.count}").encode()
                made.append(journal.append(Envelope(channel, "hl7v2", data, name)).result(10).seq)
        return made

    def act(self, envelope: Envelope) -> int:
        with closing(self.folder.journal()) as journal:
            return journal.append(envelope).result(10).seq

    def writer(self, state: SqliteState, **pipeline: Any) -> Writer:
        return Writer(
            state,
            self.folder.journal_reader(),
            self.folder.blobs,
            self.hands,
            channels=CHANNELS,
            pipeline=replace(Pipeline(), **pipeline),
            effective_map=_no_map,
        )

    def settle(self, **pipeline: Any) -> int:
        """Settle all there is, with a writer of its own: each call is a restart."""
        with closing(self.folder.state()) as state:
            return self.writer(state, **pipeline).drain()

    def resource(self, type_: str, id_: str) -> dict[str, Any] | None:
        with closing(self.folder.state_reader()) as state:
            current = state.current(type_, id_)
            data = None if current is None else state.body(current.seq)
            if data is None:
                return None
            found = decode_trusted(data)
            assert isinstance(found, dict)
            return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self.folder.state_reader()) as state:
            return [tuple(row) for row in state.connection.execute(query)]


class _NoMap:
    hash = ""
    content = b""


def _no_map(channel: str) -> Any:
    return _NoMap()
