"""A continued message (DSC, MSH-14) over MLLP: each part acknowledged by itself, killed between them, one message."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from adapters.hl7v2.mllp import Sender, acknowledged
from tests.support.load import message
from tests.support.service import Service, settled, tabellion

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


def found(data: Path, body: bytes) -> list[dict[str, Any]]:
    control = body.split(b"|")[9].decode()
    done = tabellion("messages", "find", "--control-id", control, "--json", "--data", str(data))
    return [json.loads(line) for line in done.stdout.splitlines()]


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
    assert [[row["status"] for row in each] for each in rows] == [["joined"], ["joined"], ["settled"]]
    where = ("--data", str(data), "--config", str(tmp_path / "data.toml"))
    shown = json.loads(tabellion("messages", "show", str(rows[2][0]["id"]), "--json", *where).stdout)
    assert shown["detail"]["parts"] == [each[0]["id"] for each in rows]
    kinds = [entry["resource"]["resourceType"] for entry in shown["bundle"]["entry"]]
    assert kinds.count("Observation") == 3
    # the same message in a file says the same
    (tmp_path / "whole.hl7").write_bytes(b"\r".join((first, second, third)))
    tabellion("convert", str(tmp_path / "whole.hl7"), "--out", str(tmp_path / "out"))
    (file,) = (tmp_path / "out").rglob("*.json")
    converted = [entry["resource"]["resourceType"] for entry in json.loads(file.read_text())["entry"]]
    assert sorted(converted) == sorted(kinds)
    # a beginning without an end
    lone = first.replace(b"|L00000002|", b"|L00000003|", 1)
    with Service(data, CONFIG.format(1)) as service:
        assert asyncio.run(send(service, lone)) == ["AA"]
        until = time.monotonic() + 30
        while settled(data)["dead_letters"] == 0:
            assert time.monotonic() < until
        assert service.stop() == 0
    (letter,) = tabellion("deadletters", "list", "--json", "--data", str(data)).stdout.splitlines()
    assert json.loads(letter)["cause"] == "incomplete"
    tabellion("doctor", "--data", str(data))
