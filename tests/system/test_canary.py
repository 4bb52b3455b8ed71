"""Canary names go through the whole service; none of them is found where patient data must never be."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from pathlib import Path

from adapters.hl7v2.mllp import Outgoing, send_all
from tests.support.service import Service, settled, tabellion

# name, given, MRN, phone, street, SSN, a result's text, a note: each unmistakable
CANARIES = (
    "ZZCANARYFAMILY",
    "ZZCANARYGIVEN",
    "ZZCANARYMRN77",
    "ZZCANARY5550199",
    "ZZCANARYSTREET",
    "ZZCANARYSSN",
    "ZZCANARYRESULT",
    "ZZCANARYNOTE",
)
FAMILY, GIVEN, MRN, PHONE, STREET, SSN, RESULT, NOTE = CANARIES
HEAD = "MSH|^~\\&|APP|FAC|T|H|20260303101500+0000||{type}|{id}|P|2.5.1||||||UNICODE UTF-8"
PERSON = f"PID|1||{MRN}^^^FAC^MR||{FAMILY}^{GIVEN}||19700101|F|||{STREET}^^TOWN||^PRN^PH^^^^{PHONE}||||||{SSN}"
MESSAGES = {
    "good admission": [HEAD.format(type="ADT^A01^ADT_A01", id="C1"), "EVN|A01|20260303", PERSON, "PV1|1|I|W1^2^3"],
    "good result": [
        HEAD.format(type="ORU^R01^ORU_R01", id="C2"),
        PERSON,
        "OBR|1|P1|F1|1^Test^L|||20260303101500",
        f"OBX|1|ST|1^Test^L||{RESULT}||||||F",
        f"NTE|1|L|{NOTE}",
    ],
    "values that do not fit their fields": [
        HEAD.format(type="ADT^A08^ADT_A01", id="C3"),
        f"EVN|A08|{FAMILY}",
        PERSON.replace("19700101", GIVEN).replace("|F|", f"|{STREET}|"),
        f"PV1|{NOTE}|{FAMILY}|{MRN}|||||||||||||||||||||||||||||||||||||||||{SSN}",
    ],
    "no type": [f"MSH|^~\\&|APP|FAC|T|H|2026|||C4|P|2.5.1|{FAMILY}", PERSON],
    "refused": [HEAD.format(type="ADT^A01^ADT_A01", id="C5").replace("|P|", "|T|"), PERSON],
    "type is a name": [HEAD.format(type=f"{FAMILY}^{GIVEN}", id="C6"), PERSON],
    "control id is a name": [HEAD.format(type="ADT^A01^ADT_A01", id=FAMILY), PERSON],
    "sender is a name": [HEAD.format(type="ADT^A01^ADT_A01", id="C7").replace("APP|FAC", f"{FAMILY}|{GIVEN}"), PERSON],
}


def canaries_in(text: str) -> list[str]:
    """Those found, whatever the case."""
    return [canary for canary in CANARIES if canary.lower() in text.lower()]


async def _send(service: Service) -> list[str | None]:
    bodies = ["\r".join(segments).encode() for segments in MESSAGES.values()]
    messages = [Outgoing("canary", number, body) for number, body in enumerate(bodies)]
    return [answer.code async for answer in send_all(service.host, service.port, messages, connections=1, timeout=30)]


RESOURCE = {
    "resourceType": "Patient",
    "id": MRN,
    "name": [{"family": FAMILY, "given": [GIVEN]}],
    "gender": STREET,
    "birthDate": NOTE,
    "telecom": [{"system": "phone", "value": PHONE}],
    SSN: {"value": SSN},
}


def _post(service: Service) -> dict[str, str]:
    """The same over HTTP, and as FHIR, also as nothing that can be read; what was answered."""
    bodies = [("hl7v2", "\r".join(segments).encode()) for segments in MESSAGES.values()]
    whole = json.dumps(RESOURCE).encode()
    bodies += [("fhir", whole), ("fhir", whole[:-1]), ("fhir", whole.replace(b'"id"', b'"name"')), (FAMILY, whole)]
    answers = {}
    for number, (format_, body) in enumerate(bodies):
        query = "" if number % 3 else f"?channel={GIVEN}"
        request = urllib.request.Request(f"http://{service.ready['http']}/ingest/{format_}{query}", body)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                answers[f"answer {number}: {answer.status}"] = answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                answers[f"answer {number}: {error.code}"] = error.read().decode()
    return answers


def test_no_canary_leaves_where_it_must_not(tmp_path: Path) -> None:
    """Logs, metrics, probes, errors, keys and headers of events, status, doctor, dead letters, receipts, reports."""
    data = tmp_path / "data"
    with Service(data) as service:
        codes = asyncio.run(_send(service))
        assert codes[0] == "AA"
        assert {"AE", "AR"} <= set(codes)
        answers = _post(service)
        assert {"202", "400", "404", "422"} <= {name.rpartition(" ")[2] for name in answers}
        settled(data)
        texts = {f"http {path}": service.get(path)[1] for path in ("/livez", "/readyz", "/metrics", f"/{FAMILY}")}
        service.stop()
    texts |= answers
    texts["log"] = service.log.read_text()
    values = []
    for topic in map(json.loads, tabellion("topics", "list", "--json", "--data", str(data)).stdout.splitlines()):
        name = topic["topic"]
        for line in tabellion("topics", "tail", name, "--json", "--data", str(data)).stdout.splitlines():
            event = json.loads(line)
            values.append(event.pop("value_base64"))
            texts[f"event {name} {event['offset']}"] = json.dumps(event)
    for words in (("status",), ("doctor",), ("deadletters", "list")):
        done = tabellion(*words, "--data", str(data), check=False)
        texts[" ".join(words)] = done.stdout + done.stderr
    found = {where: canaries for where, text in texts.items() if (canaries := canaries_in(text))}
    assert not found
    import base64

    carried = b"".join(map(base64.b64decode, values)).decode()
    assert FAMILY in carried  # the records themselves hold them: the test looks for what is really there
    assert RESULT in carried


def test_no_canary_in_the_report_of_convert(tmp_path: Path) -> None:
    """The report names paths and reasons, never values."""
    source = tmp_path / "canary.hl7"
    source.write_bytes(b"\r".join("\r".join(segments).encode() for segments in MESSAGES.values()))
    done = tabellion("convert", str(source), "--report", "-")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(MESSAGES)
    for row in rows:
        row.pop("type")  # MSH-9 as sent, which is not patient data but where a sender puts it there
        assert not canaries_in(json.dumps(row))
    assert not canaries_in(done.stderr)
