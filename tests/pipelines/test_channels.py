"""Channels: which takes a message, what it refuses and how the sender hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.hl7v2.mllp import Peek, peek
from pipelines.channels import Channel, gate, route

DEFAULT = Channel("default")


def header(type_: str = "ADT^A01", processing: str = "P", version: str = "2.5.1", sender: str = "HIS|NORTH") -> Peek:
    return peek(f"MSH|^~\\&|{sender}|TAB|HIE|20260301||{type_}|1|{processing}|{version}".encode())


@pytest.mark.parametrize(
    ("given", "asked", "code", "field"),
    [
        ({}, header(), None, None),
        ({}, header("ACK^A01"), "200", 9),
        ({}, header("MCF"), "200", 9),
        ({"message_types": ("ACK",)}, header("ACK"), None, None),
        ({"message_types": ("ORU",)}, header(), "200", 9),
        ({"message_types": ("ADT",)}, header(), None, None),
        ({"message_types": ("ADT^A08",)}, header(), "201", 9),
        ({"message_types": ("ADT^A08", "ADT^A01")}, header(), None, None),
        ({}, header(processing="T"), "202", 11),
        ({}, header(processing="D"), "202", 11),
        ({}, header(processing="P^T"), None, None),  # MSH-11.2 is the mode: archive, restore, not a test
        ({}, header(processing=""), "101", 11),
        ({"processing_ids": ("P", "T")}, header(processing="T"), None, None),
        ({"processing_ids": ("P", "T")}, header(processing="D"), "202", 11),
        ({"processing_ids": ()}, header(processing=""), None, None),
        ({"versions": ("2.3", "2.5.1")}, header(), None, None),
        ({"versions": ("2.3",)}, header(), "203", 12),
        ({"versions": ("2.5.1",)}, header(version="2.5.1^USA"), None, None),
    ],
)
def test_what_a_channel_refuses(given: dict[str, Any], asked: Peek, code: str | None, field: int | None) -> None:
    fault = Channel("c", **given).refuses(asked)
    assert (fault and fault.code, fault and fault.field) == (code, field)


@pytest.mark.parametrize(
    ("given", "peer", "fits"),
    [
        ({}, "10.1.2.3:5000", True),
        ({"peers": ("10.1.0.0/16",)}, "10.1.2.3:5000", True),
        ({"peers": ("10.1.0.0/16",)}, "10.2.2.3:5000", False),
        ({"peers": ("10.1.2.3", "10.2.2.3")}, "10.2.2.3:5000", True),
        ({"peers": ("fd00::/8",)}, "[fd00::1]:5000", True),
        ({"peers": ("10.1.0.0/16",)}, "local", False),
        ({"sending_application": ("HIS",)}, "x", True),
        ({"sending_application": ("LAB",)}, "x", False),
        ({"sending_application": ("LAB", "HIS"), "sending_facility": ("SOUTH",)}, "x", False),
        ({"receiving_application": ("TAB",), "receiving_facility": ("HIE",)}, "x", True),
    ],
)
def test_whose_message_it_is(given: dict[str, Any], peer: str, fits: bool) -> None:
    assert Channel("c", **given).takes(header(), peer) is fits


def test_the_first_channel_that_fits_takes_the_message_or_refuses_it() -> None:
    lab = Channel("lab", sending_application=("LAB",), message_types=("ORU",))
    rest = Channel("rest")
    assert route((lab, rest), header(sender="LAB|N"), "x") is lab
    assert route((lab, rest), header(), "x") is rest
    check = gate((lab, rest))
    assert check(header(), "x") is None
    fault = check(header(sender="LAB|N"), "x")
    assert fault is not None
    assert fault.code == "200"


def test_a_sender_of_no_channel_is_refused() -> None:
    fault = gate((Channel("lab", sending_application=("LAB",)),))(header(), "x")
    assert fault is not None
    assert fault.field == 3


def test_map_settings() -> None:
    from uuid import UUID

    namespace = UUID(int=1)
    made = Channel("c", zone="Europe/Zurich", identifier_order=("PI",), options={"nk1": "contact"}).map_settings(
        namespace, "https://x.test"
    )
    assert (made.namespace, made.zone, made.default_authority) == (namespace, "Europe/Zurich", None)
    assert (made.identifier_order, made.base, dict(made.options)) == (("PI",), "https://x.test", {"nk1": "contact"})


def test_a_certificate_sends_to_the_channels_that_name_it_and_no_other() -> None:
    """It speaks for their senders alone, wherever the channels stand; to others these channels are shut."""
    rest, lab = Channel("rest"), Channel("lab", certificates=("dns:lab",), sending_application=("LAB",))
    both = (rest, lab)
    assert route(both, header(sender="LAB|N"), "x", ("sha256:00", "dns:lab")) is lab
    assert route(both, header(), "x", ("dns:lab",)) is None
    assert route(both, header(), "x", ("dns:other",)) is rest
    assert route((lab,), header(sender="LAB|N"), "x", ("dns:other",)) is None
    assert route((lab,), header(sender="LAB|N"), "x") is None
