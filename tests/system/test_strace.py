"""Power safety seen from outside: between the receipt of a message and its acknowledgement lies an fdatasync."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from adapters.hl7v2.mllp import Outgoing, send_all
from tests.support.load import message
from tests.support.service import Service

CALLS = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync,fsync"
COUNT = 20
# (event, pattern): data of a message arriving, a sync, an acknowledgement leaving; on whatever thread
_EVENTS = (
    ("message", re.compile(r'(?:read|recvfrom|recvmsg)(?:\(| resumed>).*"?\\vMSH')),
    ("sync", re.compile(r"(?:fdatasync|fsync)(?:\(\d+\)\s*=\s*0|\s*resumed>\)\s*=\s*0)")),
    ("answer", re.compile(r"(?:write|writev|sendto|sendmsg)\(.*MSA\|AA")),
)


def events(trace: str) -> list[str]:
    """The three kinds of event in the order of time."""
    return [name for line in trace.splitlines() for name, pattern in _EVENTS if pattern.search(line)]


@pytest.mark.strace
def test_a_sync_lies_between_message_and_acknowledgement(tmp_path: Path) -> None:
    """One message at a time: message, sync, answer, each time; never an answer without a sync before it."""
    if shutil.which("strace") is None:
        pytest.skip("strace absent")
    trace = tmp_path / "trace"
    wrap = ("strace", "-f", "-tt", "-s", "400", "-e", f"trace={CALLS}", "-o", str(trace))
    with Service(tmp_path / "data", wrap=wrap) as service:
        asyncio.run(_send(service))
        os.killpg(service.pid, signal.SIGTERM)  # strace passes it on
        service.stop()
    seen = events(trace.read_text(errors="replace"))
    assert seen.count("answer") == COUNT
    assert seen.count("message") >= COUNT
    since: list[str] = []
    for event in seen:
        if event == "message":
            since = ["message"]
        elif event == "sync" and since:
            since.append("sync")
        elif event == "answer":
            assert since[:2] == ["message", "sync"], "an acknowledgement without a sync since its message"
            since = []


async def _send(service: Service) -> None:
    messages = [Outgoing("load", number, message(number)) for number in range(1, COUNT + 1)]
    answers = [answer async for answer in send_all(service.host, service.port, messages, connections=1, timeout=30)]
    assert [answer.code for answer in answers] == ["AA"] * COUNT


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (r'7 10:00:00 read(9, "\vMSH|^~\\&|A"..., 65536) = 300', "message"),
        (r'7 10:00:00 recvfrom(9, "\vMSH|^~\\&|A"..., 65536, 0, NULL, NULL) = 300', "message"),
        ("8 10:00:00 fdatasync(5) = 0", "sync"),
        ("8 10:00:00 <... fdatasync resumed>) = 0", "sync"),
        (r'7 10:00:00 write(9, "\vMSH|^~\\&|T|H\rMSA|AA|1\r\34\r", 80) = 80', "answer"),
    ],
)
def test_patterns(line: str, event: str) -> None:
    """The patterns read what strace writes."""
    assert events(line) == [event]
    assert events(line.replace("= 0", "= -1 EIO")) == ([] if event == "sync" else [event])
