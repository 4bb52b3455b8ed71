"""FHIR over HTTP through the whole service: to the topic with a receipt, once however often sent; patients of both
formats are one; and nothing of a message is found where patient data must never be."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.pipelines.v2 import adt, pid
from tests.support.service import Service, settled, tabellion

TOKEN = "token-of-the-system-test"
MR = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
CONFIG = f"""
[http]
tokens = ["{TOKEN}"]
[channels.adt]
zone = "Europe/Zurich"
[channels.ehr]
format = "fhir"
sender_base = "https://ehr.example/fhir"
"""


def post(service: Service, path: str, body: bytes, token: str = TOKEN, kind: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": kind or "application/octet-stream"}
    request = urllib.request.Request(f"http://{service.ready['http']}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def events(data: Path, group: str) -> list[dict[str, Any]]:
    done = tabellion("topics", "tail", f"fhir.default.{group}.v1", "--json", "--data", str(data))
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_submitted_fhir_reaches_topic_and_receipt_once(tmp_path: Path, samples: Path) -> None:
    data = tmp_path / "data"
    bundle = (samples / "fhir" / "01-transaction.json").read_bytes()
    message = adt("A01", "20260301080000", pid(), control_id="V1").replace(b"NORTHTEST^MR", b"X&2.999.1&ISO^MR")
    texts = {}
    with Service(data, CONFIG) as service:
        assert post(service, "/ingest/fhir", bundle, token="x" * 20)[0] == 401
        code, kept = post(service, "/ingest/fhir", bundle, kind="application/fhir+json")
        assert (code, kept["status"]) == (202, "kept")
        first = settled(data)
        again = post(service, "/ingest/fhir", bundle, kind="application/fhir+json")
        assert again[0] == 202
        second = settled(data)
        assert post(service, "/ingest/hl7v2", message)[0] == 202
        refused = post(service, "/ingest/fhir", b'{"resourceType": "Patient", "id": "ZZCANARY", "id": 1e999}')
        assert refused[0] == 400
        deletes = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"request": {"method": "DELETE", "url": "Patient/ZZCANARY"}}],
        }
        refused_ = post(service, "/ingest/fhir", json.dumps(deletes).encode())
        assert refused_[0] == 400
        assert refused_[1]["issue"][0]["expression"] == ["Bundle.entry[0].request.method"]
        bad = {
            "resourceType": "Observation",
            "id": "ZZCANARY",
            "status": "ZZCANARY",
            "subject": {"reference": "ZZCANARY"},
        }
        assert post(service, "/ingest/fhir", json.dumps(bad).encode())[0] == 202
        third = settled(data)
        validated = post(service, "/$validate", json.dumps(bad).encode())
        assert validated[0] == 200
        texts["answers"] = json.dumps([refused, refused_, validated])
        texts["metrics"] = service.get("/metrics")[1]
        service.stop()
    assert first["records"] == second["records"] == 3
    assert third["dead_letters"] == 1
    patients = events(data, "patient")
    assert len({event["headers"]["ce_subject"].partition("/_history")[0] for event in patients}) == 1  # v2's is FHIR's
    assert [event["headers"]["ce_subject"].rpartition("/")[2] for event in patients] == ["1", "2"]
    merged = json.loads(base64.b64decode(patients[-1]["value_base64"]))
    assert {each.get("system") for each in merged["identifier"]} >= {
        "urn:oid:2.999.1",
        "https://ehr.example/fhir/Patient",
    }
    key = tmp_path / "key"
    key.write_text(tabellion("keys", "show", "--data", str(data)).stdout)
    for event in [*patients, *events(data, "observation")]:
        (tmp_path / "record").write_bytes(base64.b64decode(event["value_base64"]))
        (tmp_path / "receipt").write_text(event["headers"]["tabellion-receipt"])
        tabellion(
            "verify", "--record", str(tmp_path / "record"), "--receipt", str(tmp_path / "receipt"), "--key", str(key)
        )
        texts[f"event {event['topic']} {event['offset']}"] = json.dumps({**event, "value_base64": ""})
    observation = json.loads(base64.b64decode(events(data, "observation")[0]["value_base64"]))
    assert b'"value":13.20' in base64.b64decode(events(data, "observation")[0]["value_base64"])
    assert observation["subject"]["reference"].startswith("Patient/")
    shown = tabellion("messages", "show", str(kept["id"]), "--data", str(data), "--config", str(tmp_path / "data.toml"))
    assert "Observation" in shown.stdout
    texts["log"] = service.log.read_text()
    for words in (("status",), ("doctor",), ("deadletters", "list")):
        done = tabellion(*words, "--data", str(data), check=False)
        texts[" ".join(words)] = done.stdout + done.stderr
        assert words[0] == "deadletters" or done.returncode == 0
    assert not {where for where, text in texts.items() if "ZZCANARY" in text or TOKEN in text or "ZZTEST" in text}


def test_a_kill_between_commit_and_move_loses_and_repeats_nothing(tmp_path: Path, samples: Path) -> None:
    """A watched folder: the file is taken again by the next start, and settled once."""
    data, inbox, steps = tmp_path / "data", tmp_path / "inbox", tmp_path / "steps"
    inbox.mkdir()
    steps.mkdir()
    config = f'[channels.ehr]\nformat = "fhir"\nfolder = "{inbox}"\nfolder_seconds = 0.1\n'
    lines = (samples / "fhir" / "03-lines.ndjson").read_bytes()
    with Service(data, config, crash=f"between-keep-and-move={steps}") as service:
        (steps / "armed").touch()
        (inbox / "lines.ndjson").write_bytes(lines)
        until = time.monotonic() + 30
        while service.running and time.monotonic() < until:
            time.sleep(0.05)
        assert (steps / "hit").exists()
        service.kill()
    assert (inbox / "lines.ndjson").exists()
    with Service(data, config) as service:
        until = time.monotonic() + 30
        while not (inbox / "done" / "lines.ndjson").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        status = settled(data)
        assert service.get("/readyz")[0] == 200
        assert "lines.ndjson" not in service.log.read_text()
        assert service.stop() == 0
    assert (status["settled"], status["records"]) == (2, 4)
    assert [each for each in inbox.rglob("*") if each.is_file()] == [inbox / "done" / "lines.ndjson"]
