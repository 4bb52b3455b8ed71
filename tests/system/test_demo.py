"""`tabellion demo`: holds on the samples as shipped, and says so when one of them is damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gateway.demonstration.samples import load_samples
from gateway.demonstration.senders import WAYS
from tests.support.service import tabellion


def test_demo_holds(samples: Path, tmp_path: Path) -> None:
    """Exit 0; a second run replaces what the first left; what it leaves can be verified."""
    place = tmp_path / "demo-data"
    for _ in range(2):
        done = tabellion("demo", "--samples", str(samples), "--data", str(place))
        assert "All of it held" in done.stdout
        assert "NOT" not in done.stdout
    assert "ImagingStudy of 6 instances" in done.stdout
    assert "icd-9-cm 250.00  stands beside  icd-10-cm E11.9" in done.stdout
    [case] = tabellion("identity", "worklist", "--json", f"--data={place / 'data'}").stdout.splitlines()
    held = json.loads(case)
    assert (held["channel"], held["held"], held["elements"]) == ("images", 1, ["gender", "birthDate"])
    words = [f"--{name}={place / file}" for name, file in (("record", "record.json"), ("receipt", "receipt.json"))]
    assert tabellion("verify", *words, f"--key={place / 'log.vkey'}").stdout.startswith("valid")


def test_every_sample_is_in_the_manifest_and_as_shipped(samples: Path) -> None:
    """What the demo sends is all there is of the three formats, and nothing of it has changed unnoticed."""
    found = load_samples(samples)
    assert [sample.name for sample in found if not sample.as_shipped] == []
    assert {sample.way for sample in found} == set(WAYS)
    files = [path for part in ("hl7v2", "cda", "dicom") for path in (samples / part).rglob("*") if path.is_file()]
    assert sorted(sample.name for sample in found) == sorted(path.relative_to(samples).as_posix() for path in files)


def test_demo_with_damaged_samples(samples: Path, tmp_path: Path) -> None:
    """One byte of a sample of each way in changed: exit 1, and each is named; the others are sent all the same."""
    folder = tmp_path / "samples"
    shutil.copytree(samples, folder)
    victims = {sample.way: folder / sample.name for sample in load_samples(folder)}
    for victim in victims.values():
        data = bytearray(victim.read_bytes())
        data[len(data) // 2] ^= 1
        victim.write_bytes(data)
    done = tabellion("demo", "--samples", str(folder), "--data", str(tmp_path / "demo-data"), check=False)
    assert done.returncode == 1
    for victim in victims.values():
        assert f"NOT  {victim.relative_to(folder).as_posix()} is not as it was shipped" in done.stdout
    assert "NOT  a man's CT under a woman's number is held" in done.stdout  # it was not sent
    assert "receipts are valid" in done.stdout
    assert "All of it held" not in done.stdout


def test_demo_leaves_other_folders_alone(samples: Path, tmp_path: Path) -> None:
    """A folder that the demo did not make is not touched."""
    place = tmp_path / "mine"
    place.mkdir()
    (place / "file").write_text("mine")
    done = tabellion("demo", "--samples", str(samples), "--data", str(place), check=False)
    assert done.returncode == 2
    assert (place / "file").read_text() == "mine"
