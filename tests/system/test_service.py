"""The service from outside, over real sockets: probes, modes of answering, its own failures, drain, restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

from adapters.hl7v2.mllp import Answer, Outgoing, acknowledged, frame, send_all
from tests.support.load import message
from tests.support.service import COMMAND, Service, settled, tabellion


def send(service: Service, *bodies: bytes, connections: int = 1) -> list[Answer]:
    """Send and gather the answers in order of sending."""

    async def run() -> list[Answer]:
        messages = [Outgoing("test", number, body) for number, body in enumerate(bodies)]
        answers = send_all(service.host, service.port, messages, connections, timeout=30)
        return sorted([answer async for answer in answers], key=lambda answer: answer.index)

    return asyncio.run(run())


def samples_of(folder: Path, name: str) -> bytes:
    """One sample, marked as production: a default channel takes no tests."""
    return (folder / "hl7v2" / name).read_bytes().replace(b"|T|2", b"|P|2", 1)


def test_probes_and_metrics(tmp_path: Path) -> None:
    """Live, ready, metrics with what was received and the age of the oldest that is not settled."""
    with Service(tmp_path / "data") as service:
        assert service.get("/livez")[0] == 200
        assert service.get("/readyz") == (200, '{"ready": true, "causes": []}')
        assert service.get("/nothing")[0] == 404
        send(service, *[message(number) for number in range(1, 11)], connections=3)
        settled(tmp_path / "data")
        until = time.monotonic() + 10
        while "tabellion_oldest_unprocessed_seconds 0" not in service.get("/metrics")[1]:
            assert time.monotonic() < until
            time.sleep(0.2)
        text = service.get("/metrics")[1]
        assert 'tabellion_intake_kept_total{channel="hl7v2",status="kept"} 10' in text
        assert 'tabellion_mllp_answers{channel="hl7v2",code="AA"} 10' in text
        assert service.stop() == 0


def test_sigterm_drains_and_a_restart_goes_on(tmp_path: Path) -> None:
    """What is acknowledged is settled before the end; the next start goes on with the same log."""
    data = tmp_path / "data"
    for first in (1, 101):
        with Service(data) as service:
            answers = send(service, *[message(number) for number in range(first, first + 100)], connections=4)
            assert {answer.code for answer in answers} == {"AA"}
            assert service.stop() == 0
        status = json.loads(tabellion("status", "--json", "--data", str(data)).stdout)
        assert status["backlog"] == 0
        assert status["settled"] == first + 99
    assert json.loads(tabellion("doctor", "--json", "--data", str(data)).stdout)["sound"]


def test_one_service_per_folder(tmp_path: Path) -> None:
    """A second one is refused in plain words, and the first goes on."""
    with Service(tmp_path / "data") as service:
        done = tabellion("serve", "--data", str(tmp_path / "data"), "--mllp", "127.0.0.1:0", check=False)
        assert done.returncode == 2
        assert "another process" in done.stderr
        assert service.get("/livez")[0] == 200


def test_full_disk_is_our_failure(tmp_path: Path) -> None:
    """With too little space left: AR 207, the connection closes, readiness goes, nothing is acknowledged."""
    with Service(tmp_path / "data", f"[storage]\nmin_free_bytes = {1 << 60}\n") as service:

        async def run() -> bytes:
            reader, writer = await asyncio.open_connection(service.host, service.port)
            writer.write(frame(message(1)))
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return answer

        answer = asyncio.run(run())
        assert acknowledged(answer.strip(b"\x0b\x1c\r"))[0] == "AR"
        assert b"|207^" in answer
        status, body = service.get("/readyz")
        assert status == 503
        assert "journal" in body
        assert service.get("/livez")[0] == 200


def test_enhanced_mode_over_the_wire(tmp_path: Path) -> None:
    """CA for AL, nothing for NE (tests/system/test_enhanced.py: what comes later)."""
    with Service(tmp_path / "data") as service:
        plain = message(3)
        asked = plain.replace(b"|P|2.5.1||||||", b"|P|2.5.1|||AL|AL||", 1)
        silent = message(6).replace(b"|P|2.5.1||||||", b"|P|2.5.1|||NE|NE||", 1)
        answers = send(service, asked, silent)
        assert [answer.code for answer in answers] == ["CA", None]
        assert settled(tmp_path / "data")["settled"] == 2
        assert service.stop() == 0


def test_sent_again_and_changed(tmp_path: Path) -> None:
    """Twice the same: answered twice, settled once. The same control id with other bytes: kept and settled, too."""
    with Service(tmp_path / "data") as service:
        changed = message(1).replace(b"LOAD^N1|", b"LOAD^OTHER|")
        assert [answer.code for answer in send(service, message(1), message(1), changed)] == ["AA"] * 3
        status = settled(tmp_path / "data")
        assert status["settled"] == 2
        found = tabellion("messages", "find", "--control-id", "L00000001", "--json", "--data", str(tmp_path / "data"))
        assert len(found.stdout.splitlines()) == 2


def test_a_message_is_followed_up(tmp_path: Path, samples: Path) -> None:
    """By patient identifier to raw bytes, Bundle, lineage and a receipt that verifies."""
    data = tmp_path / "data"
    body = samples_of(samples, "08-oru-numeric.hl7")
    with Service(data) as service:
        assert [answer.code for answer in send(service, body)] == ["AA"]
        settled(data)
        words = ("messages", "find", "--patient", "4711001", "--json", "--data", str(data))
        (row,) = map(json.loads, tabellion(*words).stdout.splitlines())
        assert row["status"] == "settled"
        shown = json.loads(tabellion("messages", "show", str(row["id"]), "--json", "--data", str(data)).stdout)
        assert shown["bundle"]["type"] == "transaction"
        assert len([record for record in shown["records"] if "Observation/" in record["subject"]]) == 12
        assert any("OBX" in line and "Observation" in line for line in shown["lineage"])
        raw = tabellion("messages", "show", str(row["id"]), "--part", "raw", "--data", str(data)).stdout
        assert raw.encode() == body.rstrip(b"\r").replace(b"\r", b"\n") or raw.encode() == body.rstrip(b"\r")


def test_killed_intake_takes_its_children_along(tmp_path: Path) -> None:
    """SIGKILL of the one process that a supervisor sees: writer and mappers end by themselves, a restart works."""
    data = tmp_path / "data"
    with Service(data) as service:
        send(service, message(1))
        settled(data)
        os.kill(service.pid, signal.SIGKILL)
        until = time.monotonic() + 15
        while _group(service.pid):
            assert time.monotonic() < until, "processes are left behind"
            time.sleep(0.1)
    with Service(data) as service:
        assert [answer.code for answer in send(service, message(2))] == ["AA"]
        assert settled(data)["settled"] == 2


def _group(group: int) -> list[int]:
    """Living processes of a group, zombies aside."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def test_a_killed_writer_is_started_again(tmp_path: Path) -> None:
    """Intake goes on meanwhile; nothing is lost."""
    data = tmp_path / "data"
    with Service(data) as service:
        send(service, message(1))
        settled(data)
        children = [pid for pid in _group(service.pid) if pid != service.pid]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        assert [answer.code for answer in send(service, *map(message, range(2, 30)))] == ["AA"] * 28
        assert settled(data)["settled"] == 29
        assert service.stop() == 0


def test_command_line_is_the_installed_one() -> None:
    """What the tests start is what a user starts."""
    assert COMMAND[1:] == ["-m", "gateway.cli"]


def test_a_wrong_configuration_ends_it_at_once(tmp_path: Path) -> None:
    """A channel of another tenant, faulty overlays: exit 2 with the reason, not a service that never gets ready."""
    overlay = tmp_path / "overlay" / "segments"
    overlay.mkdir(parents=True)
    (overlay / "PID-Patient.yaml").write_text("segment: PID -> Patient\nrows:\n- {to: nonsense, from: PID-5}\n")
    for number, (text, said) in enumerate(
        [('tenant = "other"', "tenant"), (f'overlays = ["{tmp_path / "overlay"}"]', "nonsense")]
    ):
        config = tmp_path / f"{number}.toml"
        config.write_text(f"[channels.test]\n{text}\n")
        words = ("serve", "--config", str(config), "--data", str(tmp_path / "data"), "--mllp", "127.0.0.1:0")
        done = tabellion(*words, check=False, timeout=30)
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
