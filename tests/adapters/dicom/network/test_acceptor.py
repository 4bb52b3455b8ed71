"""The acceptor: each state meets each PDU, what is refused says why, and any bytes end in order."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dicom.network import (
    Abort,
    Acceptor,
    Association,
    Close,
    Fragment,
    Ready,
    Refused,
    Send,
    Store,
    Stored,
    storable,
)
from adapters.dicom.network.acceptor import Action
from adapters.dicom.network.command import Command, parse, response

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, UNKNOWN = "1.2.840.10008.1.2.1", "1.2.3.4.5.6"


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def request(
    contexts: Sequence[tuple[int, str, Sequence[str]]] = ((1, CT, (EXPLICIT,)),),
    version: int = 1,
    application: bytes = b"1.2.840.10008.3.1.1.1",
) -> bytes:
    """An A-ASSOCIATE-RQ without its header."""
    parts = [item(0x10, application)]
    for number, abstract, syntaxes in contexts:
        inner = item(0x30, abstract.encode()) + b"".join(item(0x40, each.encode()) for each in syntaxes)
        parts.append(item(0x20, bytes([number, 0, 0, 0]) + inner))
    parts.append(item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3")))
    titles = b"TABELLION".ljust(16) + b"SENDER".ljust(16) + b"\0" * 32
    return struct.pack(">HH", version, 0) + titles + b"".join(parts)


def command(field: int, *, data: bool = True, uid: str = "1.2.3") -> bytes:
    """A request's command set."""
    parts = [(0x0002, CT.encode().ljust(26, b"\0")), (0x0100, struct.pack("<H", field)), (0x0110, b"\x07\0")]
    parts += [(0x0800, struct.pack("<H", 1 if data else 0x0101)), (0x1000, uid.encode() + b"\0" * (len(uid) % 2))]
    return b"".join(struct.pack("<HHI", 0, number, len(value)) + value for number, value in parts)


def pdv(context: int, flags: int, value: bytes) -> bytes:
    return struct.pack(">IBB", len(value) + 2, context, flags) + value


def admit(association: Association) -> Refused | None:
    return None if association.calling == "SENDER" else Refused(1, 1, 3, "unknown")


def run(acceptor: Acceptor, kind: int, body: bytes = b"") -> list[Action]:
    return [
        Fragment(memoryview(bytes(action.data))) if isinstance(action, Fragment) else action
        for action in acceptor.pdu(kind, memoryview(body))
    ]


def opened() -> Acceptor:
    acceptor = Acceptor(admit)
    assert isinstance(run(acceptor, 1, request())[1], Ready)
    return acceptor


def kinds(actions: Sequence[Action]) -> list[str]:
    """What was done, a sent PDU by its type."""
    return [f"send {action.data[0]}" if isinstance(action, Send) else type(action).__name__ for action in actions]


@pytest.mark.parametrize(
    ("kind", "awaiting", "open_"),
    [
        (1, ["send 2", "Ready"], ["send 7", "Close"]),
        (2, ["send 7", "Close"], ["send 7", "Close"]),
        (3, ["send 7", "Close"], ["send 7", "Close"]),
        (4, ["send 7", "Close"], []),
        (5, ["send 7", "Close"], ["send 6", "Close"]),
        (6, ["send 7", "Close"], ["send 7", "Close"]),
        (7, ["Close"], ["Close"]),
        (9, ["send 7", "Close"], ["send 7", "Close"]),
    ],
)
def test_every_pdu_in_every_state(kind: int, awaiting: list[str], open_: list[str]) -> None:
    body = request() if kind == 1 else b""
    assert kinds(run(Acceptor(admit), kind, body)) == awaiting
    assert kinds(run(opened(), kind, body)) == open_
    closed = opened()
    run(closed, 7)
    assert run(closed, kind, body) == []


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (request(version=2), (1, 2, 2)),
        (request(application=b"1.2.3"), (1, 1, 2)),
        (request().replace(b"SENDER", b"NOBODY"), (1, 1, 3)),
    ],
)
def test_rejections_name_source_and_reason(body: bytes, answer: tuple[int, int, int]) -> None:
    [sent, close] = run(Acceptor(admit), 1, body)
    assert isinstance(sent, Send)
    assert isinstance(close, Close)
    assert tuple(sent.data[7:10]) == answer


def test_every_storage_context_is_accepted_with_the_first_syntax_and_no_other() -> None:
    contexts = [
        (1, CT, (UNKNOWN, EXPLICIT)),
        (3, "1.2.840.10008.5.1.4.1.2.2.1", (EXPLICIT,)),  # Study Root FIND
        (5, "1.2.840.10008.1.1", (EXPLICIT,)),
        (7, "1.2.826.0.1.99", (EXPLICIT,)),  # private
        (9, "1.2.840.10008.5.1.4.1.1.9999.1", (EXPLICIT,)),  # newer than our dictionary
    ]
    [_, ready] = run(Acceptor(admit), 1, request(contexts))
    assert isinstance(ready, Ready)
    assert [(each.number, each.result, each.transfer_syntax) for each in ready.association.contexts] == [
        (1, 0, UNKNOWN),
        (3, 3, ""),
        (5, 0, EXPLICIT),
        (7, 0, EXPLICIT),
        (9, 0, EXPLICIT),
    ]
    assert storable("1.2.840.10008.5.1.4.34.7") is True  # RT Beams Delivery Instruction Storage
    assert storable("1.2.840.10008.5.1.4.31") is False  # worklist


def test_a_store_in_pieces() -> None:
    acceptor = opened()
    sent = command(1)
    first = run(acceptor, 4, pdv(1, 1, sent[:10]))
    assert first == []
    body = pdv(1, 3, sent[10:]) + pdv(1, 0, b"abc") + pdv(1, 0, b"") + pdv(1, 2, b"def")
    actions = run(acceptor, 4, body)
    assert kinds(actions) == ["Store", "Fragment", "Fragment", "Fragment", "Stored"]
    assert isinstance(actions[0], Store)
    assert actions[0].command == Command(1, 7, CT, "1.2.3", True)
    assert b"".join(action.data for action in actions if isinstance(action, Fragment)) == b"abcdef"
    answer = acceptor.answer(0xA700)
    status = answer[12:]
    assert struct.unpack_from("<HHIH", status[status.index(b"\0\0\0\x09") :])[3] == 0xA700
    assert kinds(run(acceptor, 4, pdv(1, 3, command(0x30, data=False)))) == ["send 4"]
    assert kinds(run(acceptor, 5)) == ["send 6", "Close"]


def test_other_operations_are_refused_and_their_data_read_over() -> None:
    acceptor = opened()
    assert run(acceptor, 4, pdv(1, 3, command(0x20))) == []
    assert kinds(run(acceptor, 4, pdv(1, 0, b"abc") + pdv(1, 2, b""))) == ["send 4"]
    assert kinds(run(acceptor, 4, pdv(1, 3, command(0x20, data=False)))) == ["send 4"]


@pytest.mark.parametrize(
    "body",
    [
        pdv(1, 2, b"data without command"),
        pdv(3, 3, command(1)),  # a context that is not accepted
        pdv(1, 3, command(1)) + pdv(1, 3, command(1)),
        pdv(1, 3, b"\0\0\0\0\xff\xff\xff\xff"),
        pdv(1, 3, b""),
        b"\0\0\0\xff\x01\x03",
        b"\0\0",
        pdv(1, 1, b"x" * 70_000),
    ],
)
def test_what_breaks_the_protocol_is_aborted(body: bytes) -> None:
    actions = run(opened(), 4, body)
    assert kinds(actions)[-2:] == ["send 7", "Close"]


def test_lengths_are_bounded_before_anything_is_read() -> None:
    acceptor = opened()
    assert acceptor.limit(4) == 131_072
    assert acceptor.limit(5) < 2048
    with pytest.raises(Abort):
        acceptor.limit(8)


def test_a_response_is_a_command_set() -> None:
    asked = Command(1, 7, CT, "1.2.3", True)
    with pytest.raises(Abort):
        parse(b"\1\0\0\0\0\0\0\0")
    body = response(asked, 0)
    assert body[8:12] == struct.pack("<I", len(body) - 12)


PDUS = st.lists(st.tuples(st.sampled_from([1, 4, 4, 4, 5, 7, 8]), st.binary(max_size=200)), max_size=4)


@given(pdus=PDUS, open_=st.booleans(), body=st.binary(max_size=60))
@settings(max_examples=200)
def test_any_pdus_end_in_order(pdus: list[tuple[int, bytes]], open_: bool, body: bytes) -> None:
    acceptor = opened() if open_ else Acceptor(admit)
    for kind, data in [*pdus, (4, pdv(1, 3, body)), (1, request() + body)]:
        for action in run(acceptor, kind, data):
            if isinstance(action, Stored):
                acceptor.answer(0)
    assert acceptor.closed or open_
