"""Which files `convert` and `send` find, in which order, and which format they hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.conversion.detect import detect
from gateway.conversion.walk import printable, walk
from gateway.errors import InputError


def test_folders_in_byte_order_without_dot_files_and_links(tmp_path: Path) -> None:
    """Sorted by the bytes of the relative path; dot files, dot folders and symbolic links are skipped."""
    for name in ("b/x", "b-1", "B", "a/z", "a/é", ".hidden", ".git/config"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "B")
    (tmp_path / "linked").symlink_to(tmp_path / "a")
    found = [source.relative for source in walk([str(tmp_path)])]
    assert found == ["B", "a/z", "a/é", "b-1", "b/x"]
    assert not any(source.named for source in walk([str(tmp_path)]))


def test_arguments_keep_their_order_and_number(tmp_path: Path) -> None:
    """A file argument goes by its own name; the same file may come twice."""
    for name in ("2.hl7", "1.hl7"):
        (tmp_path / name).write_text("x")
    given = [str(tmp_path / "2.hl7"), str(tmp_path / "1.hl7"), str(tmp_path / "2.hl7")]
    found = list(walk(given))
    assert [(source.argument, source.relative, source.name) for source in found] == [
        (0, "2.hl7", given[0]),
        (1, "1.hl7", given[1]),
        (2, "2.hl7", given[2]),
    ]
    assert all(source.named for source in found)


def test_missing_path_is_an_input_error(tmp_path: Path) -> None:
    """Exit code 3, and the path is named."""
    with pytest.raises(InputError, match="nowhere"):
        list(walk([str(tmp_path / "nowhere")]))


def test_undecodable_names_are_percent_encoded(tmp_path: Path) -> None:
    """A name that is not UTF-8 still gives a line of UTF-8."""
    raw = os.fsencode(tmp_path) + b"/m\xffller.hl7"
    with open(raw, "wb"):
        pass
    (source,) = walk([str(tmp_path)])
    assert printable(source.relative) == "m%FFller.hl7"
    assert source.read() == b""


FORMATS = [
    (b"MSH|^~\\&|A", "hl7v2"),
    (b"\xef\xbb\xbfMSH|^~\\&|A", "hl7v2"),
    (b"junk\rMSH|^~\\&|A", "hl7v2"),
    (b"FHS|^~\\&|A", "hl7v2"),
    ("\ufeffMSH|^~\\&|A".encode("utf-16-le"), "hl7v2"),
    (b"\0" * 128 + b"DICM\2\0", "dicom"),
    (b'<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3">', "cda"),
    (b"<cda:ClinicalDocument>", "cda"),
    (b' {"resourceType":"Patient"}', "fhir"),
    (b'{"entry":[{"resource":{"resourceType":"Basic"}}],"resourceType":"Bundle"}', "fhir"),
    (b'{"kept":{"resourceType":"Patient"}}', None),
    (b'{"said":"\\"resourceType\\": {"}', None),
    (b"MSHX|", None),
    (b'{"a": 1}', None),
    (b"<html>MSH|</html>", None),
    (b"", None),
]


@pytest.mark.parametrize(("data", "format_"), FORMATS)
def test_detect(data: bytes, format_: str | None) -> None:
    """By content, never by name."""
    assert detect(data) == format_
