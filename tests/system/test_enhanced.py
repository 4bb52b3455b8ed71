"""Enhanced acknowledgement over the real service: CA at once, the application acknowledgement when it is settled."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from adapters.hl7v2.mllp import Sender, acknowledged, peek
from tests.support.load import message
from tests.support.receiver import Receiver
from tests.support.service import Service, tabellion

CONFIG = '[pipeline]\nmappers = 0\n[channels.load]\nreply_accept = "{}"\n'


def asked(number: int, accept: str = "AL", application: str = "AL") -> bytes:
    """A message in enhanced mode."""
    return message(number).replace(b"|P|2.5.1||||||", f"|P|2.5.1|||{accept}|{application}||".encode(), 1)


def broken(number: int) -> bytes:
    """A message that is kept and then fails: a letter can't be a delimiter."""
    return asked(number).replace(b"MSH|^~\\&|", b"MSH|^~x&|", 1)


def test_over_the_same_connection(tmp_path: Path) -> None:
    """AA after CA, with MSA-2 and a control id of its own; MSH-16 decides; the sender's CA ends it. What fails is
    told as AE with ERR. Doctor, backup and restore know the queue."""
    data = tmp_path / "data"

    async def run(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 10)
        for number, application in ((3, "AL"), (6, "SU"), (9, "ER"), (12, "NE")):
            answer = await sender.send(asked(number, application=application), 10)
            assert answer is not None
            assert acknowledged(answer)[0] == "CA"
        for number in (3, 6):
            answer = await sender.application(b"L%08d" % number, 15)
            assert acknowledged(answer) == ("AA", b"L%08d" % number)
            header = peek(answer.strip())
            assert (header.field(15), header.field(16)) == (b"AL", b"NE")
            assert header.control_id.startswith(b"TA")
            assert header.type.startswith("ACK")
        assert set(sender.applications) == {b"L00000003", b"L00000006"}
        assert acknowledged(await sender.send(broken(1), 10) or b"")[0] == "CA"
        answer = await sender.application(b"L00000001", 15)
        assert acknowledged(answer) == ("AE", b"L00000001")
        assert b"\rERR|" in answer
        await _until(service, 'tabellion_outbound_ended_total{channel="load",code="CA"} 3')
        await sender.close()

    with Service(data, CONFIG.format("AL")) as service:
        asyncio.run(run(service))
        tabellion("backup", str(tmp_path / "copy.tar"), "--data", str(data))
        assert service.stop() == 0
    tabellion("doctor", "--data", str(data))
    tabellion("restore", str(tmp_path / "copy.tar"), "--data", str(tmp_path / "restored"))
    assert (tmp_path / "restored" / "outbound.sqlite").exists()


def test_the_next_connection_of_the_sender_gets_what_the_last_one_missed(tmp_path: Path) -> None:
    """Gone before it is settled, the service restarted meanwhile: it comes over the sender's next connection; and the
    same once more, with the same control id, when the sender repeats its message."""
    data = tmp_path / "data"

    async def leave(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 10)
        assert acknowledged(await sender.send(asked(3), 10) or b"")[0] == "CA"
        await sender.close()

    async def come_back(service: Service) -> None:
        sender = await Sender.connect(service.host, service.port, 10)
        sender.expects(b"L00000003")
        assert acknowledged(await sender.send(asked(6), 10) or b"")[0] == "CA"
        first = await sender.application(b"L00000003", 15)
        await sender.application(b"L00000006", 15)
        await _until(service, 'tabellion_outbound_waiting{channel="load",state="waiting"} 0')
        sender.applications.clear()
        assert acknowledged(await sender.send(asked(3), 10) or b"")[0] == "CA"
        again = await sender.application(b"L00000003", 15)
        assert peek(again.strip()).control_id == peek(first.strip()).control_id
        await sender.close()

    with Service(data, CONFIG.format("AL")) as service:
        asyncio.run(leave(service))
        service.kill()
    with Service(data, CONFIG.format("AL")) as service:
        asyncio.run(come_back(service))
        assert service.stop() == 0


def test_to_an_address_until_it_is_accepted(tmp_path: Path) -> None:
    """The receiver is down, then can't store (CE), then accepts: one acknowledgement, one control id."""

    async def run() -> None:
        with Receiver(tmp_path / "received") as receiver:
            config = f'[pipeline]\nmappers = 0\n[channels.load]\nreply_to = "127.0.0.1:{receiver.port}"\n'
            with Service(tmp_path / "data", config) as service:
                sender = await Sender.connect(service.host, service.port, 10)
                assert acknowledged(await sender.send(asked(3), 10) or b"")[0] == "CA"
                await _until(service, 'tabellion_outbound_failed_attempts_total{channel="load"} 1')
                receiver.refuse = 1
                await receiver.listen()
                await _until(service, 'tabellion_outbound_ended_total{channel="load",code="CA"} 1', 30)
                assert [about for about, _ in receiver.received] == [b"L00000003"] * 2
                assert len({own for _, own in receiver.received}) == 1
                await sender.close()
                assert await asyncio.to_thread(service.stop) == 0
                await receiver.close()

    asyncio.run(run())


async def _until(service: Service, line: str, seconds: float = 15) -> None:
    until = time.monotonic() + seconds
    while True:
        text = (await asyncio.to_thread(service.get, "/metrics"))[1]
        if line in text.splitlines():
            return
        assert time.monotonic() < until, [row for row in text.splitlines() if "outbound" in row]
        await asyncio.sleep(0.1)
