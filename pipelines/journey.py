"""The journey of one record, in the order of the table in the architecture: one function per step.

    bytes ─► keep ═► map ─► translate ─► check ═► settle ─► seal ─► commit ═► release
             journal └──── pure, parallel ────┘   └─ ordered, one writer ─┘

The same functions run inline in tests, in mapper processes (`pure`, `carry`) and in the writer (`pipelines.writer`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

import ledger
from mappings import Mapped, MapSettings
from pipelines.channels import Channel
from pipelines.checking import Lineage, checked
from pipelines.envelope import Envelope
from pipelines.formats import Maps
from pipelines.ownership import Ownership
from pipelines.ports import Batch, Committed, Journal, Kept, State
from pipelines.said import Spoken, speak
from pipelines.settle import Incoming, Known, Policy, Settled
from pipelines.settle import settle as _settle
from pipelines.validation import Validator
from pipelines.validation import validator as plain

Translator = Callable[[Mapped], Mapped]
"""A channel's translation plan over its terminology packs, made by who starts the mapper; pure."""


def keep(journal: Journal, envelope: Envelope) -> Future[Kept]:
    """Commit the bytes to the journal, power-safe; only then is the sender answered."""
    return journal.append(envelope)


def map(body: bytes, maps: Maps, settings: MapSettings) -> Mapped:  # noqa: A001 (the step's name)
    """One unit of a format + its effective maps + channel settings → changes. Knows no clock, state or randomness."""
    return maps.map(body, settings)


def translate(mapped: Mapped, translator: Translator | None) -> Mapped:
    """Look codings up in terminology packs; without a plan every coding passes as the sender wrote it."""
    return mapped if translator is None else translator(mapped)


def check(mapped: Mapped, level: str, validator: Validator | None = None, lineage: Lineage = tuple) -> Mapped:
    """What the map could not prove at load. Maps give valid values; `structure` and `full` are proof of the rest."""
    return mapped if level == "values" else checked(mapped, level, validator or plain(None), lineage)


def pure(
    body: bytes,
    maps: Maps,
    settings: MapSettings,
    level: str,
    translator: Translator | None = None,
    validator: Validator | None = None,
) -> Mapped:
    """The pure half in one go: map ─► translate ─► check."""
    return proven(map(body, maps, settings), body, maps, settings, level, translator, validator)


def proven(
    mapped: Mapped,
    body: bytes,
    maps: Maps,
    settings: MapSettings,
    level: str,
    translator: Translator | None = None,
    validator: Validator | None = None,
) -> Mapped:
    """The pure half of what is mapped already: translate ─► check."""
    return check(translate(mapped, translator), level, validator, lambda: maps.explain(body, settings))


def carry(mapped: Mapped, channel: Channel, table: Ownership, key: bytes) -> Spoken:
    """What it says made ready to be settled; still pure."""
    return speak(mapped, table, channel.topics, key)


def settle(current: Known | None, incoming: Incoming, policy: Policy) -> Settled:
    """Fold one resource's changes into what is known: new version, unchanged or held."""
    return _settle(current, incoming, policy)


def seal(seed: bytes, header: ledger.Header, group: str, date: str, body: bytes) -> ledger.Seal:
    """Canonical bytes → salted commitment → leaf. `State.commit` does it to each record, inside the transaction."""
    return ledger.seal(seed, header, group, date, body)


def commit(state: State, batch: Batch) -> Committed:
    """One SQL transaction: cursor, record versions, leaves, checkpoint."""
    return state.commit(batch)


def release(committed: Committed) -> int:
    """The watermark: records below it may leave. Locally that is at commit, whose checkpoint covers them."""
    return committed.size
