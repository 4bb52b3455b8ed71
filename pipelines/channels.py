"""A channel: who sends what, and how it is read (commands.md "A channel is one TOML table").

The gate is applied twice: at intake, so that the sender hears of it (AR), and again before mapping, so that nothing
that came another way enters a production topic.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from ipaddress import ip_address, ip_network
from zoneinfo import available_timezones

from adapters.hl7v2.mllp import Fault, Peek, Route
from mappings import MapSettings
from pipelines.formats import FORMATS, LEVELS
from pipelines.ports import GROUPS
from pipelines.settingfields import setting

ACKNOWLEDGEMENTS = frozenset({"ACK", "MCF"})
# MSH field of each sender and receiver setting
_PARTIES = {"sending_application": 3, "sending_facility": 4, "receiving_application": 5, "receiving_facility": 6}
# settings that only an HL7 v2 header can meet
_HL7V2_ONLY = (
    "listener",
    "listener_tls",
    "listener_release",
    "sequence_numbers",
    "certificates",
    *_PARTIES,
    "message_types",
    "versions",
    "processing_ids",
    "reply_to",
    "answer_after",
    "answer_within",
    "continuation",
)
_DICOM_ONLY = ("calling_ae", "called_ae")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel. Empty lists accept everything, but for `message_types` (see there)."""

    name: str
    tenant: str = setting(
        "", "Tenant, which must be the data folder's; empty = that one.", pattern=r"|[a-z0-9][a-z0-9-]{0,62}"
    )
    format: str = setting("hl7v2", "Format of what arrives.", choices=FORMATS)
    listener: str = setting("", "HOST:PORT of an MLLP listener of its own; empty = `mllp.listen`, shared.")
    listener_tls: bool = setting(True, "`false`: the channel's own listener is without TLS though [mllp] has it.")
    listener_release: str = setting(
        "", "MLLP release of the channel's own listener; empty = as [mllp] says.", choices=("", "1", "2")
    )
    sequence_numbers: str = setting(
        "ignore",
        "MSH-13: `ignore` it, `check` it where it is valued, or `require` it (the sequence number protocol).",
        choices=("ignore", "check", "require"),
    )
    folder: str = setting(
        "", "Folder whose files are taken in, then moved to `done` or `failed` in it (docs/ingest.md); empty = none."
    )
    folder_marker: str = setting(
        "",
        "Ending of marker files, e.g. `.ok`: a file is taken once `NAME.ok`, or `.ok` in place of its own ending, lies"
        " beside it; empty = no marker is waited for.",
        pattern=r"(\.[A-Za-z0-9_-]{1,20})?",
    )
    folder_seconds: float = setting(2.0, "A file is taken once it has not changed for so long.", least=0.1)
    peers: tuple[str, ...] = setting((), "Addresses or networks that may send, e.g. `10.1.0.0/16`; empty = all.")
    certificates: tuple[str, ...] = setting(
        (),
        "Client certificates that may send, by what they say: `sha256:` and the fingerprint, `dns:`, `uri:`, `ip:`,"
        " `email:` or `cn:` and the name. Whoever shows one of them sends to the channels that name it and no other;"
        " empty = any.",
        pattern=r"sha256:[0-9a-f]{64}|(dns|uri|ip|email|cn):\S.*",
    )
    sending_application: tuple[str, ...] = setting((), "MSH-3.1 of messages of this channel; empty = any.")
    sending_facility: tuple[str, ...] = setting((), "MSH-4.1 of messages of this channel; empty = any.")
    receiving_application: tuple[str, ...] = setting((), "MSH-5.1 of messages of this channel; empty = any.")
    receiving_facility: tuple[str, ...] = setting((), "MSH-6.1 of messages of this channel; empty = any.")
    message_types: tuple[str, ...] = setting(
        (),
        "MSH-9 accepted, as `ADT` or `ADT^A01`; empty = all but acknowledgements.",
        pattern=r"[A-Z0-9]+(\^[A-Z0-9]+)?",
    )
    versions: tuple[str, ...] = setting((), "MSH-12.1 accepted, e.g. `2.5.1`; empty = all.", pattern=r"\d(\.\d){0,2}")
    processing_ids: tuple[str, ...] = setting(
        ("P",),
        "MSH-11.1 accepted: P(roduction), T(raining), D(ebugging); T and D need `production = false` in [service].",
        choices=("P", "T", "D"),
    )  # fmt: skip
    calling_ae: tuple[str, ...] = setting((), "Application entity titles that may send DICOM; empty = any.")
    called_ae: tuple[str, ...] = setting(
        (), "Application entity titles that this DICOM channel answers to; empty = any."
    )
    zone: str = setting(
        "", "Time zone of times without offset, e.g. `Europe/Zurich`; empty = MSH-7's offset, else none."
    )
    default_authority: str = setting("", "Assigning authority of identifiers without one (CX.4); empty = MSH-4.")
    identifier_order: tuple[str, ...] = setting(
        ("MR", "PI", "PT", "MRN"), "CX.5 types by which a patient is known, first choice first."
    )
    sender_base: str = setting(
        "",
        "FHIR only: URL of the sender's server, under which its ids are unique; empty = the channel's name.",
        pattern=r"|https?://\S+[^/]",
    )
    options: Mapping[str, str] = setting({}, "Options of the maps, by name (docs/hl7v2.md lists them).")
    overlays: tuple[str, ...] = setting((), "Folders of map overlays, later ones win (docs/mappings.md).")
    translation: str = setting(
        "", "File of a translation plan: codes that get a translation beside them (docs/terminology.md); empty = none."
    )
    profile: str = setting(
        "", "File of an HL7 v2 conformance profile, whose breaches are flagged (docs/hl7v2.md); empty = none."
    )
    continuation: str = setting(
        "ordered",
        "Messages continued in others (DSC, MSH-14): `ordered`, an MSH-14 that no DSC before it announced says nothing;"
        " `any`, it waits for that DSC: for parts over several connections.",
        choices=("ordered", "any"),
    )
    answer_after: str = setting(
        "keep",
        "What a message is acknowledged after: `keep`, once it is safe; `map`, once it is also read, found to conform"
        " to the profile, whose errors then refuse it, and mapped (docs/hl7v2.md).",
        choices=("keep", "map"),
    )
    answer_within: float = setting(
        20.0, "Seconds after which a message that is not yet mapped is answered AR, to be sent again.", least=0.1
    )
    topics: Mapping[str, str] = setting(
        {}, f"Topic group of a resource type, where it differs: one of {', '.join(GROUPS)}.", choices=GROUPS
    )
    check: str = setting(
        "values",
        "How far resources are checked: `values`, as the maps prove them; `structure`, each against R4's definitions;"
        " `full`, also invariants and claimed profiles. What comes as FHIR is at least at `structure`.",
        choices=LEVELS,
    )
    reply_to: str = setting(
        "",
        "HOST:PORT to which application acknowledgements (MSH-16) go; empty = over the connection of the message, or"
        " the next one of the same sender.",
    )
    reply_tls: bool = setting(False, "TLS to `reply_to`, with the certificate and CA of [mllp].")
    reply_accept: str = setting(
        "AL",
        "MSH-15 of application acknowledgements: `AL` sends again until the sender accepts them, `NE` sends once.",
        choices=("AL", "NE"),
    )
    reply_seconds: float = setting(
        30.0, "Seconds that a receiver has to answer an application acknowledgement; then it is sent again.", least=0.1
    )
    reply_days: float = setting(
        7.0, "Days after which an undelivered application acknowledgement is given up.", least=0
    )
    error_policy: str = setting(
        "pass", "After a failed message of a patient: later ones `pass`, or `wait` until it is solved.",
        choices=("pass", "wait"),
    )  # fmt: skip
    identity: str = setting(
        "mark",
        "Sex, birth date or name that contradicts the known patient: `mark` the records, or `hold` the message.",
        choices=("mark", "hold"),
    )  # fmt: skip
    hold_limit: int = setting(10_000, "Messages of the channel that may wait at a time; more of them pass.", least=0)
    retention_days: int = setting(0, "Days that received bytes are kept at least; 0 = for ever.", least=0)
    error_retention_days: int = setting(0, "Days that unsolved dead letters are kept; 0 = until solved.", least=0)
    dedupe_days: float = setting(7.0, "Days over which a message sent again is kept only once.", least=0)

    def faults(self) -> Iterator[str]:
        """What no single field can know."""
        if self.zone and self.zone not in _zones():
            yield f"zone: {self.zone!r} is not a time zone name of the tz database"
        for peer in self.peers:
            try:
                ip_network(peer, strict=False)
            except ValueError:
                yield f"peers: {peer!r} is not an address or network"
        plain = Channel(self.name)
        for format_, names in (("hl7v2", _HL7V2_ONLY), ("dicom", _DICOM_ONLY), ("fhir", ("sender_base",))):
            given = [name for name in names if self.format != format_ and getattr(self, name) != getattr(plain, name)]
            yield from (f"{name}: only a channel of format {format_} can ask for it" for name in given)
        if self.answer_after == "map" and self.sequence_numbers != "ignore":
            yield "answer_after: with sequence numbers a message is answered once it is safe (MSA-4 says so)"
        if self.overlays and self.format == "fhir":
            yield "overlays: FHIR as a source has no rows to overlay"

    def map_settings(self, namespace: uuid.UUID, base: str) -> MapSettings:
        """What the maps of this channel are run with."""
        return MapSettings(
            namespace=namespace,
            zone=self.zone or None,
            default_authority=self.default_authority or None,
            identifier_order=self.identifier_order,
            base=base,
            options=dict(self.options),
            sender=self.sender_base or f"urn:tabellion:channel:{self.name}",
            check=max(self.check, "structure", key=LEVELS.index),
        )

    def admits(self, peer: str) -> bool:
        """Whether this address may send."""
        return not self.peers or within(peer, self.peers)

    def takes(self, header: Peek, peer: str, names: tuple[str, ...] = ()) -> bool:
        """Whether a message with this header is this channel's: from this peer, whose certificate has these names."""
        if not self.admits(peer):
            return False
        if self.certificates and not self.knows(names):
            return False
        return all(
            not getattr(self, key) or header.text(number) in getattr(self, key) for key, number in _PARTIES.items()
        )

    def knows(self, names: tuple[str, ...]) -> bool:
        """Whether a certificate with these names is named here."""
        return any(name in self.certificates for name in names)

    def refuses(self, header: Peek) -> Fault | None:
        """Why the channel doesn't accept a message that is its own (HL7 Table 0357), or None."""
        return next((fault for rule in _RULES if (fault := rule(self, header)) is not None), None)


def decide(channels: tuple[Channel, ...], header: Peek, peer: str, names: tuple[str, ...] = ()) -> Route:
    """The channel of a message, and why it doesn't accept it, if it doesn't."""
    channel = route(channels, header, peer, names)
    if channel is None:
        return Route("", Fault("207", "Application internal error", 3, "No channel here takes messages of this sender"))
    return Route(channel.name, channel.refuses(header))


def gate(channels: tuple[Channel, ...]) -> Callable[[Peek, str], Fault | None]:
    """The intake gate of some channels: (header, peer) → why not, or None."""
    return lambda header, peer: decide(channels, header, peer).fault


def route(channels: tuple[Channel, ...], header: Peek, peer: str, names: tuple[str, ...] = ()) -> Channel | None:
    """The first channel that takes the message. A certificate that a channel names sends to such channels alone."""
    own = tuple(channel for channel in channels if channel.knows(names)) if names else ()
    return next((channel for channel in own or channels if channel.takes(header, peer, names)), None)


def _type(channel: Channel, header: Peek) -> Fault | None:
    code, event = header.text(9), header.text(9, 2)
    if not channel.message_types:
        refused = code in ACKNOWLEDGEMENTS
        return Fault("200", "Unsupported message type", 9, "Acknowledgements are not accepted") if refused else None
    if code in channel.message_types or f"{code}^{event}" in channel.message_types:
        return None
    if any(accepted.startswith(f"{code}^") for accepted in channel.message_types):
        return Fault("201", "Unsupported event code", 9, "The channel does not accept this trigger event")
    return Fault("200", "Unsupported message type", 9, "The channel does not accept this message type")


def _processing(channel: Channel, header: Peek) -> Fault | None:
    if not channel.processing_ids or header.text(11) in channel.processing_ids:
        return None
    if not header.text(11):
        # MSH-11 is required; without it nobody can say that the message is not a test
        return Fault("101", "Required field missing", 11, "MSH-11 (processing id) is empty")
    return Fault("202", "Unsupported processing id", 11, "The channel does not accept this processing id")


def _version(channel: Channel, header: Peek) -> Fault | None:
    if not channel.versions or header.text(12) in channel.versions:
        return None
    return Fault("203", "Unsupported version id", 12, "The channel does not accept this version")


_RULES = (_type, _processing, _version)


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def within(peer: str, networks: tuple[str, ...]) -> bool:
    return _host_within(peer.rpartition(":")[0].removeprefix("[").removesuffix("]") or peer, networks)


@lru_cache(maxsize=4096)
def _host_within(host: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False  # a peer without an address (a Unix socket) is in no network
    return any(address in ip_network(network, strict=False) for network in networks)
