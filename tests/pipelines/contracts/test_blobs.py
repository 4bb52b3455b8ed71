"""What every Blobs must do."""

from __future__ import annotations

import hashlib
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import BlobMissing
from pipelines.ports import Blobs


@given(st.binary(max_size=5000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_come_back_under_their_hash(blobs: Blobs, data: bytes) -> None:
    digest = blobs.put(data)
    assert digest == hashlib.sha256(data).digest()
    assert blobs.read(digest) == data
    with blobs.open(digest) as stream:
        assert stream.read() == data


def test_a_stream_is_stored_as_its_bytes(blobs: Blobs) -> None:
    data = b"0123456789" * 300_000
    assert blobs.read(blobs.put(io.BytesIO(data))) == data


def test_the_same_bytes_twice_are_one_blob(blobs: Blobs) -> None:
    assert blobs.put(b"x") == blobs.put(io.BytesIO(b"x"))
    assert blobs.read(hashlib.sha256(b"x").digest()) == b"x"


def test_what_was_never_put_is_missing(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing):
        blobs.open(bytes(32))
    with pytest.raises(BlobMissing):
        blobs.read(bytes(32))
