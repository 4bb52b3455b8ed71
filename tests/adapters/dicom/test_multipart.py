"""multipart/related: parts as they were sent, whatever stands around them; any bytes are parts or our error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dicom import DicomError
from adapters.dicom.multipart import boundary_of, parts


def body(*contents: bytes, boundary: bytes = b"xx", line: bytes = b"\r\n") -> bytes:
    made = b"preamble" + line
    for content in contents:
        made += b"--" + boundary + line + b"Content-Type: application/dicom; x=y" + line * 2 + content + line
    return made + b"--" + boundary + b"--" + line + b"epilogue"


@pytest.mark.parametrize("line", [b"\r\n", b"\n"])
def test_parts_as_they_were_sent(line: bytes) -> None:
    contents = [b"one", b"", b"with\r\n--x in it\r\n", b"\0\xff" * 100]
    found = list(parts(body(*contents, line=line), b"xx"))
    assert [bytes(part.body) for part in found] == contents
    assert {part.media_type for part in found} == {"application/dicom"}


def test_a_part_without_headers() -> None:
    [part] = parts(b"--xx\r\n\r\ndata\r\n--xx--", b"xx")
    assert (part.media_type, bytes(part.body)) == ("", b"data")


@pytest.mark.parametrize(
    "data", [b"", b"no boundary", b"--xx\r\n\r\ncut off", b"--xxgarbage", b"--xx\r\nheaders: without end\r\n--xx--"]
)
def test_what_is_no_multipart_is_our_error(data: bytes) -> None:
    with pytest.raises(DicomError):
        list(parts(data, b"xx"))


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ('multipart/related; type="application/dicom"; boundary=abc', b"abc"),
        ('multipart/related; boundary="a b;c"', b"a b;c"),
        ("multipart/related", None),
    ],
)
def test_the_boundary(header: str, boundary: bytes | None) -> None:
    assert boundary_of(header) == boundary


PIECES = [b"--xx", b"--", b"\r\n", b"\n", b"Content-Type: a", b"\r\n\r\n", b"data", b"\0"]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join) | st.binary(max_size=100))
def test_any_bytes(data: bytes) -> None:
    try:
        for part in parts(data, b"xx"):
            bytes(part.body)
    except DicomError:
        pass
