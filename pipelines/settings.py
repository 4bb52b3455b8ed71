"""Settings: one TOML file and the environment, read into frozen values (commands.md "A channel is one TOML table").

Every setting is a field of a dataclass here, with its documentation beside it: reading, checking, the JSON Schema for
editors and docs/configuration.md all follow from these fields. The environment wins over the file:
TABELLION__SECTION__KEY, TABELLION__CHANNELS__NAME__KEY (lists and numbers as in TOML).
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from adapters.hl7v2.mllp import Limits, TlsFiles
from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.formats import FORMATS
from pipelines.journal import JournalSettings
from pipelines.settingfields import SECTION_NAME, faults_of, read_table, setting

ENV_PREFIX = "TABELLION__"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """The service as a whole."""

    base: str = setting("https://tabellion.invalid/fhir", "Base of `fullUrl` in Bundles.", pattern=r"https?://\S+[^/]")
    production: bool = setting(
        True, "`false`: a test installation. Only there may a channel accept MSH-11 T (training) or D (debugging)."
    )
    log_level: str = setting("info", "Least severity that is logged.", choices=("debug", "info", "warning", "error"))
    drain_seconds: float = setting(30.0, "How long SIGTERM waits for what is under way.", least=0)


@dataclass(frozen=True, slots=True)
class Mllp:
    """HL7 v2 over TCP."""

    listen: str = setting(
        "127.0.0.1:2575", "HOST:PORT of the listener of channels that name none; port 0 = a free one."
    )
    insecure: bool = setting(False, "Allow listeners on other addresses than loopback without TLS.")
    max_message_bytes: int = setting(64 * _MIB, "Longer messages are refused.", least=1024)
    window_bytes: int = setting(16 * _MIB, "Bytes under way per connection before reading pauses.", least=1024)
    memory_bytes: int = setting(
        256 * _MIB,
        "Bytes under way over all connections before reading pauses; and, for itself, bytes of messages that have begun"
        " and not ended, above which the connection with the largest is closed.",
        least=1024,
    )
    frame_seconds: float = setting(
        120.0, "A message must be whole this long after its first byte, or its connection is closed; 0 = no limit.",
        least=0,
    )  # fmt: skip
    idle_seconds: float = setting(
        0.0, "A connection over which nothing came for so long is closed; 0 = never (TCP probes find dead peers).",
        least=0,
    )  # fmt: skip
    answer_seconds: float = setting(
        30.0, "A peer that doesn't read its acknowledgements for so long is cut off; 0 = never.", least=0
    )
    connections: int = setting(1024, "Connections per listener, at most.", least=1)
    connections_per_peer: int = setting(256, "Connections per address and listener, at most.", least=1)
    release: str = setting(
        "1", "MLLP release. `2`: every block is answered by a commit acknowledgement, too.", choices=("1", "2")
    )
    tls_certificate: str = setting("", "PEM file: our certificate and those between it and its CA. Turns TLS on.")
    tls_key: str = setting("", "PEM file: its private key, without passphrase; empty = in the file of the certificate.")
    tls_ca: str = setting("", "PEM file: the CAs that sign the certificates of senders (mutual TLS).")
    tls_crl: str = setting("", "PEM file: what these CAs have revoked. An outdated list refuses everybody.")
    tls_client_required: bool = setting(
        True, "Only senders with a certificate signed by `tls_ca`. `false`: also senders without one."
    )
    tls_minimum: str = setting("1.2", "Oldest TLS version that is spoken.", choices=("1.2", "1.3"))

    def limits(self) -> Limits:
        """What listeners are opened with."""
        return Limits(
            message_bytes=self.max_message_bytes,
            window_bytes=self.window_bytes,
            frame_seconds=self.frame_seconds,
            idle_seconds=self.idle_seconds,
            answer_seconds=self.answer_seconds,
            connections=self.connections,
            connections_per_peer=self.connections_per_peer,
        )

    def tls_out(self) -> TlsFiles:
        """What we show and ask for where we connect ourselves."""
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_ca, minimum=self.tls_minimum)

    def tls(self) -> TlsFiles | None:
        """What listeners with TLS show and ask for; None: no TLS here."""
        if not self.tls_certificate:
            return None
        required = self.tls_client_required
        return TlsFiles(self.tls_certificate, self.tls_key, self.tls_ca, self.tls_crl, self.tls_minimum, required)


@dataclass(frozen=True, slots=True)
class Dicom:
    """DICOM C-STORE over TCP, and studies as they grow."""

    listen: str = setting("127.0.0.1:11112", "HOST:PORT of the listener; port 0 = a free one.")
    insecure: bool = setting(False, "Allow another address than loopback: without TLS, so say it.")
    max_associations: int = setting(32, "Associations open at a time; one more is rejected for now.", least=1)
    max_instance_bytes: int = setting(4 << 30, "Larger instances are refused with 0xA700.", least=1024)
    idle_seconds: float = setting(60.0, "An association on which nothing comes is ended.", least=0.1)
    quiet_seconds: float = setting(
        20.0,
        "A study on which nothing came for so long is brought up to date (it grows by doubling before).",
        least=0.1,
    )


@dataclass(frozen=True, slots=True)
class Http:
    """What comes over HTTP, health and metrics."""

    listen: str = setting("127.0.0.1:8080", "HOST:PORT; port 0 = a free one.")
    insecure: bool = setting(False, "Allow another address than loopback: without TLS, so say it; needs tokens, too.")
    tokens: tuple[str, ...] = setting(
        (),
        "Bearer tokens of those who may send, 16 characters or more each; better set by the environment or a file."
        " None: loopback only.",
        pattern=r"[A-Za-z0-9._~+/-]{16,512}=*",
        secret=True,
    )
    tokens_file: str = setting("", "File with one token per line, readable by its owner only; read at start.")
    max_body_bytes: int = setting(64 * _MIB, "Larger bodies are refused.", least=1024)
    window_bytes: int = setting(256 * _MIB, "Bytes of bodies under way at a time.", least=1024)
    connections: int = setting(512, "Open connections; beyond it the slowest gives way to a new one.", least=1)
    idle_seconds: float = setting(60.0, "A connection without a request is closed.", least=1)
    body_seconds: float = setting(120.0, "Within this time a MiB of a body has to come.", least=1)

    def all_tokens(self) -> tuple[str, ...]:
        """Those of the settings and of the file. Raises SettingsError, without any token in it."""
        return (*self.tokens, *(_tokens_of(Path(self.tokens_file)) if self.tokens_file else ()))


@dataclass(frozen=True, slots=True)
class Storage:
    """The journal of what was received."""

    segment_bytes: int = setting(1 << 30, "Size at which a journal file is closed and the next begun.", least=_MIB)
    min_free_bytes: int = setting(256 * _MIB, "With less free on disk nothing more is accepted.", least=0)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """From journal to sealed record."""

    mappers: int = setting(-1, "Mapper processes; 0 maps inside the writer, -1 = one per core but one.", least=-1)
    batch_records: int = setting(256, "Records per transaction, at most (a message is never cut in two).", least=1)
    batch_ms: int = setting(200, "A transaction is not kept open longer than this, in milliseconds.", least=1)
    window_messages: int = setting(256, "Messages between journal and writer at a time.", least=1)
    window_bytes: int = setting(64 * _MIB, "Bytes of messages between journal and writer at a time.", least=1024)
    message_seconds: float = setting(60.0, "A message that takes longer to map becomes a dead letter.", least=0.1)


@dataclass(frozen=True, slots=True)
class Kafka:
    """Apache Kafka as a transport of the topics; off without `servers`."""

    servers: str = setting("", "Bootstrap addresses, HOST:PORT separated by commas; empty = no Kafka.")
    partitions: int = setting(12, "Partitions of each topic, fixed when it is made.", least=1)
    replication: int = setting(-1, "Replication factor of each topic; -1 = the broker's default.", least=-1)
    max_bytes: int = setting(900_000, "Largest message; larger records go by claim check.", least=10_000)
    options: Mapping[str, str] = setting({}, "Further librdkafka client settings, e.g. for TLS and SASL.")


@dataclass(frozen=True, slots=True)
class Settings:
    """All of it. `channels` in the order of the file: of two that fit a message, the first takes it."""

    service: Service = field(default_factory=Service)
    mllp: Mllp = field(default_factory=Mllp)
    dicom: Dicom = field(default_factory=Dicom)
    http: Http = field(default_factory=Http)
    storage: Storage = field(default_factory=Storage)
    pipeline: Pipeline = field(default_factory=Pipeline)
    kafka: Kafka = field(default_factory=Kafka)
    channels: Mapping[str, Channel] = field(
        default_factory=lambda: {name: Channel(name, format=name) for name in FORMATS}
    )

    def channels_on(self, listen: str) -> tuple[Channel, ...]:
        """Channels of one MLLP listener ('' = `mllp.listen`)."""
        return tuple(channel for channel in self.channels_of("hl7v2") if channel.listener == listen)

    def channels_of(self, format_: str) -> tuple[Channel, ...]:
        """Channels of one format; the first is what nobody chose another for."""
        return tuple(channel for channel in self.channels.values() if channel.format == format_)

    def listeners(self) -> tuple[str, ...]:
        """Every MLLP listener that has a channel, as configured; '' stands for `mllp.listen`."""
        return tuple(dict.fromkeys(channel.listener for channel in self.channels_of("hl7v2")))

    def tls_on(self, listen: str) -> TlsFiles | None:
        """TLS of one MLLP listener ('' = `mllp.listen`), or None."""
        own = all(channel.listener_tls for channel in self.channels_on(listen)) if listen else True
        return self.mllp.tls() if own else None

    def release_on(self, listen: str) -> int:
        """MLLP release of one listener ('' = `mllp.listen`)."""
        own = {channel.listener_release for channel in self.channels_on(listen)} - {""} if listen else set()
        return int(next(iter(own), self.mllp.release))

    def retention_days(self) -> int:
        """Days that journal segments are kept, 0 = for ever: channels share the segments, so the longest counts."""
        days = [channel.retention_days for channel in self.channels.values()]
        return 0 if 0 in days else max(days)

    def journal(self) -> JournalSettings:
        """What the journal is opened with."""
        window = max(channel.dedupe_days for channel in self.channels.values())
        return JournalSettings(
            segment_size=self.storage.segment_bytes,
            min_free=self.storage.min_free_bytes,
            dedupe_window=int(window * 86_400_000_000),
        )


SECTIONS: dict[str, type] = {
    "service": Service,
    "mllp": Mllp,
    "dicom": Dicom,
    "http": Http,
    "storage": Storage,
    "pipeline": Pipeline,
    "kafka": Kafka,
}


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


def across(settings: Settings) -> Iterator[str]:
    """What no single field can know."""
    if settings.service.production:
        for name, channel in settings.channels.items():
            if set(channel.processing_ids) != {"P"}:
                yield (
                    f"[channels.{name}] processing_ids: T and D never enter a production topic, and an empty list would"
                    " let them in: only P here, or `production = false` in [service] of an installation of their own"
                )
    folders: dict[str, str] = {}
    for name, channel in settings.channels.items():
        other = folders.setdefault(os.path.abspath(channel.folder), name) if channel.folder else name
        if other != name:
            yield f"[channels.{name}] folder: the channel {other} watches it already"
    yield from _tls_faults(settings)
    secure = settings.mllp.tls() is not None
    places = [("[mllp] listen", settings.mllp.listen, settings.mllp.insecure or secure)]
    places += [
        (f"[channels.{name}] listener", channel.listener, settings.mllp.insecure or (secure and channel.listener_tls))
        for name, channel in settings.channels.items()
        if channel.listener
    ]
    places.append(("[dicom] listen", settings.dicom.listen, settings.dicom.insecure))
    places += [
        (f"[channels.{name}] reply_to", channel.reply_to, settings.mllp.insecure or channel.reply_tls)
        for name, channel in settings.channels.items()
        if channel.reply_to
    ]
    places.append(("[http] listen", settings.http.listen, settings.http.insecure))
    for place, address, secured in places:
        yield from (f"{place}: {fault}" for fault in address_faults(address, secured))
    yield from (f"[http] {fault}" for fault in http_faults(settings.http))


def http_faults(http: Http) -> Iterator[str]:
    """What is wrong with the tokens, or with having none. No token is repeated."""
    try:
        tokens = http.all_tokens()
    except SettingsError as error:
        yield f"tokens_file: {error}"
        return
    host = http.listen.rpartition(":")[0].removeprefix("[").removesuffix("]")
    if host not in LOOPBACK and not tokens:
        yield "tokens: none are set, and whoever reaches the address could send: set tokens, or listen on loopback"


def _tls_faults(settings: Settings) -> Iterator[str]:
    mllp = settings.mllp
    if not mllp.tls_certificate:
        for name in ("tls_key", "tls_ca", "tls_crl"):
            if getattr(mllp, name):
                yield f"[mllp] {name}: without `tls_certificate` there is no TLS"
    elif not mllp.tls_ca and mllp.tls_client_required:
        yield (
            "[mllp] tls_ca: who may send? Name the CA of senders' certificates, or say `tls_client_required = false`"
        )
    if mllp.tls_crl and not mllp.tls_ca:
        yield "[mllp] tls_crl: only certificates signed by `tls_ca` can be revoked"
    for listen in settings.listeners():
        on = settings.channels_on(listen)
        if len({channel.listener_tls for channel in on}) > 1:
            yield f"[channels.{on[0].name}] listener_tls: the channels of one listener must agree"
        if len({channel.listener_release for channel in on}) > 1:
            yield f"[channels.{on[0].name}] listener_release: the channels of one listener must agree"
    for name, channel in settings.channels.items():
        for key in ("listener_tls", "listener_release"):
            if not channel.listener and getattr(channel, key) != getattr(Channel(name), key):
                yield f"[channels.{name}] {key}: the channel has no listener of its own"
        tls = settings.tls_on(channel.listener)
        if channel.certificates and (tls is None or not tls.ca):
            yield f"[channels.{name}] certificates: its listener asks for none (tls_certificate, tls_ca in [mllp])"


def address_faults(address: str, secured: bool) -> Iterator[str]:
    """Why an address can't be listened on: its form, or neither loopback nor secured, by TLS or by the user's word."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        yield f"{address!r} is not HOST:PORT"
    elif host not in LOOPBACK and not secured:
        yield (
            f"{address!r} is not loopback, and there is no TLS: patient data would cross the network in clear."
            " If that network is protected otherwise, say `insecure = true` in the same section"
        )


def _tokens_of(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_mode & 0o077:
            raise SettingsError(f"{path} can be read by others: chmod 600 {path}")
        lines = [line.strip() for line in path.read_text("ascii").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read: {type(error).__name__}") from error
    tokens = tuple(line for line in lines if line and not line.startswith("#"))
    one = next(field for field in fields(Http) if field.name == "tokens")
    for place, token in enumerate(tokens, 1):
        for fault in faults_of(one, tuple[str, ...], [token]):
            raise SettingsError(f"{path}: token {place} {fault}")
    return tokens


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
    from pipelines.settingfields import schema_of

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


def names() -> Iterator[tuple[str, str]]:
    """(section, key) of every setting there is."""
    for section, kind in (*SECTIONS.items(), ("channels.NAME", Channel)):
        for one in fields(kind):
            if one.metadata:
                yield section, one.name


__all__ = [
    "SECTIONS",
    "Settings",
    "SettingsError",
    "across",
    "address_faults",
    "faults_of",
    "json_schema",
    "load",
    "names",
]
