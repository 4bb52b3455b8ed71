"""`tabellion demo`: holds on the samples as shipped, and says so when one of them is damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.service import tabellion


def test_demo_holds(samples: Path, tmp_path: Path) -> None:
    """Exit 0; a second run replaces what the first left; what it leaves can be verified."""
    place = tmp_path / "demo-data"
    for _ in range(2):
        done = tabellion("demo", "--samples", str(samples / "hl7v2"), "--data", str(place))
        assert "All of it held" in done.stdout
        assert "NOT" not in done.stdout
    words = [f"--{name}={place / file}" for name, file in (("record", "record.json"), ("receipt", "receipt.json"))]
    assert tabellion("verify", *words, f"--key={place / 'log.vkey'}").stdout.startswith("valid")


def test_demo_with_a_damaged_sample(samples: Path, tmp_path: Path) -> None:
    """One byte of one sample changed: exit 1, and the sample is named."""
    folder = tmp_path / "samples"
    shutil.copytree(samples / "hl7v2", folder)
    victim = folder / json.loads((folder / "manifest.json").read_text())["files"][3]["file"]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    done = tabellion("demo", "--samples", str(folder), "--data", str(tmp_path / "demo-data"), check=False)
    assert done.returncode == 1
    assert victim.name in done.stdout


def test_demo_leaves_other_folders_alone(samples: Path, tmp_path: Path) -> None:
    """A folder that the demo did not make is not touched."""
    place = tmp_path / "mine"
    place.mkdir()
    (place / "file").write_text("mine")
    done = tabellion("demo", "--samples", str(samples / "hl7v2"), "--data", str(place), check=False)
    assert done.returncode == 2
    assert (place / "file").read_text() == "mine"
