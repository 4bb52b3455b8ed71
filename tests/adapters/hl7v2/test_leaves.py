"""Leaves and their paths, as commands.md defines them."""

from __future__ import annotations

import pytest

from adapters.hl7v2 import NULL, leaf_text, leaves, path, read

HEAD = "MSH|^~\\&|APP^1.2&x||||2024||ADT^A01|1|P|2.5\r"


def found(rest: str) -> dict[str, str]:
    message = read((HEAD + rest).encode())
    out = {}
    for position, *place in leaves(message):
        if position:
            segment = message.segments[position]
            field, rep, comp, sub = place
            text = leaf_text(segment, field, rep, comp, sub, message.delimiters)
            out[path(segment.name, segment.number, field, rep, comp, sub)] = text
    return out


ROWS = [
    ("PID|1", {"PID[1]-1[1].1.1": "1"}),
    ("PID||a^b&c~d", {
        "PID[1]-2[1].1.1": "a", "PID[1]-2[1].2.1": "b", "PID[1]-2[1].2.2": "c", "PID[1]-2[2].1.1": "d"}),
    ("PID|^^x^&y~~z|", {"PID[1]-1[1].3.1": "x", "PID[1]-1[1].4.2": "y", "PID[1]-1[3].1.1": "z"}),
    ("PID|^~&||^^^", {}),
    ('PID|""|a^""', {"PID[1]-1[1].1.1": NULL, "PID[1]-2[1].1.1": "a", "PID[1]-2[1].2.1": NULL}),
    ("PID| ", {"PID[1]-1[1].1.1": " "}),
    ("OBX|1\rZZZ\rOBX|a\\S\\b", {"OBX[1]-1[1].1.1": "1", "OBX[2]-1[1].1.1": "a\\S\\b"}),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "expected"), ROWS)
def test_leaves(rest: str, expected: dict[str, str]) -> None:
    assert found(rest) == expected


def test_header() -> None:
    """MSH-1 and MSH-2 are no leaves; MSH-3 is field 3."""
    message = read(HEAD.encode())
    places = list(leaves(message))
    assert places[:4] == [(0, 3, 1, 1, 1), (0, 3, 1, 2, 1), (0, 3, 1, 2, 2), (0, 7, 1, 1, 1)]
    msh = message.segments[0]
    assert leaf_text(msh, 1, 1, 1, 1, message.delimiters) == "|"
    assert leaf_text(msh, 2, 1, 1, 1, message.delimiters) == "^~\\&"
    assert leaf_text(msh, 2, 1, 2, 1, message.delimiters) == ""
    assert leaf_text(msh, 3, 1, 2, 2, message.delimiters) == "x"


@pytest.mark.parametrize("place", [(99, 1, 1, 1), (3, 2, 1, 1), (3, 1, 9, 1), (3, 1, 1, 9)])
def test_outside(place: tuple[int, int, int, int]) -> None:
    message = read(HEAD.encode())
    assert leaf_text(message.segments[0], *place, message.delimiters) == ""


def test_without_separators() -> None:
    """Where MSH-2 lacks a separator nothing is split at that level."""
    message = read(b"MSH|^|||||||ADT^A01|1|P|2.5\rPID|a~b&c^d")
    assert [place for place in leaves(message) if place[0] == 1] == [(1, 1, 1, 1, 1), (1, 1, 1, 2, 1)]
    assert leaf_text(message.segments[1], 1, 1, 1, 1, message.delimiters) == "a~b&c"
