"""`tabellion channels` against a running service: one channel changes, the others don't notice."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from adapters.hl7v2.mllp import Sender, acknowledged
from gateway.serving.operations import ask
from tests.support.load import message
from tests.support.service import Service, settled, tabellion


def channels(data: Path, do: str, channel: str = "") -> tuple[dict[str, dict[str, Any]], str]:
    """What the service says, by channel and as text: what the command prints, without starting one each time."""
    answer = ask(data / "control.sock", do, channel, 60)
    return {row["name"]: row for row in answer.get("channels", ())}, json.dumps(answer)


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
    assert tabellion("channels", "list", "--data", str(data), check=False).returncode == 3

    async def run(service: Service) -> None:
        adt = await Sender.connect(service.host, service.port, 10)  # stays open through all of it
        rest = await Sender.connect(service.host, service.port, 10)
        assert await code(adt, from_("HIS", 1)) == "AA"
        assert await code(rest, from_("XYZ", 2)) == "AA"
        assert await once("127.0.0.1", port, from_("LAB", 3)) == "AA"

        found = (await asyncio.to_thread(channels, data, "list"))[0]
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

        # reload: a channel goes (what it received is settled), another one accepts less; connections stay
        await asyncio.to_thread(settled, data)
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
            none, said = await asyncio.to_thread(channels, data, "reload")
            assert (none, text in said) == ({}, True)
        assert await code(adt, from_("HIS", 11)) == "AA"
        assert "there is no channel" in (await asyncio.to_thread(channels, data, "stop", "nobody"))[1]
        path.write_text(config.replace("mappers = 0", "mappers = 1"))
        assert "changed, and needs a restart: pipeline" in (await asyncio.to_thread(channels, data, "reload"))[1]
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
        listed = tabellion("channels", "list", "rest", "--json", "--data", str(data)).stdout
        assert json.loads(listed)["state"] == "stopped"
        assert tabellion("channels", "start", "nobody", "--data", str(data), check=False).returncode == 1
        assert "running" in tabellion("channels", "start", "rest", "--data", str(data)).stdout
        assert service.stop() == 0
