"""The header reader: agrees with pydicom on all of its files, and nothing in the bytes can hurt it."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.multival import MultiValue

from adapters.dicom import (
    Damaged,
    DicomError,
    LimitExceeded,
    Limits,
    NotDicom,
    brief,
    looks_like,
    payload,
    read,
    tag_of,
)
from tests.adapters.dicom.pydicom_files import files, folder, label

_TEXT = {"PN", "LO", "SH", "LT", "ST", "UT", "CS", "UI", "AE", "UC", "DA", "TM"}


def _theirs(dataset: pydicom.Dataset, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for tag in dataset.keys():  # noqa: SIM118 (iterating a Dataset gives elements, and a bad one would raise)
        path = f"{prefix}{int(tag):08X}"
        try:
            element = dataset[tag]
        except (ValueError, TypeError, NotImplementedError, AttributeError):
            yield path, None  # pydicom can't; that we can is no difference
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), 1):
                yield from _theirs(item, f"{path}[{number}].")
        elif element.value not in (None, "", b"") and not (
            hasattr(element.value, "__len__") and not len(element.value)
        ):
            yield path, element


@pytest.mark.parametrize("path", files(), ids=label)
def test_agrees_with_pydicom(path: Path) -> None:
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's own remarks
        theirs = dict(_theirs(pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)))
    ours = {place: (dataset, element) for place, dataset, element in read(data).dataset.leaves()}
    # we stop at the pixels: their group length and what may follow is not compared
    behind = {place for place in {*theirs, *ours} if place > "7FE0" and "." not in place}
    assert set(ours) - behind == set(theirs) - behind
    for place, (dataset, element) in ours.items():
        if place in behind or theirs[place] is None or element.vr not in _TEXT:
            continue
        values = theirs[place].value
        texts = [str(value) for value in values] if isinstance(values, MultiValue) else [str(values)]
        stripped = "\\".join(text.strip(" \0") for text in texts).rstrip("\\=")
        mine, said = dataset.texts(element)
        if not said:
            assert "\\".join(text.strip() for text in mine).rstrip("=") == stripped.strip(), place


def test_the_digest_leaves_preamble_and_group_0002_out() -> None:
    data = (folder() / "test_files" / "CT_small.dcm").read_bytes()
    start, syntax = payload(data)
    assert syntax == "1.2.840.10008.1.2.1"
    assert read(data).sha256 == read(data[start:]).sha256
    assert read(data).size == len(data) - start
    assert looks_like(data)
    assert looks_like(data[start:])


def test_no_preamble_and_no_meta_information_is_found_from_the_first_element() -> None:
    data = (folder() / "test_files" / "MR_small_implicit.dcm").read_bytes()
    bare = data[payload(data)[0] :]
    assert read(bare).dataset.text(tag_of("Modality")) == "MR"
    big = (folder() / "test_files" / "MR_small_bigendian.dcm").read_bytes()
    assert read(big[payload(big)[0] :]).dataset.text(tag_of("Modality")) == "MR"
    deflated = (folder() / "test_files" / "image_dfl.dcm").read_bytes()
    assert read(deflated[payload(deflated)[0] :]).dataset.text(tag_of("Modality")) == "OT"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotDicom),
        (b"MSH|^~\\&|A|B", NotDicom),
        (b'{"resourceType": "Patient"}', NotDicom),
        (b"\0" * 128 + b"DICM", Damaged),
        (b"\0" * 128 + b"DICM\x02\x00\x00\x00UL\x04\x00", Damaged),
        (b"\0" * 128 + b"DICM\x02\x00\x00\x00OB\x00\x00\xff\xff\xff\x7f", Damaged),
    ],
)
def test_what_can_not_be_read_is_our_error(data: bytes, error: type[DicomError]) -> None:
    with pytest.raises(error):
        read(data)


def _sequence(depth: int) -> bytes:
    """Sequences of undefined length in one another."""
    begin = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + begin * depth


def test_depth_and_number_of_elements_are_bounded() -> None:
    read(_sequence(20))
    with pytest.raises(LimitExceeded):
        read(_sequence(100_000))
    many = b"\x08\x00\x05\x00CS\x00\x00" * 200
    with pytest.raises(LimitExceeded):
        read(many, Limits(elements=100))


def test_a_deflated_bomb_is_refused() -> None:
    meta = b"\x02\x00\x10\x00UI\x16\x001.2.840.10008.1.2.1.99"
    content = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + b"\0" * (1 << 20)
    packer = zlib.compressobj(wbits=-15)
    data = b"\0" * 128 + b"DICM" + meta + packer.compress(content) + packer.flush()
    with pytest.raises(LimitExceeded):
        read(data, Limits(inflated=1000))


def test_a_bad_value_costs_that_value() -> None:
    good = b"\x08\x00\x60\x00CS\x02\x00CT"
    cut = b"\x08\x00\x70\x00LO" + struct.pack("<H", 500) + b"SHORT"
    found = read(good + cut)
    assert found.dataset.text(tag_of("Modality")) == "CT"
    assert [fault.path for fault in found.faults] == ["00080070"]


def test_large_values_are_counted_and_not_kept() -> None:
    data = b"\x08\x00\x60\x00CS\x02\x00CT" + b"\x42\x00\x11\x00OB\0\0" + struct.pack("<I", 2000) + b"x" * 2000
    element = read(data, Limits(document=1000)).dataset.get(tag_of("EncapsulatedDocument"))
    assert element is not None
    assert element.value is None
    assert not element.empty


_SEEDS = [
    (folder() / "test_files" / name).read_bytes()[:3000]
    for name in ("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "priv_SQ.dcm", "test-SR.dcm")
]


@given(
    st.binary(max_size=400) | st.sampled_from(_SEEDS), st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=8)))
)
@settings(max_examples=400)
def test_any_bytes_are_a_value_or_our_error(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    for at, piece in changes:
        data = data[:at] + piece + data[at + len(piece) :]
    looks_like(data)
    try:
        found = read(data)
    except DicomError:
        return
    for _, dataset, element in found.dataset.leaves():
        dataset.texts(element)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_a_large_instance_is_read_from_its_header(name: str) -> None:
    """The same as of all its bytes, whatever the pixels weigh."""
    data = (folder() / "test_files" / name).read_bytes()
    body = data[payload(data)[0] :] + bytes(5 << 20)
    digest = hashlib.sha256(body).digest()
    short = brief(io.BytesIO(body), digest, len(body))
    assert len(short) < 1 << 20
    whole, header = read(body), read(short)
    assert (header.sha256, header.size) == (whole.sha256, whole.size) == (digest, len(body))
    assert [path for path, _, _ in header.dataset.leaves()] == [path for path, _, _ in whole.dataset.leaves()]
    with pytest.raises(DicomError):
        brief(io.BytesIO(body), b"\0" * 32, len(body))
