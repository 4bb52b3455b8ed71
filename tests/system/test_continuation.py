"""A continued message (DSC, MSH-14) over MLLP: each part acknowledged by itself, killed between them, one message."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from adapters.hl7v2 import units
from adapters.hl7v2.mllp import Sender, acknowledged
from pipelines.configuration import load
from pipelines.datafolder import open_folder
from pipelines.deadletters import letters
from pipelines.doctor import first_fault
from pipelines.messages import Found, find, show
from tests.support.load import message
from tests.support.service import Service, settled

CONFIG = "[pipeline]\nmappers = 1\npart_seconds = {}\n[channels.load]\n"


def parts() -> list[bytes]:
    """A result of three values in three parts, the second cut inside its OBX."""
    header, *segments = message(2).strip().split(b"\r")
    middle = segments[3]
    cut = middle.index(b"Value")
    made = [
        [header, *segments[:3], b"DSC|p1|F"],
        [continued(header, 1, b"p1"), middle[:cut], b"DSC|p2|F"],
        [continued(header, 2, b"p2"), b"ADD|" + middle[cut:], *segments[4:]],
    ]
    return [b"\r".join(lines) for lines in made]


def continued(header: bytes, place: int, follows: bytes) -> bytes:
    fields = header.split(b"|")
    fields[9] += b"-%d" % place
    fields[13] = follows
    return b"|".join(fields)


async def send(service: Service, *bodies: bytes) -> list[str]:
    sender = await Sender.connect(service.host, service.port, 60)
    answers = [await sender.send(body, 60) for body in bodies]
    await sender.close()
    return [acknowledged(answer or b"")[0] for answer in answers]


def found(data: Path, body: bytes) -> Found:
    (row,) = find(open_folder(data), control_id=body.split(b"|")[9].decode())
    return row


def test_parts_over_mllp_with_kills_between_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first, second, third = parts()
    with Service(data, CONFIG.format(600)) as service:
        assert asyncio.run(send(service, first, message(1))) == ["AA", "AA"]
        settled(data)
        assert asyncio.run(send(service, second)) == ["AA"]
        service.kill()  # the second may be settled or not
    with Service(data, CONFIG.format(600)) as service:
        assert asyncio.run(send(service, second, third)) == ["AA", "AA"]
        totals = settled(data)
        assert (totals["settled"], totals["dead_letters"]) == (2, 0)
        assert service.stop() == 0
    rows = [found(data, body) for body in (first, second, third)]
    assert [row.status for row in rows] == ["joined", "joined", "settled"]
    shown = show(open_folder(data), load(tmp_path / "data.toml", {}), rows[2].id)
    assert shown.detail["parts"] == [row.id for row in rows]
    (unit,) = units(b"\r".join((first, second, third)))  # as they would stand in a file
    assert shown.raw == unit.body
    assert (shown.bundle or b"").count(b'"resourceType":"Observation"') == 3
    # a beginning without an end
    lone = first.replace(b"|L00000002|", b"|L00000003|", 1)
    with Service(data, CONFIG.format(1)) as service:
        assert asyncio.run(send(service, lone)) == ["AA"]
        until = time.monotonic() + 30
        while not letters(open_folder(data)):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert service.stop() == 0
    assert [letter.cause for letter in letters(open_folder(data))] == ["incomplete"]
    assert first_fault(open_folder(data)) is None
