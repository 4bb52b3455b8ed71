"""The table of formats: every row keeps what `Source` promises, whatever bytes come, and costs nothing unused."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import MappingError
from pipelines.channels import Channel
from pipelines.configuration import load
from pipelines.formats import FORMATS, LEVELS, maps, source
from pipelines.settings import Settings
from tests.pipelines.v2 import BASE, NAMESPACE

HEAVY = ("lxml", "pydicom", "pynetdicom")


@pytest.mark.parametrize("format_", FORMATS)
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_units_with_an_identity_or_none(format_: str, data: bytes) -> None:
    row = source(format_)
    for unit in row.units(data):
        assert isinstance(row.identity(unit.body), bytes)
    assert isinstance(row.identity(data), bytes)


@pytest.mark.parametrize("format_", FORMATS)
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_mapped_or_refused_with_an_error_that_has_a_cause(format_: str, data: bytes) -> None:
    row = source(format_)
    channel = Channel("c", format=format_)
    errors: tuple[type[Exception], ...] = (MappingError, *row.errors)
    try:
        row.refuses(channel, data)
        mapped = maps(format_).map(data, channel.map_settings(NAMESPACE, BASE))
        assert sum(mapped.leaves) >= 0
    except errors:
        pass


@pytest.mark.parametrize("format_", FORMATS)
def test_maps_are_made_again_from_their_content(format_: str) -> None:
    """Records are explained by the maps that made them, which are kept by hash."""
    made = maps(format_)
    again = source(format_).load_content(made.content)
    assert again.hash == made.hash
    again.check()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_format_is_checked_as_asked_unless_its_maps_do_that(format_: str) -> None:
    row = source(format_)
    assert [row.level(level) for level in LEVELS] == (["values"] * 3 if row.proving else list(LEVELS))


def test_there_is_one_default_channel_per_format() -> None:
    assert {name: channel.format for name, channel in Settings().channels.items()} == {name: name for name in FORMATS}
    assert [[channel.name for channel in load(None, {}).channels_of(name)] for name in FORMATS] == [
        [name] for name in FORMATS
    ]


def test_settings_of_hl7v2_headers_are_refused_elsewhere() -> None:
    faults = list(Channel("c", format="fhir", listener="127.0.0.1:1", versions=("2.5",)).faults())
    assert [fault.partition(":")[0] for fault in faults] == ["listener", "versions"]
    assert not list(Channel("c", format="hl7v2", listener="127.0.0.1:1", versions=("2.5",)).faults())


def test_a_format_costs_the_others_nothing() -> None:
    """Mapping HL7 v2 loads no library of another format."""
    code = "import sys; from pipelines.formats import maps; import pipelines.journey; maps('hl7v2');" + (
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
