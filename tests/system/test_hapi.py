"""An independent implementation at the other end, in both roles: HAPI HL7v2 from Maven Central."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.support.hapi import available, peer
from tests.support.load import message
from tests.support.service import Service, settled, tabellion


@pytest.mark.hapi
def test_hapi_as_client_and_server(tmp_path: Path) -> None:
    """Its client sends and is answered (AA; CA in enhanced mode). Its server gets what `tabellion send` sends, and its
    answers are understood. (It takes whatever has an MSA for an answer to a message of its own, so that application
    acknowledgements can't be shown with it.)"""
    missing = available()
    if missing:
        pytest.skip(missing)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    bodies = [message(1), message(2), message(3).replace(b"|P|2.5.1||||||", b"|P|2.5.1|||AL|AL||", 1)]
    files = []
    for number, body in enumerate(bodies):
        files.append(tmp_path / f"{number}.hl7")
        files[-1].write_bytes(body)
    server = peer("server", str(port))
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        with Service(tmp_path / "data", "[pipeline]\nmappers = 0\n[channels.load]\n") as service:
            client = peer("client", str(service.port), *map(str, files))
            said, trouble = client.communicate(timeout=60)
            assert said.splitlines() == ["AA L00000001", "AA L00000002", "CA L00000003"], trouble
            assert settled(tmp_path / "data")["settled"] == 3
            done = tabellion("send", f"127.0.0.1:{port}", str(files[0]), str(files[1]), "--json", "--timeout", "20")
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            assert [(row["control_id"], row["code"]) for row in rows] == [("L00000001", "AA"), ("L00000002", "AA")]
            assert [server.stdout.readline().split()[:2] for _ in rows] == [["ADT", "L00000001"], ["ORU", "L00000002"]]
            assert service.stop() == 0
    finally:
        server.kill()
        server.communicate()
