"""`tabellion channels` against a running service: one channel changes, the others don't notice."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from adapters.hl7v2.mllp import Sender, acknowledged
from tests.support.load import message
from tests.support.service import Service, settled, tabellion


def channels(data: Path, *words: str, check: bool = True) -> tuple[int, dict[str, dict[str, Any]], str]:
    done = tabellion("channels", *words, "--json", "--data", str(data), check=check)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return done.returncode, {row["name"]: row for row in rows}, done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def from_(sender: str, number: int) -> bytes:
    return message(number).replace(b"|LOAD|TESTFAC|", f"|{sender}|TESTFAC|".encode(), 1)


async def code(sender: Sender, body: bytes) -> str:
    answer = await sender.send(body, 10)
    assert answer is not None
    return acknowledged(answer)[0]


async def once(host: str, port: int, body: bytes) -> str:
    sender = await Sender.connect(host, port, 10)
    try:
        return await code(sender, body)
    finally:
        await sender.close()


def test_list_stop_start_reload(tmp_path: Path) -> None:
    data = tmp_path / "data"
    port = free_port()
    lab = f'[channels.lab]\nlistener = "127.0.0.1:{port}"\n'
    config = '[pipeline]\nmappers = 0\n[channels.adt]\nsending_application = ["HIS"]\n[channels.rest]\n'
    assert channels(data.parent, "list", check=False)[0] == 3

    async def run(service: Service) -> None:
        adt = await Sender.connect(service.host, service.port, 10)  # stays open through all of it
        rest = await Sender.connect(service.host, service.port, 10)
        assert await code(adt, from_("HIS", 1)) == "AA"
        assert await code(rest, from_("XYZ", 2)) == "AA"
        assert await once("127.0.0.1", port, from_("LAB", 3)) == "AA"

        found = (await asyncio.to_thread(channels, data, "list"))[1]
        assert {name: row["state"] for name, row in found.items()} == dict.fromkeys(("adt", "rest", "lab"), "running")
        assert found["adt"]["received"] == {"kept": 1}
        assert found["adt"]["answers"] == {"AA": 1}
        assert found["lab"]["listener"] == f"127.0.0.1:{port}"

        # a shared listener: its messages are our failure, the other channel's go on
        await asyncio.to_thread(channels, data, "stop", "rest")
        assert await code(rest, from_("XYZ", 4)) == "AR"
        await rest.close()
        assert await code(adt, from_("HIS", 5)) == "AA"
        # a listener of its own closes
        await asyncio.to_thread(channels, data, "stop", "lab")
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        await asyncio.to_thread(channels, data, "start", "lab")
        assert await once("127.0.0.1", port, from_("LAB", 6)) == "AA"
        await asyncio.to_thread(channels, data, "start", "rest")
        rest = await Sender.connect(service.host, service.port, 10)
        assert await code(rest, from_("XYZ", 7)) == "AA"

        # reload: a channel goes, another one accepts less; connections stay
        path = data.parent / f"{data.name}.toml"
        path.write_text(config.replace("[channels.rest]", '[channels.rest]\nmessage_types = ["ORU"]'))
        await asyncio.to_thread(channels, data, "reload")
        assert await code(rest, from_("XYZ", 9)) == "AR"
        assert await code(adt, from_("HIS", 10)) == "AA"
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        # a fault changes nothing
        for fault, text in (("zone = 'Mars/Base'", "Mars/Base"), ("translation = 'absent.yaml'", "absent.yaml")):
            path.write_text(f"{config}[channels.bad]\n{fault}\n")
            returned, _, said = await asyncio.to_thread(channels, data, "reload", check=False)
            assert (returned, text in said) == (1, True)
        assert await code(adt, from_("HIS", 11)) == "AA"
        assert (await asyncio.to_thread(channels, data, "stop", "nobody", check=False))[0] == 1
        path.write_text(config.replace("mappers = 0", "mappers = 1"))
        assert "changed, and needs a restart: pipeline" in (await asyncio.to_thread(channels, data, "reload"))[2]
        await asyncio.to_thread(channels, data, "stop", "rest")
        await adt.close()
        await rest.close()

    with Service(data, config + lab) as service:
        assert (data / "control.sock").stat().st_mode & 0o777 == 0o600
        asyncio.run(run(service))
        # what was received is settled, by the writer that came after the reload, too
        assert settled(data)["settled"] == 8
        text = service.get("/metrics")[1]
        assert 'tabellion_mllp_answers{channel="adt",code="AA"} 4' in text
        assert 'tabellion_mllp_answer_seconds_count{channel="adt"} 4' in text
        assert 'tabellion_channel_oldest_seconds{channel="adt"} 0' in text
        assert service.stop() == 0
    assert not (data / "control.sock").exists()
    with Service(data, config) as service:  # stopped is stopped, over a restart
        assert channels(data, "list", "rest")[1]["rest"]["state"] == "stopped"
        assert service.stop() == 0
