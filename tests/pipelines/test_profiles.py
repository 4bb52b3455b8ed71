"""A channel's profile: breaches are flagged on the message and change nothing else; a faulty one stops the start."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import pytest

from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.mapper import Mapper, MapperConfig
from pipelines.profiles import profile
from pipelines.said import Spoken
from tests.pipelines.v2 import adt, pid, visit
from tests.support.service import tabellion

PROFILE = "profile: north\nfields:\n- {path: PID-8, required: true}\n- {path: PID-3.4.1, values: ['NO', '010']}\n"


def spoken(channel: Channel, body: bytes) -> Spoken:
    found = Mapper(MapperConfig({"adt": channel}, UUID(int=1), "https://x.invalid")).map("adt", body)
    assert isinstance(found, Spoken)
    return found


def test_breaches_are_flagged_and_nothing_else_changes(tmp_path: Path) -> None:
    file = tmp_path / "north.yaml"
    file.write_text(PROFILE)
    body = adt("A01", "20260301080000+0100", pid(), visit())
    plain = spoken(Channel("adt"), body)
    found = spoken(Channel("adt", profile=str(file)), body)
    assert replace_detail(found) == replace_detail(plain)
    assert b"profile north: PID-3.4.1" in found.detail
    assert b"profile north" not in plain.detail


def replace_detail(found: Spoken) -> tuple[object, ...]:
    return (found.type, found.event_time, found.patients, found.terms, found.said)


@pytest.mark.parametrize(
    ("text", "said"),
    [("fields: [{path: PID3}]", "rule 1"), ("fields: [", "north.yaml:2"), (None, "No such file")],
)
def test_a_faulty_profile_is_one_plain_error(tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "north.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=said):
        profile(str(file))
    config = tmp_path / "tabellion.toml"
    config.write_text(f'[channels.lab]\nprofile = "{file.as_posix()}"\n')
    done = tabellion("check", str(config), check=False)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_validate_takes_the_profile(tmp_path: Path) -> None:
    (tmp_path / "north.yaml").write_text(PROFILE)
    config = tmp_path / "tabellion.toml"
    config.write_text(f'[channels.lab]\nprofile = "{(tmp_path / "north.yaml").as_posix()}"\n')
    message = tmp_path / "m.hl7"
    message.write_bytes(adt("A01", "20260301080000+0100", pid(), visit()))
    words = [
        "validate",
        str(message),
        "--json",
        "--config",
        str(config),
        "--channel",
        "lab",
        "--data",
        str(tmp_path / "d"),
    ]
    done = tabellion(*words, check=False)
    line = json.loads(done.stdout)
    assert (done.returncode, line["valid"]) == (1, False)
    assert any(issue["text"].startswith("profile north:") for issue in line["issues"])
    schema = json.loads(tabellion("check", "--profile-schema").stdout)
    assert "fields" in schema["properties"]
