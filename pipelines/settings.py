"""Settings as frozen values, a section of the configuration each (commands.md "A channel is one TOML table").

Every setting is a field of a dataclass here, with its documentation beside it: reading, checking, the JSON Schema for
editors and docs/configuration.md all follow from these fields (`pipelines.configuration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from adapters.hl7v2.mllp import Limits, TlsFiles
from pipelines.channels import Channel
from pipelines.errors import SettingsError
from pipelines.formats import FORMATS
from pipelines.journal import JournalSettings
from pipelines.settingfields import faults_of, setting

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
    silent_seconds: float = setting(
        120.0, "A peer that is gone without a word (power cut, pulled cable) is found after about so long; 0 = when the"
        " operating system finds out.",
        least=0,
    )  # fmt: skip
    handshake_seconds: float = setting(10.0, "A TLS handshake must be done after so long.", least=0.1)
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
            silent_seconds=self.silent_seconds,
            handshake_seconds=self.handshake_seconds,
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
    part_seconds: float = setting(
        600.0, "A message that is continued (DSC) must have come whole so long after its last part, or its parts are"
        " dead letters.", least=1,
    )  # fmt: skip


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
