"""Offline check of a record against its receipt and the log's key: no network, no data folder, no JSON library.

Imports only the standard library, `cryptography` and modules of this room that do the same. The order is from
what is trusted outwards: key → checkpoint's signature → proof → leaf → commitment → record.
"""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass

from ledger import receipt as receipts
from ledger import vkey as vkeys
from ledger.commitment import commitment
from ledger.errors import LedgerError, Malformed, ProofRefused, SignatureRefused
from ledger.merkle import leaf_hash
from ledger.note import Note
from ledger.receipt import Receipt
from ledger.spliced import Cut, cut, members
from ledger.vkey import Vkey


class Reason(enum.Enum):
    """What differs."""

    KEY_FORM = "key-form"  # the key is not a vkey line
    KEY = "key"  # the receipt is of another log or signed by another key
    RECEIPT = "receipt"  # not a receipt in its one form
    SIGNATURE = "signature"  # the checkpoint was changed
    PROOF = "proof"  # the proof does not lead from the leaf to the checkpoint's root
    LEAF = "leaf"  # the leaf is not the record's, and not the log's
    HEADER = "header"  # type, id, version or institution are not the record's
    RECORD = "record"  # the record is not what was sealed


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reason` is None if valid; `text` says in plain words what holds or differs, without record content.

    `unsealed` names what the record carries beyond what was sealed (put in by the FHIR surface).
    """

    reason: Reason | None
    text: str
    unsealed: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True if every byte is proven, save those under `unsealed`."""
        return self.reason is None


class _Differs(LedgerError):
    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.verdict = Verdict(reason, text)


def verify(record: bytes, receipt: bytes, key: str) -> Verdict:
    """Check the bytes of a record (a topic message's value) with the bytes of its receipt and one vkey line."""
    try:
        return _verify(record, _receipt(receipt), _key(key))
    except _Differs as found:
        return found.verdict


def _key(text: str) -> Vkey:
    try:
        key = vkeys.parse(text.strip())
    except Malformed as error:
        raise _Differs(Reason.KEY_FORM, f"the key is not a verifier key: {error}") from error
    if key.type != vkeys.ED25519:
        raise _Differs(Reason.KEY_FORM, "the key is not the Ed25519 key of a log")
    return key


def _receipt(data: bytes) -> Receipt:
    try:
        return receipts.parse(data.removesuffix(b"\n"))  # a line feed at the end comes from writing it to a file
    except Malformed as error:
        raise _Differs(Reason.RECEIPT, f"the receipt is not in its form: {error}") from error


def _verify(record: bytes, receipt: Receipt, key: Vkey) -> Verdict:
    head, note = receipt.proof.checkpoint()
    if head.origin != key.name:
        raise _Differs(Reason.KEY, f"the receipt is of the log {head.origin}, the key of {key.name}")
    _check_signature(note, key)
    spliced = cut(record)
    body = _sealed_body(record, spliced, receipt)
    _check_proof(receipt, sealed=body is not None)
    _check_header(record, None if body is record else spliced, receipt)
    if body is None:
        raise _Differs(Reason.RECORD, "the record is not the one that was sealed (or the receipt's salt was changed)")
    where = f"leaf {receipt.proof.index} of {head.size} in the log {head.origin}"
    if body is record:
        return Verdict(None, f"sealed as {where}")
    return Verdict(
        None,
        f"sealed as {where}, but for meta.lastUpdated, which was put in later",
        unsealed=("meta.lastUpdated",),
    )


def _check_signature(note: Note, key: Vkey) -> None:
    try:
        note.check(key)
    except SignatureRefused as error:
        known = any(one.key_id == key.id and one.name == key.name for one in note.signatures)
        if known:
            raise _Differs(Reason.SIGNATURE, "the checkpoint is not the one the log signed") from error
        raise _Differs(Reason.KEY, "the checkpoint is not signed by this key") from error


def _sealed_body(record: bytes, spliced: Cut | None, receipt: Receipt) -> bytes | None:
    """The bytes that the leaf's commitment is over: the record, or the record without the spliced span."""
    expected = receipt.parsed_leaf().commitment
    for body in (record, spliced.body if spliced else None):
        if body is not None:
            made = commitment(receipt.salt, receipt.header.to_bytes(), body)
            if hmac.compare_digest(made, expected):
                return body
    return None


def _check_proof(receipt: Receipt, *, sealed: bool) -> None:
    try:
        receipt.proof.check_leaf(leaf_hash(receipt.leaf))
    except ProofRefused as error:
        if sealed:
            raise _Differs(Reason.PROOF, f"the proof does not lead from the leaf to the log's root: {error}") from error
        raise _Differs(Reason.LEAF, "the leaf is neither the record's nor the log's") from error


def _check_header(record: bytes, spliced: Cut | None, receipt: Receipt) -> None:
    header = receipt.header
    if header.institution != receipt.parsed_leaf().institution:
        raise _Differs(Reason.HEADER, "the institution in the receipt's header is not that of the leaf")
    for name, expected in ((b"resourceType", header.resource_type), (b"id", header.id)):
        found = [record[member.value : member.end] for member in members(record) if member.name == name]
        if found != [f'"{expected}"'.encode()]:
            raise _Differs(Reason.HEADER, f"the record's {name.decode()} is not that of the receipt's header")
    if spliced is not None and spliced.version != header.version:
        raise _Differs(Reason.HEADER, "the record's meta.versionId is not that of the receipt's header")
