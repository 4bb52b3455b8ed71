"""A log of seven made-up records under fixed keys: the maker of tests/ledger/vectors, and of variations of them."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

import apsw
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import checkpoint, keys, tree
from ledger.checkpoint import Checkpoint
from ledger.commitment import Header
from ledger.receipt import Receipt
from ledger.sealing import Seal, seal
from ledger.spliced import splice
from ledger.tlog_proof import TlogProof

VECTORS = Path(__file__).with_name("vectors")
INSTITUTION = "Hôpital Démo (made up)"
ORIGIN = "tabellion.default/0a1b2c3d"
KEY = keys.signing_key(Ed25519PrivateKey.from_private_bytes(sha256(b"key of the small log").digest()), ORIGIN)
SIZE = 7
AT = 4
VERSION = "2"


def identifier(number: int) -> str:
    return f"5f0c1d2e-0000-5000-8000-{number:012}"


def record(number: int) -> bytes:
    return (
        f'{{"code":{{"text":"Glucose \\"à jeun\\" }} {{"}},"contained":[{{"id":"p","meta":{{"versionId":"9"}},'
        f'"resourceType":"Patient"}}],"id":"{identifier(number)}","meta":{{"profile":["https://example.org/p"],'
        f'"tag":[{{"code":"demo"}}]}},"resourceType":"Observation","status":"final",'
        f'"valueQuantity":{{"value":13.2{number}}}}}'
    ).encode()


def header(number: int) -> Header:
    return Header("Observation", identifier(number), VERSION, INSTITUTION)


def sealed(number: int) -> Seal:
    seed = sha256(b"seed %d" % number).digest()
    return seal(seed, header(number), "observation", "2026-03-01", record(number))


def receipt(number: int = AT, *signers: keys.SigningKey) -> Receipt:
    """The receipt of one record, its checkpoint signed by the log's key and those given."""
    seals = [sealed(n) for n in range(SIZE)]
    connection = apsw.Connection(":memory:")
    connection.execute(tree.MIGRATIONS[0])
    head = tree.append(connection, [one.leaf_hash for one in seals])
    signed = checkpoint.sign(Checkpoint(ORIGIN, head.size, head.root), KEY, *signers)
    proof = TlogProof(number, tree.inclusion(connection, number, SIZE), signed)
    return Receipt(seals[number].leaf, seals[number].salt, header(number), proof)


def files() -> dict[str, bytes]:
    """What stands in tests/ledger/vectors."""
    return {
        "record.json": record(AT),
        "record-as-served.json": splice(record(AT), VERSION, "2026-03-01T08:00:00.123Z"),
        "receipt.json": receipt().to_bytes(),
        "log.vkey": f"{KEY.vkey}\n".encode(),
    }


if __name__ == "__main__" and sys.argv[1:] == ["write"]:
    VECTORS.mkdir(exist_ok=True)
    for name, content in files().items():
        (VECTORS / name).write_bytes(content)
