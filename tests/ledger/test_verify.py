"""The offline verifier: accepts the committed vector, names what differs, and refuses every changed byte."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cryptography
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

import ledger
from ledger import checkpoint, keys, merkle
from ledger import leaf as leaves
from ledger import receipt as receipts
from ledger.checkpoint import Checkpoint
from ledger.commitment import Header, commitment
from ledger.errors import Malformed
from ledger.receipt import Receipt
from ledger.spliced import splice
from ledger.tlog_proof import TlogProof
from ledger.verify import Reason, verify
from tests.ledger import small_log
from tests.ledger.test_note import mutated

RECORD = (small_log.VECTORS / "record.json").read_bytes()
SERVED = (small_log.VECTORS / "record-as-served.json").read_bytes()
RECEIPT = (small_log.VECTORS / "receipt.json").read_bytes()
KEY = (small_log.VECTORS / "log.vkey").read_text()
OTHER = keys.signing_key(Ed25519PrivateKey.from_private_bytes(bytes(32)), "witness.example/1")


def test_the_vectors_are_what_we_make_today() -> None:
    """A receipt given out once must stay what it is."""
    made = small_log.files()
    assert {path.name: path.read_bytes() for path in small_log.VECTORS.iterdir()} == made


def test_a_sealed_record_is_valid() -> None:
    verdict = verify(RECORD, RECEIPT, KEY)
    assert verdict.valid
    assert verdict.text == "sealed as leaf 4 of 7 in the log tabellion.default/0a1b2c3d"
    assert verdict.unsealed == ()


@pytest.mark.parametrize("number", range(small_log.SIZE))
def test_every_record_of_the_log_is_valid(number: int) -> None:
    assert verify(small_log.record(number), small_log.receipt(number).to_bytes(), KEY).valid


def test_a_line_feed_after_receipt_and_key_does_no_harm() -> None:
    assert verify(RECORD, RECEIPT + b"\n", KEY.strip()).valid
    assert not verify(RECORD + b"\n", RECEIPT, KEY).valid
    assert not verify(RECORD, RECEIPT + b"\n\n", KEY).valid


def test_every_changed_bit_of_the_record_is_refused() -> None:
    for changed in flips(RECORD):
        verdict = verify(changed, RECEIPT, KEY)
        assert verdict.reason in (Reason.RECORD, Reason.HEADER)


def test_every_changed_bit_of_the_receipt_is_refused() -> None:
    for changed in flips(RECEIPT):
        assert not verify(RECORD, changed, KEY).valid, changed


def test_every_changed_bit_of_the_key_is_refused() -> None:
    for changed in flips(KEY.strip().encode()):
        assert not verify(RECORD, RECEIPT, changed.decode("latin-1")).valid, changed


def test_only_a_witness_line_that_is_not_asked_for_may_change() -> None:
    data = small_log.receipt(small_log.AT, OTHER).to_bytes()
    line = b"\\n" + "— witness.example/1 ".encode()
    begin = data.index(line) + 2
    end = data.index(b"\\n", begin)
    assert verify(RECORD, data, KEY).valid
    accepted = {at for at, changed in enumerate(flips(data, bits=1)) if verify(RECORD, changed, KEY).valid}
    assert accepted
    assert all(begin <= at < end for at in accepted)


def flips(data: bytes, bits: int = 8) -> list[bytes]:
    found = []
    for at in range(len(data)):
        for bit in range(bits):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            found.append(bytes(changed))
    return found


def with_proof(change: Callable[[TlogProof], TlogProof]) -> Receipt:
    made = small_log.receipt()
    return replace(made, proof=change(made.proof))


DIFFERENCES: list[tuple[Reason, str, Callable[[], tuple[bytes, bytes, str]]]] = [
    (Reason.RECORD, "the record", lambda: (RECORD.replace(b"13.24", b"13.25"), RECEIPT, KEY)),
    (Reason.RECORD, "the record", lambda: (RECORD.replace(b"13.24", b"13.240"), RECEIPT, KEY)),
    (Reason.RECORD, "salt", lambda: (RECORD, replace(small_log.receipt(), salt=bytes(32)).to_bytes(), KEY)),
    (Reason.HEADER, "record's id", lambda: (small_log.record(3), RECEIPT, KEY)),
    (Reason.HEADER, "resourceType", lambda: (b"", RECEIPT, KEY)),
    (Reason.HEADER, "resourceType", lambda: (RECORD, with_header(resource_type="Patient"), KEY)),
    (Reason.HEADER, "institution", lambda: (RECORD, with_header(institution="other"), KEY)),
    (Reason.RECORD, "sealed", lambda: (RECORD, with_header(version="3"), KEY)),
    (Reason.HEADER, "versionId", lambda: (SERVED, with_header(version="3"), KEY)),
    (Reason.HEADER, "versionId", lambda: (SERVED.replace(b'versionId":"2"', b'versionId":"3"'), RECEIPT, KEY)),
    (Reason.PROOF, "proof", lambda: (RECORD, with_proof(lambda p: replace(p, index=3)).to_bytes(), KEY)),
    (Reason.PROOF, "outside", lambda: (RECORD, with_proof(lambda p: replace(p, index=7)).to_bytes(), KEY)),
    (Reason.PROOF, "hashes", lambda: (RECORD, with_proof(lambda p: replace(p, path=p.path[:-1])).to_bytes(), KEY)),
    (Reason.PROOF, "proof", lambda: (RECORD, changed_leaf(b"2026-03-01", b"2026-03-02"), KEY)),
    (
        Reason.LEAF,
        "leaf",
        lambda: (RECORD, leaf_of(1), KEY),
    ),
    (Reason.SIGNATURE, "checkpoint", lambda: (RECORD, RECEIPT.replace(rb"3d\n7\n", rb"3d\n8\n"), KEY)),
    (Reason.KEY, "not signed by this key", lambda: (RECORD, RECEIPT, other_key(small_log.ORIGIN))),
    (Reason.KEY, "of the log", lambda: (RECORD, RECEIPT, other_key("tabellion.default/ffffffff"))),
    (Reason.KEY_FORM, "not a verifier key", lambda: (RECORD, RECEIPT, "")),
    (Reason.KEY_FORM, "not the Ed25519 key", lambda: (RECORD, RECEIPT, witness_key())),
    (Reason.RECEIPT, "not UTF-8 JSON", lambda: (RECORD, RECEIPT[:-1], KEY)),
    (Reason.RECEIPT, "canonical", lambda: (RECORD, json.dumps(json.loads(RECEIPT)).encode(), KEY)),
    (Reason.RECEIPT, "extra", lambda: (RECORD, with_proof(lambda p: replace(p, extra=b"x")).to_bytes(), KEY)),
]


def with_header(
    resource_type: str = "Observation", version: str = small_log.VERSION, institution: str = small_log.INSTITUTION
) -> bytes:
    header = Header(resource_type, small_log.identifier(small_log.AT), version, institution)
    return replace(small_log.receipt(), header=header).to_bytes()


def leaf_of(number: int) -> bytes:
    return replace(small_log.receipt(), leaf=small_log.sealed(number).leaf).to_bytes()


def changed_leaf(old: bytes, new: bytes) -> bytes:
    made = small_log.receipt()
    return replace(made, leaf=made.leaf.replace(old, new)).to_bytes()


def other_key(name: str) -> str:
    return str(keys.signing_key(OTHER.private, name).vkey)


def witness_key() -> str:
    return str(ledger.Vkey(small_log.ORIGIN, 4, small_log.KEY.vkey.public))


@pytest.mark.parametrize(("reason", "words", "make"), DIFFERENCES)
def test_what_differs_is_named(reason: Reason, words: str, make: Callable[[], tuple[bytes, bytes, str]]) -> None:
    verdict = verify(*make())
    assert (verdict.valid, verdict.reason) == (False, reason)
    assert words in verdict.text


def test_a_text_never_holds_content() -> None:
    for _, _, make in DIFFERENCES:
        text = verify(*make()).text
        assert "13.2" not in text
        assert small_log.identifier(small_log.AT) not in text


def test_a_record_sealed_under_a_false_header_is_refused() -> None:
    """Even the log's own key can't make one record pass for another."""
    made = small_log.receipt()
    header = Header("Observation", small_log.identifier(1), small_log.VERSION, small_log.INSTITUTION)
    c = commitment(made.salt, header.to_bytes(), RECORD)
    leaf = leaves.make(c, "observation", small_log.INSTITUTION, "2026-03-01")
    head = Checkpoint(small_log.ORIGIN, 1, merkle.leaf_hash(leaf))
    proof = TlogProof(0, (), checkpoint.sign(head, small_log.KEY))
    verdict = verify(RECORD, Receipt(leaf, made.salt, header, proof).to_bytes(), KEY)
    assert verdict.reason is Reason.HEADER


def test_a_served_record_is_valid_but_for_its_time() -> None:
    verdict = verify(SERVED, RECEIPT, KEY)
    assert verdict.valid
    assert verdict.unsealed == ("meta.lastUpdated",)
    assert "lastUpdated" in verdict.text


def test_every_changed_bit_of_a_served_record_is_refused_but_in_its_time() -> None:
    begin = SERVED.index(b'"lastUpdated":"') + 15
    span = range(begin, SERVED.index(b'"', begin))
    accepted = {n // 8 for n, changed in enumerate(flips(SERVED)) if verify(changed, RECEIPT, KEY).valid}
    assert accepted
    assert accepted <= set(span)


def test_nothing_but_the_two_members_may_be_put_in() -> None:
    stamp = b'"lastUpdated":"2026-03-01T08:00:00.123Z","versionId":"2",'
    for wrong in (
        SERVED.replace(stamp, stamp + b'"source":"x",'),
        SERVED.replace(stamp, b'"versionId":"2","lastUpdated":"2026-03-01T08:00:00.123Z",'),
        SERVED.replace(stamp, stamp * 2),
        SERVED.replace(stamp, b'"lastUpdated":"2026-03-01T08:00:00.123Z",'),
        SERVED.replace(stamp, b'"versionId":"2",'),
        RECORD.replace(b'"versionId":"9"', stamp + b'"versionId":"9"'),
        RECORD[:1] + b'"meta":{' + stamp[:-1] + b"}," + RECORD[1:],
    ):
        assert not verify(wrong, RECEIPT, KEY).valid, wrong


@settings(max_examples=300)
@given(mutated(RECORD), mutated(RECEIPT), mutated(KEY.encode()))
def test_any_bytes_give_a_verdict(record: bytes, receipt: bytes, key: bytes) -> None:
    verdict = verify(record, receipt, key.decode("latin-1"))
    if verdict.valid:
        assert (record, receipt.removesuffix(b"\n"), key.decode("latin-1").strip()) == (RECORD, RECEIPT, KEY.strip())


@settings(max_examples=300)
@given(mutated(RECEIPT))
def test_any_bytes_give_a_receipt_or_our_error(data: bytes) -> None:
    try:
        parsed = receipts.parse(data)
    except Malformed:
        return
    assert parsed.to_bytes() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'{"a":NaN}',
        b"[" * 100_000,
        b"1" * 9_000,
        b'{"a":"\\ud800"}',
        b"\xff",
        b"{}" + b" " * 300_000,
    ],
)
def test_hostile_receipts_are_our_error(data: bytes) -> None:
    with pytest.raises(Malformed):
        receipts.parse(data)


def test_hostile_records_get_a_verdict() -> None:
    for record in (
        b"[" * 200_000,
        b"{" * 200_000,
        b'{"meta":' * 50_000,
        b'{"a":"' + b"\\" * 200_001,
        b"\0" * 1_000_000,
    ):
        assert not verify(record, RECEIPT, KEY).valid
    assert splice(b'{"meta":{"tag":[]},"resourceType":"A"}', "1", "2026-03-01T08:00:00Z")


OFFLINE = """
import sys, json
sys.path[:0] = json.loads(sys.argv[1])
allowed = set(sys.stdlib_module_names) | {"__main__", "ledger", "cryptography", "_cffi_backend", "_openssl"}

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ImportError("not allowed offline: " + name)

def audit(event, arguments):
    if event.startswith(("socket.", "urllib.", "http.", "subprocess.", "ssl.", "sqlite3.", "os.system", "os.exec")):
        raise RuntimeError("not allowed offline: " + event)

sys.meta_path.insert(0, Guard())
sys.addaudithook(audit)
import ledger.verify
from ledger.verify import verify
record, receipt, key = (open(name, "rb").read() for name in sys.argv[2:5])
verdict = verify(record, receipt, key.decode())
print(json.dumps([verdict.valid, sorted({name.partition(".")[0] for name in sys.modules} - allowed)]))
"""


@pytest.mark.parametrize(
    ("name", "valid"), [("record.json", True), ("record-as-served.json", True), ("log.vkey", False)]
)
def test_verifies_with_network_and_all_other_packages_cut_off(tmp_path: Path, name: str, valid: bool) -> None:
    roots = [str(Path(package.__file__ or "").parent.parent) for package in (ledger, cryptography)]
    vectors = [str(small_log.VECTORS / file) for file in (name, "receipt.json", "log.vkey")]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", OFFLINE, json.dumps(roots), *vectors],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, others = json.loads(done.stdout)
    assert found is valid
    assert others == []
