"""A channel's profile: breaches are flagged on the message and change nothing else; a faulty one stops the start."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.mapper import BREACHES_MAX, Failure, Mapper, MapperConfig
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


def test_only_who_answers_after_map_refuses_and_only_errors_do(tmp_path: Path) -> None:
    file = tmp_path / "north.yaml"
    body = adt("A01", "20260301080000+0100", pid(), visit())
    asked = Channel("adt", profile=str(file), answer_after="map")
    config = MapperConfig({"adt": asked}, UUID(int=1), "https://x.invalid")
    file.write_text(PROFILE)
    rule = "profile north: PID-3.4.1 holds no value of the agreed list"
    breach = ("error", "code-invalid", "PID[1]-3[1].4.1", rule)
    assert Mapper(config).map("adt", body) == Failure("profile", breach[2], rule, (), (breach,))
    spoken(Channel("adt", profile=str(file)), body)
    soft = tmp_path / "soft.yaml"
    soft.write_text(PROFILE.replace("'010']", "'010'], severity: warning"))
    assert b"profile north: PID-3.4.1" in spoken(replace(asked, profile=str(soft)), body).detail
    many = tmp_path / "many.yaml"
    many.write_text("profile: many\nfields:\n" + "- {path: PID-30, required: true}\n" * 100)
    found = Mapper(replace(config, channels={"adt": replace(asked, profile=str(many))})).map("adt", body)
    assert isinstance(found, Failure)
    assert len(found.breaches) == BREACHES_MAX


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
