"""Signed notes, verifier keys, checkpoints and tlog-proofs: round trips, strict parsers, known signatures."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import b64, checkpoint, keys, merkle, note, tlog_proof, vkey
from ledger.checkpoint import Checkpoint
from ledger.errors import LedgerError, Malformed, ProofRefused, SignatureRefused
from ledger.signature import time_of
from ledger.tlog_proof import TlogProof
from tests.ledger.test_merkle import hashes, mth, proofs

ORIGIN = "tabellion.default/0a1b2c3d"
KEY = keys.signing_key(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), ORIGIN)
OTHER = keys.signing_key(Ed25519PrivateKey.from_private_bytes(bytes(32)), "other.example/1")

# c2sp.org/signed-note's own example
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYj"
    "OBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

PROOF_LEAVES = hashes(11)


def proof_of(index: int) -> bytes:
    head = Checkpoint(ORIGIN, 11, mth(PROOF_LEAVES))
    path = tuple(proofs(PROOF_LEAVES, merkle.inclusion_ranges(index, 11)))
    return TlogProof(index, path, checkpoint.sign(head, KEY, OTHER)).to_bytes()


def test_published_note_verifies() -> None:
    key = vkey.parse(EXAMPLE_KEY)
    assert str(key) == EXAMPLE_KEY
    parsed = note.parse(EXAMPLE)
    assert parsed.to_bytes() == EXAMPLE
    parsed.check(key)


def test_any_change_of_a_signed_note_is_refused() -> None:
    key = vkey.parse(EXAMPLE_KEY)
    for changed in flips(EXAMPLE):
        with pytest.raises(LedgerError):
            note.parse(changed).check(key)


def flips(data: bytes) -> list[bytes]:
    """Every single-bit change."""
    found = []
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            found.append(bytes(changed))
    return found


def test_several_signatures_and_unknown_ones() -> None:
    signed = note.sign("text\n", [KEY, OTHER])
    third = keys.signing_key(Ed25519PrivateKey.generate(), ORIGIN)
    again = note.parse(signed.to_bytes())
    assert again == signed
    assert again.check(KEY.vkey).name == ORIGIN
    assert again.check(OTHER.vkey).name == "other.example/1"
    with pytest.raises(SignatureRefused, match="no signature"):
        again.check(third.vkey)


def test_a_second_false_signature_of_one_key_is_refused() -> None:
    signed = note.sign("text\n", [KEY])
    false = note.Signature(ORIGIN, KEY.vkey.id, bytes(64))
    for signatures in ((*signed.signatures, false), (false, *signed.signatures)):
        with pytest.raises(SignatureRefused, match="not valid"):
            note.Note("text\n", signatures).check(KEY.vkey)


@pytest.mark.parametrize("text", ["", "no end", "tab\t\n", "\x00\n"])
def test_texts_that_no_note_has(text: str) -> None:
    with pytest.raises(Malformed):
        note.sign(text, [KEY])


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "— a AAAAAAA=",  # no end of line
        "- a AAAAAAA=\n",
        "— a  AAAAAAA=\n",
        "— a AAAA\n",  # three bytes: no room for key ID and signature
        "— a AAAAAAB=\n",  # unused bits
        "— a AAAAAAA\n",
        "— a+b AAAAAAA=\n",
        "—  AAAAAAA=\n",
        "— a\u2003b AAAAAAA=\n",
        "— a AAAAAAA=\r\n",
        "— a AAAAAAA= \n",
    ],
)
def test_signature_lines_that_are_none(lines: str) -> None:
    with pytest.raises(Malformed):
        note.parse(f"text\n\n{lines}".encode())


def test_limits_of_a_note() -> None:
    with pytest.raises(Malformed, match="too many"):
        note.parse(b"text\n\n" + "— a AAAAAAA=\n".encode() * 101)
    with pytest.raises(Malformed, match="too long"):
        note.parse(b"x" * 1_000_001)


def test_the_last_blank_line_begins_the_signatures() -> None:
    signed = note.sign("a\n\nb\n", [KEY])
    assert note.parse(signed.to_bytes()) == signed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a+00000000+AQ==",
        EXAMPLE_KEY.upper(),
        EXAMPLE_KEY.replace("530d903a", "530D903A"),
        EXAMPLE_KEY.replace("530d903a", "530d903b"),
        EXAMPLE_KEY.replace("example", "exampel"),
        EXAMPLE_KEY + "\n",
        "a b" + EXAMPLE_KEY,
        str(vkey.Vkey("a", vkey.ED25519, bytes(31))),
        "\ud800+00000000+AQAA",
        "x" * 20_000,
    ],
)
def test_keys_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        vkey.parse(text)


@given(st.integers(0, 255), st.binary(min_size=1, max_size=40), st.text(min_size=1, max_size=20))
def test_keys_of_unknown_type_are_held(kind: int, public: bytes, name: str) -> None:
    key = vkey.Vkey(name, kind, public)
    try:
        parsed = vkey.parse(str(key))
    except (Malformed, UnicodeEncodeError):
        return
    assert parsed == key
    if kind not in (1, 4, 6):
        with pytest.raises(SignatureRefused, match="can't be checked"):
            note.Note("t\n", (note.Signature(name, key.id, b"x"),)).check(key)


def test_checkpoint_round_trip() -> None:
    head = Checkpoint(ORIGIN, 11, mth(PROOF_LEAVES))
    signed = checkpoint.sign(head, KEY)
    parsed, carrier = checkpoint.parse(signed)
    assert parsed == head
    assert carrier.to_bytes() == signed
    carrier.check(KEY.vkey)


ROOT = b64.encode(bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n１\n{ROOT}\n",
        f"o\n9223372036854775808\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n1\n{ROOT}\nextension\n",
        f"o\n1\n{ROOT}",
        "o\n1\n" + b64.encode(bytes(31)) + "\n",
        "o\n1\n\n",
        "o\n1\n",
    ],
)
def test_texts_that_are_no_checkpoint(text: str) -> None:
    with pytest.raises(Malformed):
        checkpoint.parse_text(text)


@pytest.mark.parametrize("index", range(11))
def test_proof_round_trip(index: int) -> None:
    data = proof_of(index)
    parsed = tlog_proof.parse(data)
    assert parsed.to_bytes() == data
    assert parsed.check_leaf(PROOF_LEAVES[index]).size == 11
    with pytest.raises(ProofRefused):
        parsed.check_leaf(PROOF_LEAVES[index - 1])


def test_extra_is_held() -> None:
    for extra in (b"", b"anything"):
        made = TlogProof(0, (), checkpoint.sign(Checkpoint(ORIGIN, 1, bytes(32)), KEY), extra)
        assert tlog_proof.parse(made.to_bytes()) == made


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"index 3", b"index 03"),
        lambda data: data.replace(b"index 3", b"index"),
        lambda data: data.replace(b"index 3\n", b""),
        lambda data: data.replace(b"index 3", b"extra !\nindex 3"),
        lambda data: data.replace(b"index 3", b"index 3\nextra AAAA"),
        lambda data: data.replace(b"index 3\n", b"index 3\n" + (ROOT.encode() + b"\n") * 64),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data[:-1],
        lambda data: data + b"\n",
        lambda data: b"c2sp.org/tlog-proof@v1",
        lambda data: b"\xff" + data,
        lambda data: data + b"x" * 1_000_000,
    ],
)
def test_texts_that_are_no_proof(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Malformed):
        tlog_proof.parse(change(proof_of(3)))


def mutated(seed: bytes) -> st.SearchStrategy[bytes]:
    """The seed with a few places overwritten, cut or repeated; or anything."""
    places = st.lists(st.tuples(st.integers(0, len(seed) - 1), st.binary(max_size=4), st.integers(0, 6)), max_size=3)

    def change(edits: list[tuple[int, bytes, int]]) -> bytes:
        data = seed
        for at, put, drop in edits:
            data = data[:at] + put + data[at + drop :]
        return data

    return st.binary(max_size=200) | places.map(change)


@settings(max_examples=300)
@given(mutated(EXAMPLE) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_note_or_our_error(data: bytes) -> None:
    try:
        parsed = note.parse(data)
    except Malformed:
        return
    assert parsed.to_bytes() == data


@settings(max_examples=300)
@given(mutated(proof_of(5)))
def test_any_bytes_give_a_proof_or_our_error(data: bytes) -> None:
    try:
        parsed = tlog_proof.parse(data)
    except Malformed:
        return
    assert parsed.to_bytes() == data


@settings(max_examples=300)
@given(mutated(EXAMPLE_KEY.encode()).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text())
def test_any_text_gives_a_key_or_our_error(text: str) -> None:
    try:
        parsed = vkey.parse(text)
    except Malformed:
        return
    assert str(parsed) == text


@given(st.text(alphabet="AZaz09+/=- \n", max_size=12))
def test_base64_has_one_text_per_value(text: str) -> None:
    try:
        data = b64.decode(text)
    except Malformed:
        return
    assert b64.encode(data) == text == base64.b64encode(data).decode()


# the shared samples


def test_published_notes_parse_and_round_trip(shared_data: Path) -> None:
    folder = shared_data / "ledger" / "tlog"
    for name in ("checkpoint-cosigned.txt", "signed-note.txt", "signed-note-utf8.txt"):
        data = (folder / name).read_bytes()
        assert note.parse(data).to_bytes() == data
    head, carrier = checkpoint.parse((folder / "checkpoint-cosigned.txt").read_bytes())
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert [one.name for one in carrier.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert time_of(carrier.signatures[1].value) == 1679315147
    key = vkey.parse((folder / "signed-note.vkey").read_text().strip())
    note.parse((folder / "signed-note.txt").read_bytes()).check(key)


def test_published_witness_request_carries_a_checkpoint(shared_data: Path) -> None:
    data = (shared_data / "ledger" / "tlog" / "witness-add-checkpoint.txt").read_bytes()
    request, _, signed = data.partition(b"\n\n")
    old, *path = request.decode().split("\n")
    assert checkpoint.parse_number(old.removeprefix("old ")) == 20852014
    assert all(len(b64.decode_hash(line)) == 32 for line in path)
    head, carrier = checkpoint.parse(signed)
    assert carrier.to_bytes() == signed
    assert head.size == 20852163
    assert {one.name for one in carrier.signatures} == {head.origin}
    assert len({one.key_id for one in carrier.signatures}) == 2


def accept(data: bytes, leaf: bytes, trusted: list[vkey.Vkey]) -> None:
    parsed = tlog_proof.parse(data)
    head = parsed.check_leaf(merkle.leaf_hash(leaf))
    _, carrier = parsed.checkpoint()
    for key in trusted:
        carrier.check(key)
    if head.origin != trusted[0].name:
        raise SignatureRefused("of another log")


def test_published_proof_verifies_with_all_its_signatures(shared_data: Path) -> None:
    """Log (Ed25519), witness (cosignature) and post-quantum witness (ML-DSA-44); each changed byte is refused."""
    folder = shared_data / "ledger" / "tlog"
    data = (folder / "own-tlog-proof.txt").read_bytes()
    known = json.loads((folder / "own-tlog-proof.keys.json").read_bytes())
    trusted = [vkey.parse(known[name]) for name in ("log_vkey", "witness_vkey", "pq_vkey")]
    leaf = known["leaf_utf8"].encode()
    assert tlog_proof.parse(data).to_bytes() == data
    accept(data, leaf, trusted)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        with pytest.raises(LedgerError):
            accept(bytes(changed), leaf, trusted)
    for at in range(len(leaf)):
        with pytest.raises(ProofRefused):
            accept(data, leaf[:at] + b"x" + leaf[at + 1 :], trusted)
