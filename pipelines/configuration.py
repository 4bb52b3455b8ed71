"""The configuration: one TOML file and the environment, read into settings (commands.md "A channel is one TOML table").

The environment wins over the file: TABELLION__SECTION__KEY, TABELLION__CHANNELS__NAME__KEY (lists and numbers as in
TOML).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.settingfaults import across
from pipelines.settingfields import SECTION_NAME, read_table, schema_of
from pipelines.settings import SECTIONS, Settings

__all__ = ["json_schema", "load"]

ENV_PREFIX = "TABELLION__"


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read file and environment. Raises SettingsError with every fault found, in plain words."""
    table: dict[str, Any] = {}
    name = "the environment"
    if path is not None:
        name = str(path)
        try:
            table = tomllib.loads(path.read_bytes().decode())
        except OSError as error:
            raise SettingsError(f"{path}: {error.strerror or type(error).__name__}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not TOML: {error}") from error
    faults: list[str] = []
    for keys, text in _from_environment(environ):
        _put(table, keys, text, faults)
    settings = read(table, faults)
    if faults:
        raise SettingsError(f"{name}: " + "\n".join(faults))
    return settings


def read(table: Mapping[str, Any], faults: list[str]) -> Settings:
    """Settings from parsed TOML; what is wrong is appended to `faults`."""
    for key in table:
        if key not in SECTIONS and key != "channels":
            faults.append(f"[{key}]: no such section; there are {', '.join((*SECTIONS, 'channels'))}")
    sections = {
        name: read_table(kind, table.get(name, {}), f"[{name}]", faults) for name, kind in SECTIONS.items()
    }  # fmt: skip
    settings = replace(Settings(), **sections)
    given = table.get("channels", {})
    if not isinstance(given, Mapping):
        faults.append("[channels]: must hold one table per channel")
        given = {}
    channels = dict(_channels(given, faults))
    if channels:
        settings = replace(settings, channels=channels)
    faults += across(settings)
    return settings


def _channels(table: Mapping[str, Any], faults: list[str]) -> Iterator[tuple[str, Channel]]:
    for name, given in table.items():
        place = f"[channels.{name}]"
        if not SECTION_NAME.fullmatch(name):
            faults.append(f"{place}: a channel name is 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit")
        elif not isinstance(given, Mapping):
            faults.append(f"{place}: must be a table")
        else:
            channel = replace(cast(Channel, read_table(Channel, given, place, faults)), name=name)
            faults += [f"{place} {fault}" for fault in channel.faults()]
            yield name, channel


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[list[str], str]]:
    for name, text in sorted(environ.items()):
        if name.startswith(ENV_PREFIX):
            yield name[len(ENV_PREFIX) :].lower().split("__"), text


def _put(table: dict[str, Any], keys: list[str], text: str, faults: list[str]) -> None:
    name = ENV_PREFIX + "__".join(keys).upper()
    if len(keys) < 2 or not all(keys):
        faults.append(f"{name}: an environment setting is {ENV_PREFIX}SECTION__KEY")
        return
    for key in keys[:-1]:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            faults.append(f"{name}: {key} is not a section")
            return
        table = inner
    table[keys[-1]] = _value(text)


def _value(text: str) -> object:
    """A TOML value if it reads as one, else the text itself: TABELLION__MLLP__LISTEN=127.0.0.1:2575 needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the file, for editors."""
    channel = schema_of(Channel)
    sections: dict[str, Any] = {name: schema_of(kind) for name, kind in SECTIONS.items()}
    sections["channels"] = {
        "type": "object",
        "description": "One table per channel; of two that fit a message, the first takes it.",
        "propertyNames": {"pattern": f"^{SECTION_NAME.pattern}$"},
        "additionalProperties": channel,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tabellion configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": sections,
    }
