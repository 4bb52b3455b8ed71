"""Settle over all shared messages: what comes out is valid R4, and the interleaving of the channels does not show."""

from __future__ import annotations

import random
from pathlib import Path

from adapters.fhir import decode_trusted, validate
from adapters.hl7v2 import units
from pipelines import journey
from pipelines.channels import Channel
from pipelines.mapper import Failure, Mapper, MapperConfig
from pipelines.registers import from_bytes, shown
from pipelines.said import Spoken, canonical
from pipelines.settle import Incoming, Known, NewVersion, Policy, after
from pipelines.stamp import Origin, effective
from tests.pipelines.v2 import BASE, NAMESPACE

CHANNELS = ("a", "b", "c", "d")
Key = tuple[str, str]


def messages(folder: Path) -> list[Spoken]:
    """Every distinct message that is taken; nothing may fail but what has no usable header or is an acknowledgement."""
    mapper = Mapper(MapperConfig({"all": Channel("all", processing_ids=())}, NAMESPACE, BASE))
    found = []
    seen = set()
    for path in sorted(folder.rglob("*")):
        for unit in units(path.read_bytes()) if path.is_file() else ():
            if unit.kind == "message" and unit.body not in seen:
                seen.add(unit.body)
                result = mapper.map("all", unit.body)
                if isinstance(result, Failure):
                    assert result.cause in ("header", "refused"), result
                else:
                    found.append(result)
    return found


def settled(channels: dict[str, list[Spoken]], turns: list[str]) -> dict[Key, bytes]:
    known: dict[Key, Known] = {}
    bodies: dict[Key, bytes] = {}
    clocks: dict[str, int | None] = {}
    next_ = dict.fromkeys(channels, 0)
    for place, name in enumerate(turns, 1):
        spoken = channels[name][next_[name]]
        next_[name] += 1
        time, clocks[name] = effective(spoken.event_time, clocks.get(name))
        for said in spoken.said:
            key = (said.type, said.id)
            result = journey.settle(known.get(key), Incoming(said, Origin(time, name, place)), Policy())
            if isinstance(result, NewVersion):
                bodies[key] = result.body
            now = after(known.get(key), result)
            assert now is not None
            known[key] = now
    return bodies


def test_the_corpus_settles_to_valid_resources_whatever_the_interleaving(shared_data: Path) -> None:
    every = messages(shared_data / "hl7v2" / "messages")
    assert len(every) > 1000
    for spoken in every:
        for said in spoken.said:
            if not said.whole:  # the bytes that came with the change are those that its registers show
                alone = shown(from_bytes(said.registers(Origin(0, "a", 1))))
                assert said.body == canonical(said.type, said.id, alone)
    channels = {name: every[number :: len(CHANNELS)] for number, name in enumerate(CHANNELS)}
    turns = [name for name, said in channels.items() for _ in said]
    first = settled(channels, turns)
    random.Random(4711).shuffle(turns)
    assert settled(channels, turns) == first
    faults = [
        (key, finding.expression, finding.text)
        for key, body in first.items()
        for finding in validate(decode_trusted(body))
        if finding.severity == "error"
    ]
    assert faults == []
