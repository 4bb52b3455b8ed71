"""docs/ledger.md says what the code does: its recipe is followed here without the room's code."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.verify import Reason

ROOT = Path(__file__).resolve().parents[2]
VECTORS = Path(__file__).with_name("vectors")
PAGE = ROOT / "docs" / "ledger.md"


def test_every_reason_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [reason.value for reason in Reason if f"| `{reason.value}` |" not in page] == []


def test_a_receipt_is_checked_by_the_page_alone() -> None:
    record = (VECTORS / "record.json").read_bytes()
    receipt = json.loads((VECTORS / "receipt.json").read_bytes())
    name, _, encoded = (VECTORS / "log.vkey").read_text().strip().split("+", 2)

    proof, checkpoint = receipt["proof"].split("\n\n", 1)
    _, index_line, *hashes = proof.split("\n")
    at, size = int(index_line.removeprefix("index ")), int(checkpoint.split("\n")[1])
    climbed = hashlib.sha256(b"\0" + receipt["leaf"].encode()).digest()
    last = size - 1
    for beside in map(base64.b64decode, hashes):  # RFC 9162 section 2.1.3.2
        assert last > 0
        if at & 1 or at == last:
            climbed = hashlib.sha256(b"\1" + beside + climbed).digest()
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            climbed = hashlib.sha256(b"\1" + climbed + beside).digest()
        at, last = at >> 1, last >> 1
    assert last == 0
    assert base64.b64encode(climbed).decode() == checkpoint.split("\n")[2]

    text, line = checkpoint.split("\n\n")
    assert text.split("\n")[0] == name
    signature = base64.b64decode(line.strip().rpartition(" ")[2])[4:]
    Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:]).verify(signature, (text + "\n").encode())

    header = json.dumps(receipt["header"], ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    parts = [b"fhir-commit/1", bytes.fromhex(receipt["salt"])]
    for part in (header, record):
        parts += [len(part).to_bytes(8, "big"), part]
    assert hashlib.sha256(b"".join(parts)).hexdigest() == json.loads(receipt["leaf"])["c"]
