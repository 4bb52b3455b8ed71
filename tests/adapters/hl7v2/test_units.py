"""Units of a file and the batch protocol, against commands.md."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.hl7v2 import Unit, units, wide

A, B = b"MSH|^~\\&|a\rPID|1", b"MSH|^~\\&|b\nPID|2"
FHS, BHS = b"FHS|^~\\&|file", b"BHS|^~\\&|batch"


def bodies(data: bytes) -> list[bytes]:
    return [unit.body for unit in units(data) if unit.kind == "message"]


FILES = [
    (b"", []),
    (b"nothing here", []),
    (A, [A]),
    (A + b"\r\n\r\n", [A]),
    (A + b"\r" + B, [A, B]),
    (A + b"\n\n" + B + b"\x1c\r", [A, B]),
    (b"\x0b" + A + b"\x1c\r\x0b" + B + b"\x1c\r", [A, B]),
    (b"\xef\xbb\xbf" + A, [A]),
    (b"\xef\xbb\xbf" + A + b"\r\n\xef\xbb\xbf" + B, [A + b"\r\n\xef\xbb\xbf", B]),
    (b"junk\r" + A, [A]),
    (b" " + A, []),  # not at the start of a line
    (A + b"|MSH|^~\\&|c", [A + b"|MSH|^~\\&|c"]),
    (A + b"\rMSHX|1\rMSH1", [A + b"\rMSHX|1\rMSH1"]),
    (A + b"\rMSH", [A + b"\rMSH"]),  # no separator: no unit
    (b"MSH$@", [b"MSH$@"]),
    (b"MSH\r", [b"MSH"]),
    (A + b"\rDSC|1", [A + b"\rDSC|1"]),  # joined with the transport issue, not here
    (A + b"\x00", [A + b"\x00"]),
    (A + b" \r", [A + b" "]),
    (FHS + b"\r" + BHS + b"\r" + A + b"\rBTS|1\rFTS|1", [A]),
]


@pytest.mark.parametrize(("data", "expected"), FILES)
def test_where_a_unit_begins_and_ends(data: bytes, expected: list[bytes]) -> None:
    assert bodies(data) == expected


def test_indexes() -> None:
    """Messages are counted from 0; an envelope comes first and has no index."""
    found = list(units(b"\r".join([BHS, A, B, b"BTS|2"])))
    assert [(unit.kind, unit.index, unit.type) for unit in found] == [
        ("envelope", None, "BHS"),
        ("message", 0, ""),
        ("message", 1, ""),
    ]


@pytest.mark.parametrize(
    ("before", "said"),
    [(b"junk\r", True), (b"EVN|1\r", True), (b"\xef\xbb\xbf", False), (b"\r\n\x0b", False), (b" \n", False)],
)
def test_what_stands_before_the_first(before: bytes, said: bool) -> None:
    first, second = units(before + A + b"\r" + B)
    assert [issue.severity for issue in first.issues] == ["error"] * said
    assert second.issues == ()


BATCHES = [
    # (file, envelope type, parts of the faults' texts)
    ([FHS, BHS, A, B, b"BTS|2", b"FTS|1"], "FHS", []),
    ([FHS, BHS, A, b"BTS|1", BHS, B, b"BTS|1", b"FTS|2"], "FHS", []),
    ([BHS, A, b"BTS"], "BHS", []),
    ([BHS, A, b"BTS|"], "BHS", []),
    ([BHS, b"BTS|0"], "BHS", []),
    ([FHS, A, B, b"FTS|1"], "FHS", []),
    ([BHS, A, b"BTS|2|comment"], "BHS", ["BTS: the trailer's count is not the 1 found"]),
    ([FHS, BHS, A, b"BTS|1", b"FTS|3"], "FHS", ["FTS: the trailer's count is not the 1 found"]),
    ([BHS, A, b"BTS|many"], "BHS", ["BTS: the trailer's count is no number"]),
    ([BHS, A], "BHS", ["BTS: the batch has no trailer"]),
    ([FHS, BHS, A, b"BTS|1"], "FHS", ["FTS: the file has no trailer"]),
    ([FHS, BHS, A, b"FTS|1"], "FHS", ["BTS: the batch has no trailer"]),
    ([FHS, A, b"BTS|1", b"FTS|1"], "FHS", ["BTS: a batch trailer without its header"]),
    ([BHS, A, b"BTS|1", b"FTS|1"], "BHS", ["FTS: a file trailer without its header"]),
    ([BHS, A, BHS, B, b"BTS|1"], "BHS", ["BHS: a batch header where the batch's trailer was due"]),
    ([FHS, FHS, BHS, A, b"BTS|1", b"FTS|1"], "FHS", ["FHS: a file header where the file's trailer was due"]),
    ([BHS, A, b"BTS|1", b"PID|lost"], "BHS", ["BTS: bytes between"]),
    ([b"BHS$@*!%$batch", A, b"BTS$9$x"], "BHS", ["not the 1 found"]),
    ([b"BHS|^~\\&|x", A, b"BTS|99999999999999999999999999"], "BHS", ["no number"]),
]


@pytest.mark.parametrize(("parts", "kind", "faults"), BATCHES)
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_batch(parts: list[bytes], kind: str, faults: list[str], end: bytes) -> None:
    """Trailers are checked against what came; the faults are the envelope's, not the messages'."""
    envelope, *messages = units(end.join(parts))
    assert (envelope.kind, envelope.index, envelope.type) == ("envelope", None, kind)
    assert len(envelope.issues) == len(faults)
    for issue, fault in zip(envelope.issues, faults, strict=True):
        assert issue.severity == "error"
        assert fault in issue.text
    assert [unit.body for unit in messages] == [part for part in parts if part.startswith(b"MSH")]
    assert not any(unit.issues for unit in messages)


def test_trailer_alone_makes_no_envelope() -> None:
    (only,) = units(A + b"\rBTS|1")
    assert [issue.text for issue in only.issues] == ["BTS: a batch trailer without its header"]
    assert list(units(b"BTS|1")) == []


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-be"])
def test_wide_files(codec: str) -> None:
    """The same cut in UTF-16 and UTF-32."""
    text = "\ufeff" + (A + b"\r\n" + B + b"\r").decode()
    assert [body.decode(codec).encode() for body in bodies(text.encode(codec))] == [A, B]
    batch = "\ufeff" + "\r".join(["FHS|^~\\&", "BHS|^~\\&", A.decode(), "BTS|1", "BHS", B.decode(), "BTS", "FTS|2"])
    assert [body.decode(codec).encode() for body in bodies(batch.encode(codec))] == [A, B]


pieces = st.lists(
    st.one_of(
        st.sampled_from(
            [A, B, FHS, BHS, b"BTS|1", b"FTS|", b"\r", b"\n", b"\x0b", b"\x1c", b"\xef\xbb\xbf", b"MSH", b"|"]
        ),
        st.binary(max_size=6),
    ),
    max_size=12,
)


@given(pieces)
def test_any_file(parts: list[bytes]) -> None:
    """Never an exception; units are in order, begin with MSH, don't overlap, and only trimmings lie between them."""
    data = b"".join(parts)
    found: list[Unit] = list(units(data))
    assert [unit.index for unit in found if unit.kind == "message"] == list(range(len(bodies(data))))
    assert all(unit.kind == "message" for unit in found[1:])
    at = 0
    for body in bodies(data):
        start = data.index(body, at)
        assert b"\rMSH|" not in data[at:start].replace(b"\n", b"\r")[:-1]
        assert body.startswith(b"MSH") or body[:1] in (b"\xff", b"\xfe", b"\0", b"M")
        if wide.codec(data) is None:  # else CR is a code unit, not a byte
            assert not body.endswith((b"\r", b"\n", b"\x0b", b"\x1c"))
        at = start + len(body)


@pytest.mark.parametrize(
    "piece", [b"MSH|\r", b"MSH", b"\r", b"BHS|\rBTS|1\r", b"\x0b", b"MSH|^~\\&|\r\n" * 3], ids=repr
)
def test_linear(piece: bytes) -> None:
    started = time.process_time()
    for _ in units(piece * (1_000_000 // len(piece))):
        pass
    assert time.process_time() - started < 5


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-be", "utf-32"])
def test_wide_units(codec: str) -> None:
    """Cut from the bytes as they are; data that only begins like UTF-16 has no unit and raises nothing."""
    data = "\ufeffMSH|^~\\&|A\rPID|1\r\nMSH|^~\\&|B\r".encode(codec)
    found = bodies(data)
    assert [each.decode("utf-16-be" if codec == "utf-16-be" else f"{codec}-le")[6:11] for each in found] == [
        "\\&|A\r",
        "\\&|B",
    ]
    assert all(each in data for each in found)
    assert bodies(b"\xff\xfex\x00") == bodies(b"\xff\xfe\x00M\x00S\x00H") == []
