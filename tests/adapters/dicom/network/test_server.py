"""The storage server with a real peer: every file's bytes arrive as they were sent, and limits hold."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from pynetdicom import AE

from adapters.dicom.network import Refused, ServerLimits
from tests.adapters.dicom.network.test_acceptor import command, pdv, request
from tests.adapters.dicom.pydicom_files import files
from tests.support.dicom import File, Sender, server


def sendable() -> list[File]:
    """Each instance once, by its UID and bytes."""
    found = {}
    for path in files():
        file = File(path)
        if file.sendable:
            found[file.sop_instance, file.body] = file
    return list(found.values())


def test_every_file_arrives_byte_for_byte() -> None:
    """All of pydicom's files that the standard lets be sent, in 15 transfer syntaxes, by pynetdicom."""
    found = sendable()
    assert len(found) > 100
    assert len({file.syntax for file in found}) >= 12
    kept: dict[str, bytes] = {}
    with server(kept) as (address, reports):
        for at in range(0, len(found), 60):
            batch = found[at : at + 60]
            sender = Sender(address, batch)
            assert sender.association.is_established
            for file in batch:
                assert sender.send(file) == 0, file.path
                assert kept.pop(file.sop_instance) == file.body, file.path
            sender.close()
    assert not reports


def test_echo() -> None:
    with server({}) as (address, _):
        host, port = address.split(":")
        entity = AE()
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate(host, int(port))
        assert association.send_c_echo().Status == 0
        association.release()


def test_who_may_not_come_in_hears_why() -> None:
    with server({}, refuse=Refused(1, 1, 7, "no such title")) as (address, reports):
        sender = Sender(address, sendable()[:1])
        assert sender.association.is_rejected
    assert reports == [("association", "rejected: no such title")]


def test_one_more_than_allowed_is_rejected_for_now() -> None:
    with server({}, ServerLimits(associations=1)) as (address, _):
        first, second = Sender(address, sendable()[:1]), Sender(address, sendable()[:1])
        assert first.association.is_established
        assert second.association.is_rejected
        first.close()


def test_an_instance_over_the_limit_is_read_over_and_refused() -> None:
    file = min(sendable(), key=lambda each: len(each.body))
    kept: dict[str, bytes] = {}
    with server(kept, ServerLimits(instance=10)) as (address, reports):
        sender = Sender(address, [file])
        assert sender.send(file) == 0xA700
        assert sender.send(file) == 0xA700  # the association goes on
        sender.close()
    assert list(kept) == [f"dropped {file.sop_instance}"]
    assert {text for _, text in reports} == {"an instance is larger than the limit"}


def _connected(address: str) -> socket.socket:
    host, port = address.split(":")
    made = socket.create_connection((host, int(port)), timeout=10)
    made.sendall(struct.pack(">BBI", 1, 0, len(request())) + request())
    assert made.recv(4096)[0] == 2
    return made


def test_a_peer_that_is_gone_in_the_middle_leaves_nothing() -> None:
    kept: dict[str, bytes] = {}
    with server(kept) as (address, _):
        body = pdv(1, 3, command(1)) + pdv(1, 0, b"the first part")
        with _connected(address) as line:
            line.sendall(struct.pack(">BBI", 4, 0, len(body)) + body)
        until = time.monotonic() + 10
        while "dropped 1.2.3" not in kept and time.monotonic() < until:
            time.sleep(0.02)
    assert list(kept) == ["dropped 1.2.3"]


@pytest.mark.parametrize("uid", ["", "../../etc/passwd", "1.2.x", "1" * 65])
def test_a_uid_that_is_none_is_refused(uid: str) -> None:
    kept: dict[str, bytes] = {}
    with server(kept) as (address, _), _connected(address) as line:
        body = pdv(1, 3, command(1, uid=uid)) + pdv(1, 2, b"data")
        line.sendall(struct.pack(">BBI", 4, 0, len(body)) + body)
        answer = line.recv(4096)
        assert answer[answer.index(b"\0\0\x00\x09\x02\0\0\0") + 8 :][:2] == b"\x17\x01"
    assert kept == {}


def test_a_peer_that_says_nothing_is_aborted() -> None:
    with server({}, ServerLimits(idle=0.6)) as (address, _), _connected(address) as line:
        assert line.recv(100)[0] == 7


@pytest.mark.parametrize("header", [b"\x04\0\x7f\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_length_that_was_not_agreed_is_aborted(header: bytes) -> None:
    with server({}) as (address, _), _connected(address) as line:
        line.sendall(header)
        assert line.recv(100)[0] == 7
