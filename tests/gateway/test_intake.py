"""The door of intake remembers what it was asked, and never mixes two senders up."""

from __future__ import annotations

from adapters.hl7v2.mllp import Peek, Peer, acknowledge, peek
from gateway.serving.doors import Door
from gateway.serving.intake import dtm_now
from pipelines.channels import Channel

CHANNELS = (
    Channel("lab", sending_application=("LAB",)),
    Channel("adt", sending_application=("ADT",), message_types=("ADT",), peers=("10.1.0.0/16",)),
)


def header(application: str, type_: str, number: int, version: str = "2.5.1") -> Peek:
    return peek(f"MSH|^~\\&|{application}|F|T|H|202603020{number:05d}||{type_}|N{number}|P|{version}".encode())


def test_each_sender_keeps_its_channel() -> None:
    door = Door(CHANNELS)
    for number in range(3):  # asked anew, then remembered
        for application, type_, peer, name, code in (
            ("LAB", "ORU^R01", "10.1.0.1:5000", "lab", None),
            ("ADT", "ADT^A01", "10.1.0.1:5001", "adt", None),
            ("ADT", "ORU^R01", "10.1.0.1:5001", "adt", "200"),
            ("ADT", "ADT^A01", "10.2.0.1:5002", "", "207"),
            ("XYZ", "ADT^A01", "10.1.0.1:5000", "", "207"),
        ):
            found = door.check(header(application, type_, number), Peer(peer))
            assert (found.fault.code if found.fault else None) == code
            assert found.channel == name


def test_what_is_remembered_is_bounded() -> None:
    door = Door((Channel("any"),))
    for number in range(3000):
        assert door.check(header(f"A{number}", "ADT^A01", number), Peer("127.0.0.1:1")).fault is None
    door.check(header("X" * 5000, "ADT^A01", 1), Peer("127.0.0.1:1"))
    assert len(door._known) <= 1024
    assert not any("X" * 5000 in str(key) for key in door._known)


def test_answers_to_senders_in_turn_mirror_each_of_them() -> None:
    for number in range(3):
        for application, event, version in (("A", "A01", "2.5.1"), ("B", "A08", "2.3"), ("A", "A01", "2.3")):
            asked = header(application, f"ADT^{event}", number, version)
            kind = f"ACK^{event}^ACK" if version == "2.5.1" else f"ACK^{event}"
            assert acknowledge(asked, "AA", f"T{number}", "20260101") == (
                f"MSH|^~\\&|T|H|{application}|F|20260101||{kind}|T{number}|P|{version}\rMSA|AA|N{number}\r".encode()
            )


def test_time_of_answers_has_its_offset() -> None:
    assert len(dtm_now()) == 19
    assert dtm_now().endswith("+0000")
