"""DICOM through the real service: no acknowledged instance is lost, bytes stay as sent, STOW-RS answers by the book."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipelines.datafolder import DataFolder
from tests.adapters.dicom.network.test_server import sendable
from tests.adapters.dicom.pydicom_files import folder
from tests.mappings.dicom.made import dumped, image
from tests.support.dicom import File, Sender
from tests.support.service import Service, settled, tabellion

CONFIG = """\
[dicom]
quiet_seconds = 0.5
[channels.adt]
default_authority = "ZZHOSP"
[channels.ct]
format = "dicom"
zone = "Europe/Zurich"
default_authority = "ZZHOSP"
"""


def kept(data: Path) -> dict[bytes, bytes]:
    """SOP Instance UID → bytes of every instance in the journal."""
    found = {}
    opened = DataFolder(data)
    with closing(opened.journal_reader()) as journal:
        entries = journal.read(0, 100_000)
    for entry in entries:
        if entry.format == "dicom":
            body = entry.body if entry.body is not None else opened.blobs.read(entry.sha256)
            assert sha256(body).digest() == entry.sha256
            found[entry.control_id] = body
    return found


@pytest.mark.parametrize("rounds", [3])
def test_no_acknowledged_instance_is_lost_when_the_service_is_killed(tmp_path: Path, rounds: int) -> None:
    """Every file that may be sent, over several associations, SIGKILL in the middle of each round."""
    data = tmp_path / "data"
    files = [file for file in {each.sop_instance: each for each in sendable()}.values() if len(file.body) < 1 << 20]
    acknowledged: dict[bytes, bytes] = {}
    waiting = list(files)
    for turn in range(rounds):
        service = Service(data, CONFIG)
        last = turn == rounds - 1
        done: list[File] = []
        threads = [threading.Thread(target=_send, args=(service.ready["dicom"], waiting[at::2], done)) for at in (0, 1)]
        for thread in threads:
            thread.start()
        if last:
            for thread in threads:
                thread.join(120)
            assert service.stop() == 0
        else:
            wanted = len(waiting) // (rounds - turn)
            until = time.monotonic() + 60
            while len(done) < wanted and time.monotonic() < until:
                time.sleep(0.01)
            service.kill()
            for thread in threads:
                thread.join(60)
        acknowledged |= {file.sop_instance.encode(): file.body for file in done}
        waiting = [file for file in waiting if file.sop_instance.encode() not in acknowledged]
    assert not waiting
    stored = kept(data)
    assert {uid: stored.get(uid) for uid in acknowledged} == acknowledged
    assert not list((data / "blobs").glob(".incoming-*.part"))
    assert json.loads(tabellion("doctor", "--json", "--data", str(data)).stdout)["sound"]


def _send(address: str, files: list[File], done: list[File]) -> None:
    for at in range(0, len(files), 40):
        sender = Sender(address, files[at : at + 40])
        if not sender.association.is_established:
            return
        for file in files[at : at + 40]:
            if sender.send(file) != 0:
                return
            done.append(file)
        sender.close()


def test_a_study_by_cstore_and_stow_settles_and_is_brought_up_to_date_by_quiet(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service(data, CONFIG) as service:
        for number in range(3):
            status, answer = _post(service, _multipart(dumped(image(SOPInstanceUID=f"1.2.3.{number}"))))
            assert (status, list(answer)) == (200, ["00081199"])
        if shutil.which("storescu"):
            host, port = service.ready["dicom"].split(":")
            ct = folder() / "test_files" / "CT_small.dcm"
            done = subprocess.run(["storescu", host, port, str(ct)], capture_output=True, check=False)
            assert done.returncode == 0
        until = time.monotonic() + 30
        while time.monotonic() < until:
            settled(data)
            if _instances(data) == [1, 2, 3]:
                break
            time.sleep(0.2)
        assert _instances(data) == [1, 2, 3]
        assert service.stop() == 0


def _instances(data: Path) -> list[int]:
    """numberOfInstances of every version of the study, as a subscriber sees them."""
    lines = tabellion("topics", "tail", "fhir.default.imaging.v1", "--data", str(data), "--json").stdout.splitlines()
    import base64

    found = []
    for line in lines:
        made = json.loads(base64.b64decode(json.loads(line)["value_base64"]))
        if "urn:oid:1.2.276.0.7230010.3.1.2.1" in json.dumps(made.get("identifier", [])):
            found.append(made["numberOfInstances"])
    return found


def _multipart(*contents: bytes) -> bytes:
    made = b"".join(b"--xx\r\nContent-Type: application/dicom\r\n\r\n" + each + b"\r\n" for each in contents)
    return made + b"--xx--\r\n"


def _post(service: Service, body: bytes, study: str = "", kind: str = "") -> tuple[int, dict[str, Any]]:
    url = f"http://{service.ready['http']}/dicom-web/studies{study}"
    headers = {"Content-Type": kind or 'multipart/related; type="application/dicom"; boundary=xx'}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_stow_says_what_was_stored_and_what_was_not(tmp_path: Path) -> None:
    good, other = (
        dumped(image(SOPInstanceUID="1.2.3.1")),
        dumped(image(SOPInstanceUID="1.2.3.2", StudyInstanceUID="1.2.9")),
    )
    study = "/1.2.276.0.7230010.3.1.2.1"
    with Service(tmp_path / "data", CONFIG) as service:
        status, answer = _post(service, _multipart(good, other, b"no DICOM"), study)
        assert status == 202
        assert [each["00081155"]["Value"] for each in answer["00081199"]["Value"]] == [["1.2.3.1"]]
        assert [each["00081197"]["Value"] for each in answer["00081198"]["Value"]] == [[0xA900], [0xC000]]
        assert _post(service, _multipart(other), study)[0] == 409
        assert _post(service, good, kind="application/dicom")[0] == 200
        assert _post(service, b"--xx cut", study)[0] == 400
        assert _post(service, good, kind="text/plain")[0] == 415
        assert set(kept(tmp_path / "data")) == {b"1.2.3.1"}
