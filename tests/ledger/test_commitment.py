"""Commitment and leaf: a committed vector, an independent HKDF, and what must not be sealed alike."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from ledger import commitment, leaf
from ledger.commitment import Header
from ledger.errors import Malformed
from ledger.sealing import check_seal, seal

SEED = bytes(range(32))
HEADER = Header("Observation", "b7c1e6b2-0000-5000-8000-000000000001", "3", "Hôpital Démo")
BODY = b'{"id":"b7c1e6b2-0000-5000-8000-000000000001","resourceType":"Observation","status":"final"}'
LEAF = (
    '{"alg":"fhir-commit/1","c":"429ee2d68747e0e9dd7dee7a3d3660ac6614170f78d2c806bb9f90870f2711ee",'
    '"class":"observation","date":"2026-03-01","institution":"Hôpital Démo"}'
)


def lp(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data


def test_known_seal() -> None:
    """A change of any constant or order would part us from every receipt already given out."""
    made = seal(SEED, HEADER, "observation", "2026-03-01", BODY)
    assert made.commitment == leaf.parse(made.leaf).commitment
    assert made.leaf.decode() == LEAF
    assert made.leaf_hash == hashlib.sha256(b"\0" + made.leaf).digest()
    assert made.record_key.hex() not in repr(made)


def test_record_key_is_rfc5869() -> None:
    info = b"tabellion/record-key/1,11:Observation,36:%s,1:3" % HEADER.id.encode()
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(SEED)
    assert commitment.record_key(SEED, HEADER) == derived


@given(st.binary(min_size=32, max_size=32))
def test_salt_is_rfc2104(rk: bytes) -> None:
    assert commitment.salt(rk) == hmac.digest(rk, b"salt", "sha256")


def test_commitment_by_its_definition() -> None:
    salt = commitment.salt(commitment.record_key(SEED, HEADER))
    whole = b"fhir-commit/1" + salt + lp(HEADER.to_bytes()) + lp(BODY)
    assert commitment.commitment(salt, HEADER.to_bytes(), BODY) == hashlib.sha256(whole).digest()


def test_header_is_canonical_json() -> None:
    expected = (
        '{"id":"b7c1e6b2-0000-5000-8000-000000000001","institution":"Hôpital Démo",'
        '"resourceType":"Observation","versionId":"3"}'
    )
    assert HEADER.to_bytes() == expected.encode()
    assert commitment.header_from_members(HEADER.members()) == HEADER


@pytest.mark.parametrize(
    "parts",
    [("Patient", "x" * 65, "1"), ("Patient", "a b", "1"), ("Patient", "a", ""), ("patient", "a", "1"), ("", "a", "1")],
)
def test_header_parts_have_their_form(parts: tuple[str, str, str]) -> None:
    with pytest.raises(Malformed):
        Header(*parts, "h")


@pytest.mark.parametrize("institution", ["h\ud800", "x" * 5000])
def test_an_institution_that_no_leaf_can_hold_is_refused(institution: str) -> None:
    with pytest.raises(Malformed):
        seal(SEED, Header("Patient", "a", "1", institution), "patient", "2026-03-01", b"{}")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.binary(min_size=32, max_size=32))
def test_leaf_round_trip(institution: str, c: bytes) -> None:
    data = leaf.make(c, "patient", institution, "2024-02-29")
    assert leaf.parse(data) == leaf.Leaf(c, "patient", institution, "2024-02-29")


@given(st.binary(max_size=300) | st.builds(lambda at, b: leaf_with(at, b), st.integers(0, 100), st.integers(0, 255)))
def test_any_bytes_give_a_leaf_or_our_error(data: bytes) -> None:
    try:
        found = leaf.parse(data)
    except Malformed:
        return
    assert leaf.make(found.commitment, found.resource_class, found.institution, found.date) == data


def leaf_with(at: int, byte: int) -> bytes:
    data = bytearray(LEAF.encode())
    data[at] = byte
    return bytes(data)


@pytest.mark.parametrize(("name", "date"), [("two words", "2026-03-01"), ("", "2026-03-01"), ("patient", "2026-3-1")])
def test_leaf_parts_have_their_form(name: str, date: str) -> None:
    with pytest.raises(Malformed):
        leaf.make(bytes(32), name, "h", date)


def test_each_part_changes_the_commitment() -> None:
    def sealed(header: Header = HEADER, seed: bytes = SEED, body: bytes = BODY) -> bytes:
        return seal(seed, header, "observation", "2026-03-01", body).commitment

    headers = [
        Header("Observatio", HEADER.id, "3", HEADER.institution),
        Header("Observation", HEADER.id + "0", "3", HEADER.institution),
        Header("Observation", HEADER.id, "4", HEADER.institution),
        Header("Observation", HEADER.id, "3", "other"),
    ]
    found = {sealed(header) for header in headers} | {sealed(), sealed(seed=bytes(32)), sealed(body=BODY + b" ")}
    assert len(found) == 7


def test_sizes_are_checked() -> None:
    with pytest.raises(Malformed):
        commitment.record_key(b"short", HEADER)
    with pytest.raises(Malformed):
        commitment.commitment(b"short", b"", b"")
    with pytest.raises(Malformed):
        commitment.salt(b"short")


def test_a_stored_record_is_audited_by_its_key() -> None:
    made = seal(SEED, HEADER, "observation", "2026-03-01", BODY)
    assert check_seal(made.record_key, HEADER, BODY, made.leaf)
    assert not check_seal(made.record_key, HEADER, BODY + b" ", made.leaf)
    assert not check_seal(made.salt, HEADER, BODY, made.leaf)
