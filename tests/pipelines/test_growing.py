"""Resources of many messages: a bounded number of versions, and a result that nothing but the parts decides."""

from __future__ import annotations

import random
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.fhir import decode_trusted
from pipelines.channels import Channel
from pipelines.datafolder import DataFolder, init_folder
from pipelines.deadletters import letters
from pipelines.envelope import Envelope
from pipelines.growing import quiet
from pipelines.settings import Settings
from pipelines.state import SqliteState
from pipelines.writer import settle_all
from tests.mappings.dicom.made import dumped, image

SETTINGS = Settings(channels={"ct": Channel("ct", format="dicom", default_authority="ZZHOSP", zone="Europe/Zurich")})
T0 = 1_760_000_000_000_000


def instance(number: int, description: str = "study", series: int = 4) -> bytes:
    return dumped(
        image(
            SOPInstanceUID=f"1.2.3.{number}",
            SeriesInstanceUID=f"1.2.4.{number % series}",
            SeriesNumber=number % series,
            InstanceNumber=number,
            StudyDescription=description,
            AccessionNumber="A1",
            Manufacturer="ZZ",
            DeviceSerialNumber="S1",
            ReferringPhysicianName="ZZTEST^REF",
        )
    )


def envelope(number: int, body: bytes, received: int = T0) -> Envelope:
    return Envelope("ct", "dicom", body, f"1.2.3.{number}".encode(), received)


def keep(folder: DataFolder, *envelopes: Envelope) -> None:
    with closing(folder.journal()) as journal:
        for waiting in [journal.append(each) for each in envelopes]:
            waiting.result(30)


def settle(folder: DataFolder) -> None:
    with closing(folder.state()) as state:
        assert isinstance(state, SqliteState)
        settle_all(folder, state, SETTINGS)


def tick(received: int) -> Envelope:
    made = quiet(20)
    return Envelope(made.channel, made.format, made.body, b"", received, kind=made.kind)


def studies(folder: DataFolder) -> list[tuple[int, bytes]]:
    """Every version of the one study: (number of instances, body)."""
    with closing(folder.state_reader()) as state:
        rows = state.connection.execute("SELECT body FROM record WHERE type='ImagingStudy' ORDER BY seq")
        found = [bytes(row[0]) for row in rows]
    numbers = []
    for body in found:
        made = decode_trusted(body)
        assert isinstance(made, dict)
        number = made["numberOfInstances"]
        assert isinstance(number, int)
        numbers.append(number)
    return list(zip(numbers, found, strict=True))


def test_a_study_of_two_thousand_instances_has_a_bounded_number_of_versions(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    keep(folder, *(envelope(number, instance(number)) for number in range(2000)), tick(T0 + 20_000_000))
    settle(folder)
    assert [number for number, _ in studies(folder)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2000]
    with closing(folder.state_reader()) as state:
        count = dict(state.connection.execute("SELECT type, count(*) FROM record GROUP BY type"))
    # everything else of the 2,000 instances is said once; the study's Provenance changes with the study
    assert count == {
        "ImagingStudy": 12,
        "Provenance": 12,
        "Patient": 1,
        "Device": 1,
        "Practitioner": 1,
        "ServiceRequest": 1,
    }


def test_the_last_version_is_a_function_of_the_parts(tmp_path: Path) -> None:
    """Whatever their order, where the writer was stopped, and how often one came."""
    bodies = [(number, instance(number)) for number in range(40)]
    last = set()
    for seed in range(4):
        folder = init_folder(tmp_path / f"data{seed}")
        for name in ("master.key", "namespace.key"):  # ids are the folder's own: the same for all of them here
            (folder.path / "keys" / name).write_bytes((tmp_path / "data0" / "keys" / name).read_bytes())
        random.Random(seed).shuffle(bodies)
        folder = DataFolder(folder.path)
        for start in range(0, 40, 40 // (seed + 1)):
            keep(folder, *(envelope(*each) for each in bodies[start : start + 40 // (seed + 1)]))
            settle(folder)
        keep(folder, *(envelope(*each) for each in bodies[:5]), tick(T0 + 20_000_000))
        settle(folder)
        last.add(studies(folder)[-1])
    assert len(last) == 1


def test_what_came_lately_waits_for_the_next_tick(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    keep(folder, *(envelope(number, instance(number), T0 + number) for number in range(3)), tick(T0 + 19_000_000))
    settle(folder)
    assert [number for number, _ in studies(folder)] == [1, 2]
    keep(folder, tick(T0 + 21_000_000), tick(T0 + 22_000_000))
    settle(folder)
    assert [number for number, _ in studies(folder)] == [1, 2, 3]


def test_the_same_instance_with_other_bytes_is_kept_flagged_and_the_later_stands(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    first, second = envelope(1, instance(1)), envelope(1, instance(1, "corrected"))
    with closing(folder.journal()) as journal:
        assert [journal.append(each).result(10).status for each in (first, second, first)] == [
            "kept",
            "changed",
            "repeated",
        ]
    keep(folder, tick(T0 + 30_000_000))
    settle(folder)
    [(_, before), (number, after)] = studies(folder)
    assert number == 1
    assert b"corrected" in after
    assert b"corrected" not in before
    with closing(folder.state_reader()) as state:
        outcome = state.outcome(2)
    assert outcome is not None
    assert outcome.detail.startswith(b'{"changed":true')


@pytest.mark.parametrize("stop", [1, 5, 9])
def test_a_restart_changes_nothing(tmp_path: Path, stop: int) -> None:
    folder = init_folder(tmp_path / "data")
    keep(folder, *(envelope(number, instance(number)) for number in range(stop)))
    settle(folder)
    keep(folder, *(envelope(number, instance(number)) for number in range(stop, 10)), tick(T0 + 20_000_000))
    settle(folder)
    assert [number for number, _ in studies(folder)] == [1, 2, 4, 8, 10]


def test_a_large_instance_is_mapped_from_its_header(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    body = instance(1) + b"\xe0\x7f\x10\x00OW\0\0\x00\x00\x50\x00" + bytes(5 << 20)
    keep(folder, envelope(1, body))
    settle(folder)
    [(number, _)] = studies(folder)
    assert number == 1
    with closing(folder.state_reader()) as state:
        [(made,)] = state.connection.execute("SELECT body FROM record WHERE type='Provenance'")
    assert sha256(body).hexdigest().encode() in bytes(made)


def test_a_damaged_blob_is_a_dead_letter_and_no_other_is_lost(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    body = instance(1) + b"\xe0\x7f\x10\x00OW\0\0\x00\x00\x20\x00" + bytes(2 << 20)
    keep(folder, envelope(1, body), envelope(2, instance(2)))
    folder.blobs.path(sha256(body).digest()).write_bytes(body[:-1])
    settle(folder)
    assert [letter.cause for letter in letters(folder)] == ["gone"]
    assert [number for number, _ in studies(folder)] == [1]
