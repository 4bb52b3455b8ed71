"""`POST /$validate`: 200 with an OperationOutcome about the resource; 400 where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.serving.validating import Validating
from pipelines.packages import add
from tests.adapters.fhir.test_packages import RESOURCES, URL, packed
from tests.gateway.web.listener import Listener, post, status

GOOD = {"resourceType": "Patient", "name": [{"family": "ZZTEST"}]}


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    folder = tmp_path_factory.mktemp("validating")
    (folder / "ward.tgz").write_bytes(packed(*RESOURCES))
    add(folder / "packages", folder / "ward.tgz")
    with Listener(routes=Validating(folder / "packages", Path(folder / "packs")).routes) as each:
        yield each


def parameters(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(parts)}


RESOURCE = {"name": "resource", "resource": GOOD}
WARD = {"name": "profile", "valueUri": URL + "ward-patient"}


@pytest.mark.parametrize(
    ("path", "value", "code", "expected"),
    [
        ("/$validate", GOOD, 200, ("information", "informational", None)),
        ("/$validate", {**GOOD, "gender": "x"}, 200, ("error", "code-invalid", "Patient.gender")),
        ("/$validate?level=structure", {**GOOD, "gender": "x"}, 200, ("error", "code-invalid", "Patient.gender")),
        ("/$validate", parameters(RESOURCE), 200, ("information", "informational", None)),
        ("/$validate", parameters(RESOURCE, WARD), 200, ("error", None, "Patient.identifier")),
        (f"/$validate?profile={URL}ward-patient", GOOD, 200, ("error", None, "Patient.identifier")),
        ("/$validate?profile=urn:nobodys", GOOD, 200, ("error", "not-found", None)),
        ("/Patient/$validate", GOOD, 200, ("information", "informational", None)),
        ("/Observation/$validate", GOOD, 200, ("error", "invalid", None)),
        ("/$validate?level=high", GOOD, 400, ("error", "value", None)),
        ("/$validate", parameters(), 400, ("error", "required", None)),
        ("/$validate", [], 400, ("error", "required", None)),
    ],
)  # fmt: skip
def test_the_outcome_says_what_was_found(
    listener: Listener, path: str, value: Any, code: int, expected: tuple[str, str | None, str | None]
) -> None:
    answer = listener.ask(post(path, json.dumps(value).encode(), "Content-Type: application/fhir+json"))
    assert status(answer) == code
    content = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert content["resourceType"] == "OperationOutcome"
    issues = [(each["severity"], each["code"], each.get("expression", [None])[0]) for each in content["issue"]]
    assert any(all(want in (None, have) for want, have in zip(expected, issue, strict=True)) for issue in issues), (
        issues
    )


def test_hostile_bytes_are_a_sender_s_fault(listener: Listener) -> None:
    for body in (b"", b"{", b'{"a":1,"a":2}', b'{"resourceType":"Patient","x":1e999}', b"\xff"):
        assert status(listener.ask(post("/$validate", body))) == 400
