"""Settings: what is wrong is said in plain words, what is there is documented, and safe is the default."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pipelines.channels import Channel
from pipelines.configuration import json_schema, load
from pipelines.errors import SettingsError
from pipelines.formats import FORMATS
from pipelines.settingfields import default_of
from pipelines.settings import SECTIONS, Settings

ROOT = Path(__file__).resolve().parents[2]


def from_text(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "tabellion.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environ)


def test_without_anything_all_is_on_loopback_with_one_channel() -> None:
    settings = load(None, {})
    assert (settings.mllp.listen, settings.http.listen) == ("127.0.0.1:2575", "127.0.0.1:8080")
    assert list(settings.channels) == list(FORMATS)
    assert settings.channels["hl7v2"].processing_ids == ("P",)
    assert settings.listeners() == ("",)
    assert settings.channels_on("") == (settings.channels["hl7v2"],)


def test_a_whole_file(tmp_path: Path) -> None:
    settings = from_text(
        tmp_path,
        """
        [service]
        base = "https://fhir.example.org/r4"
        [pipeline]
        mappers = 3
        message_seconds = 5
        [kafka]
        servers = "broker:9092"
        options = {"security.protocol" = "ssl"}
        [channels.lab]
        listener = "127.0.0.1:2600"
        message_types = ["ORU", "MDM^T02"]
        zone = "Europe/Zurich"
        identifier_order = ["MR"]
        topics = {Coverage = "encounter"}
        dedupe_days = 0.5
        [channels.adt]
        """,
    )
    assert settings.service.base == "https://fhir.example.org/r4"
    assert settings.pipeline.message_seconds == 5.0
    assert settings.kafka.options == {"security.protocol": "ssl"}
    assert list(settings.channels) == ["lab", "adt"]
    lab = settings.channels["lab"]
    assert (lab.name, lab.message_types, lab.zone) == ("lab", ("ORU", "MDM^T02"), "Europe/Zurich")
    assert settings.listeners() == ("127.0.0.1:2600", "")
    assert settings.journal().dedupe_window == 7 * 86_400_000_000  # the widest of all channels
    assert pickle.loads(pickle.dumps(settings)) == settings  # crosses to spawned processes


def test_the_environment_wins(tmp_path: Path) -> None:
    settings = from_text(
        tmp_path,
        '[mllp]\nlisten = "127.0.0.1:1"\n[channels.lab]\n',
        TABELLION__MLLP__LISTEN="127.0.0.1:2",
        TABELLION__PIPELINE__MAPPERS="0",
        TABELLION__CHANNELS__LAB__MESSAGE_TYPES='["ORU"]',
        TABELLION__CHANNELS__LAB__ZONE="Europe/Zurich",
        TABELLION_TEST_DATA="not ours",
        HOME="/",
    )
    assert settings.mllp.listen == "127.0.0.1:2"
    assert settings.pipeline.mappers == 0
    assert settings.channels["lab"].message_types == ("ORU",)
    assert settings.channels["lab"].zone == "Europe/Zurich"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mllpp]\n", "[mllpp]: no such section; there are service, mllp, dicom, http"),
        ("[mllp]\nlistem = 1\n", "[mllp] listem: no such setting; did you mean listen?"),
        ("[channels.lab]\nzone = 1\n", "[channels.lab] zone: must be text"),
        ("[channels.lab]\nzone = 'Mars/Base'\n", "'Mars/Base' is not a time zone name"),
        ("[channels.lab]\nmessage_types = 'ADT'\n", "message_types: must be a list, in square brackets"),
        ("[channels.lab]\nmessage_types = ['adt a01']\n", "is not of the form"),
        ("[channels.lab]\nprocessing_ids = ['X']\n", "must be one of P, T, D"),
        ("[channels.lab]\nprocessing_ids = ['P', 'T']\n", "T and D never enter a production topic"),
        ("[channels.lab]\nprocessing_ids = []\n", "only P here"),
        ("[channels.lab]\npeers = ['10.1.0.0/99']\n", "is not an address or network"),
        ("[channels.lab]\ntopics = {Coverage = 'money'}\n", "must be one of patient, encounter"),
        ("[channels.lab]\nerror_policy = 'stop'\n", "must be one of pass, wait"),
        ("[channels.Lab]\n", "a channel name is 1 to 63 of a-z"),
        ("channels = 3\n", "[channels]: must hold one table per channel"),
        ("[channels]\nlab = 3\n", "[channels.lab]: must be a table"),
        ("[pipeline]\nbatch_ms = true\n", "must be a whole number"),
        ("[pipeline]\nbatch_records = 0\n", "must be 1 or more"),
        ("[mllp]\nlisten = 'localhost'\n", "'localhost' is not HOST:PORT"),
        ("[mllp]\nlisten = '127.0.0.1:99999'\n", "is not HOST:PORT"),
        ("[mllp]\nlisten = '0.0.0.0:2575'\n", "patient data would cross the network in clear"),
        ("[http]\nlisten = ':::8080'\n", "is not loopback"),
        ("[channels.lab]\nlistener = '10.0.0.1:2575'\n", "[channels.lab] listener: '10.0.0.1:2575' is not loopback"),
        ("[mllp]\ntls_key = 'k'\n", "[mllp] tls_key: without `tls_certificate` there is no TLS"),
        ("[mllp]\ntls_certificate = 'c'\n", "[mllp] tls_ca: who may send?"),
        ("[mllp]\ntls_minimum = '1.1'\n", "must be one of 1.2, 1.3"),
        ("[channels.lab]\ncertificates = ['dns:lab']\n", "certificates: its listener asks for none"),
        ("[channels.lab]\ncertificates = ['lab']\n", "is not of the form"),
        ("[channels.lab]\nlistener_tls = false\n", "listener_tls: the channel has no listener of its own"),
        (
            "[mllp]\ntls_certificate = 'c'\ntls_ca = 'a'\n"
            "[channels.lab]\nlistener = '10.0.0.1:2576'\nlistener_tls = false\n",
            "[channels.lab] listener: '10.0.0.1:2576' is not loopback",
        ),
        ("[mllp]\nsilent_seconds = inf\n", "silent_seconds: must be finite"),
        ("[mllp]\nidle_seconds = nan\n", "idle_seconds: must be finite"),
        ("[channels.lab]\nanswer_after = 'settle'\n", "must be one of keep, map"),
        ("[channels.lab]\nanswer_after = 'map'\nsequence_numbers = 'check'\n", "answer_after: with sequence numbers"),
        ("[channels.lab]\nformat = 'fhir'\nanswer_after = 'map'\n", "answer_after: only a channel of format hl7v2"),
        ("[mllp\n", "not TOML"),
    ],
)
def test_faults_are_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        from_text(tmp_path, text)
    assert said in str(error.value)


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        from_text(tmp_path, "[a]\n[b]\n[mllp]\nc = 1\n", TABELLION__HTTP="x")
    assert len(str(error.value).split("\n")) == 4


def test_the_longest_retention_counts_for_all_channels_of_the_journal(tmp_path: Path) -> None:
    assert load(None, {}).retention_days() == 0
    text = "[channels.a]\nretention_days = 30\n[channels.b]\nretention_days = {}\n"
    assert from_text(tmp_path, text.format(90)).retention_days() == 90
    assert from_text(tmp_path, text.format(0)).retention_days() == 0


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "none.toml", {})


@pytest.mark.parametrize("section", ["mllp", "http"])
def test_another_address_only_with_insecure(tmp_path: Path, section: str) -> None:
    text = f"[{section}]\nlisten = '0.0.0.0:9999'\ninsecure = true\n"
    settings = from_text(tmp_path, text, TABELLION__HTTP__TOKENS='["0123456789abcdef"]')
    assert getattr(settings, section).listen == "0.0.0.0:9999"


def test_another_address_with_tls(tmp_path: Path) -> None:
    text = "[mllp]\nlisten = '0.0.0.0:2575'\ntls_certificate = 'c.pem'\ntls_ca = 'ca.pem'\n"
    settings = from_text(
        tmp_path, text + "[channels.a]\nlistener = '127.0.0.1:2576'\nlistener_tls = false\n[channels.b]\n"
    )
    assert settings.tls_on("") is not None
    assert settings.tls_on("127.0.0.1:2576") is None


def test_http_elsewhere_only_with_tokens_which_nothing_repeats(tmp_path: Path) -> None:
    text = "[http]\nlisten = '0.0.0.0:9999'\ninsecure = true\n"
    with pytest.raises(SettingsError, match="tokens: none are set"):
        from_text(tmp_path, text)
    secrets = tmp_path / "tokens"
    secrets.write_text("# ours\nfirst-token-of-tests\n\nsecond-token-of-tests\n")
    with pytest.raises(SettingsError, match="can be read by others"):
        from_text(tmp_path, f"{text}tokens_file = '{secrets}'\n")
    secrets.chmod(0o600)
    settings = from_text(tmp_path, f"{text}tokens_file = '{secrets}'\ntokens = ['third-token-of-tests']\n")
    assert settings.http.all_tokens() == ("third-token-of-tests", "first-token-of-tests", "second-token-of-tests")
    assert "third" not in repr(settings)
    secrets.write_text("short-ZZCANARY\n")
    for given in (f"tokens_file = '{secrets}'", "tokens = ['short-ZZCANARY']", "tokens = 'short-ZZCANARY'"):
        with pytest.raises(SettingsError, match="tokens") as error:
            from_text(tmp_path, f"[http]\n{given}\n")
        assert "ZZCANARY" not in str(error.value)
    with pytest.raises(SettingsError, match="can't be read"):
        from_text(tmp_path, f"[http]\ntokens_file = '{tmp_path / 'nowhere'}'\n")


def test_a_test_installation_takes_training_messages(tmp_path: Path) -> None:
    text = "[service]\nproduction = false\n[channels.demo]\nprocessing_ids = ['P', 'T']\n"
    assert from_text(tmp_path, text).channels["demo"].processing_ids == ("P", "T")


# -- documentation -----------------------------------------------------------------------------------------------


def documented() -> dict[tuple[str, str], str]:
    """(section, key) → its row in docs/configuration.md."""
    rows = {}
    section = ""
    for line in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").split("\n"):
        if line.startswith("## `["):
            section = line.split("`")[1].strip("[]")
        elif line.startswith("| `"):
            rows[section, line.split("`")[1]] = line
    return rows


def _fields() -> Iterator[tuple[str, str, Any]]:
    """(section, key, field) of every setting there is."""
    for section, kind in (*SECTIONS.items(), ("channels.NAME", Channel)):
        for one in fields(kind):
            if one.metadata:
                yield section, one.name, one


def test_every_setting_is_documented_and_nothing_else() -> None:
    assert sorted(documented()) == sorted((section, key) for section, key, _ in _fields())


def test_the_documentation_gives_the_default_and_the_text() -> None:
    rows = documented()
    for section, key, one in _fields():
        default = default_of(one)
        shown = f"`{_toml(default)}`"
        assert shown in rows[section, key], f"{section}.{key}: default {shown} is not in the documentation"
        text = one.metadata["doc"].replace("|", "\\|")
        assert text in rows[section, key], f"{section}.{key}: documentation differs from the source"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else "{}" if value == {} else str(value)


def test_the_schema_has_every_setting_and_its_bounds() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    for section, key, _ in _fields():
        table = schema["properties"]["channels"]["additionalProperties"] if "." in section else None
        table = table or schema["properties"][section]
        assert table["additionalProperties"] is False
        assert {"description", "type", "default"} <= set(table["properties"][key])
    pipeline = schema["properties"]["pipeline"]["properties"]
    assert pipeline["batch_records"] == {
        "type": "integer",
        "minimum": 1,
        "default": 256,
        "description": "Records per transaction, at most (a message is never cut in two).",
    }
    channel = schema["properties"]["channels"]["additionalProperties"]["properties"]
    assert channel["error_policy"]["enum"] == ["pass", "wait"]
    assert channel["topics"]["additionalProperties"]["enum"] == [
        "patient",
        "encounter",
        "observation",
        "document",
        "imaging",
        "other",
    ]
    assert channel["message_types"]["items"]["pattern"]
