"""The effective map: base maps under overlays, compiled when a message structure is first met, run on messages."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.hl7v2 import Delimiters, Issue, Message
from mappings.engine.codec import NULL, Codec
from mappings.engine.covering import Covering
from mappings.engine.finish import changes_of, settle_resources
from mappings.engine.grammar import MessageMap, MessageRow
from mappings.engine.layout import Layout, Layouts
from mappings.engine.library import Library, effective_library, library_of
from mappings.engine.messages import MessagePlan, authority_of, compile_message, run_rows
from mappings.engine.provenance import complete
from mappings.engine.residue import Account, account
from mappings.engine.runtime import Run
from mappings.engine.workshop import Workshop
from mappings.errors import SettingsError
from mappings.leaves.base import Invalid, LeafContext
from mappings.leaves.time import as_utc, instant, offset_of
from mappings.values import Change, Mapped, MapSettings

__all__ = ["EffectiveMap", "load", "load_content"]

_CODECS = 64  # combinations of separators, charset and zone that are kept
_MSH_TIME, _MSH_CONTROL_ID, _EVN_TIME = 7, 10, 2


class EffectiveMap:
    """Compiled maps. `map` is a pure function of message and settings; caches only make it faster."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self._shop = Workshop(library)
        self._covers: dict[int, Covering] = {}
        self._plans: dict[str, MessagePlan] = {}
        self._prepared: dict[int, _Prepared] = {}
        self._layouts = Layouts()

    @property
    def hash(self) -> str:
        """Hex SHA-256 of `content`."""
        return self.library.hash

    @property
    def content(self) -> bytes:
        """Canonical text of all effective rules; `mappings.load_content` reads it."""
        return self.library.content

    @property
    def structures(self) -> tuple[str, ...]:
        """The message structures that have a map."""
        return tuple(sorted(self.library.messages))

    def map(self, message: Message, settings: MapSettings) -> Mapped:
        """What a message says about resources. Raises SettingsError, MapError."""
        return self.map_many((message,), settings)[0]

    def map_many(self, messages: Sequence[Message], settings: MapSettings) -> list[Mapped]:
        """What each of some messages says, as `map` would; raises as it does, of any of them.

        Messages with the same layout go through the rows side by side: a row that has just run on one runs on the next
        in half the time. Eight at a time are best; more of them no longer fit in the caches.
        """
        found: dict[int, Mapped] = {}
        alike: dict[int, tuple[MessagePlan, Layout, list[int]]] = {}
        for at, message in enumerate(messages):
            plan = self.plan(message.structure)
            layout = self._layouts.of(message, plan)
            alike.setdefault(id(layout), (plan, layout, []))[2].append(at)
        for plan, layout, places in alike.values():
            runs = [self._begin(messages[at], settings, False) for at in places]
            found.update(zip(places, self._alike(plan, layout, runs), strict=True))
        return [found[at] for at in range(len(messages))]

    def _alike(self, plan: MessagePlan, layout: Layout, runs: list[Run]) -> list[Mapped]:
        """Messages of one layout, step by step side by side."""
        rules, covering = self._shop.rules, self._covering(plan)
        run_rows(layout, runs)
        made = [settle_resources(run, plan.events, rules) for run in runs]
        for run, resources in zip(runs, made, strict=True):
            complete(run.resources[0], resources, run.sha256, self.hash)
        times = [_times(run.message, run.codec) for run in runs]
        balances = [
            account(run, rules, plan.excused, covering, engine, covering.known)
            for run, (_, engine) in zip(runs, times, strict=True)
        ]
        changes = [changes_of([*resources, run.resources[0]]) for run, resources in zip(runs, made, strict=True)]
        return [
            self._mapped(plan, run, stamps, balance, said)
            for run, (stamps, _), balance, said in zip(runs, times, balances, changes, strict=True)
        ]

    def _mapped(
        self,
        plan: MessagePlan,
        run: Run,
        stamps: tuple[str | None, str | None],
        balance: Account,
        changes: tuple[Change, ...],
    ) -> Mapped:
        message = run.message
        issues = (*message.issues, *run.issues, *balance.issues)
        if not plan.known:
            text = "there is no map for this message type: only its header and patient are converted"
            issues = (*issues, Issue("warning", "not-supported", "MSH[1]-9[1].1.1", None, text))
        merges = tuple(run.merges)
        run.close()
        partial = balance.residue or not plan.known or any(issue.severity == "error" for issue in issues)
        return Mapped(
            family=message.code,
            type=message.type,
            event_time=stamps[0],
            timestamp=stamps[1],
            control_id=run.codec.plain(message.control_id),
            sha256=message.sha256,
            map_hash=self.hash,
            changes=changes,
            issues=issues,
            residue=tuple(balance.residue),
            excused=tuple(balance.excused),
            leaves=balance.leaves,
            status="partial" if partial else "ok",
            merges=merges,
        )

    def plan(self, structure: str) -> MessagePlan:
        """The compiled map of a structure, or the one for messages without a map. Raises MapError."""
        plan = self._plans.get(structure)
        if plan is None:
            message = self.library.messages.get(structure)
            if message is None:
                plan = self._fallback
            else:
                plan = self._plans.get(message.file) or compile_message(message, self._shop)
                self._plans[message.file] = plan
                self._plans[structure] = plan
        return plan

    @functools.cached_property
    def _fallback(self) -> MessagePlan:
        """MessageHeader and Patient; everything else becomes residue."""
        message = self.library.messages.get("*") or _minimal(self.library)
        return compile_message(message, self._shop, known=False)

    def _covering(self, plan: MessagePlan) -> Covering:
        """What the rules of a plan name; plans live as long as this map, so their identity is a name."""
        found = self._covers.get(id(plan))
        if found is None:
            found = self._covers[id(plan)] = Covering(self._shop, plan)
        return found

    def _begin(self, message: Message, settings: MapSettings, trace: bool) -> Run:
        prepared = self._prepared.get(id(settings))
        if prepared is None:
            if len(self._prepared) >= _CODECS:
                self._prepared.clear()
            prepared = _Prepared(settings, zone(settings.zone), self._options(settings))
            self._prepared[id(settings)] = prepared
        fields = message.segments[0].fields
        stamp = fields[_MSH_TIME] if len(fields) > _MSH_TIME else ""
        offset = offset_of(stamp.split(message.delimiters.component or "\0")[0]) if stamp else None
        codec = prepared.codec(message.delimiters, message.charset, offset, trace)
        authority = settings.default_authority or authority_of(fields, 4, codec)
        return Run(message, settings, codec, prepared.options, authority)

    def _options(self, settings: MapSettings) -> Mapping[str, str]:
        found = {name: default for name, (default, _) in self.library.options.items()}
        for name, value in settings.options.items():
            known = self.library.options.get(name)
            if known is None or value not in known[1]:
                raise SettingsError(f"the maps have no option {name} with the value {value}")
            found[name] = value
        return found

    def explain(self, message: Message, settings: MapSettings) -> list[str]:
        """`element <- source <- rule (file and line)` for each element written."""
        from mappings.engine.explain import explain

        plan = self.plan(message.structure)
        run = self._begin(message, settings, trace=True)
        run_rows(self._layouts.of(message, plan), [run])
        resources = settle_resources(run, plan.events, self._shop.rules)
        return explain(run, [*resources, run.resources[0]], self._shop.rules)

    def check(self) -> None:
        """Compile everything. Raises MapErrors with all findings."""
        from mappings.engine.checks import check

        check(self.library, self._shop)


class _Prepared:
    """What is the same for all messages of a channel. It holds the settings, so that their identity is a name."""

    __slots__ = ("_codecs", "options", "settings", "zone")

    def __init__(self, settings: MapSettings, zone: ZoneInfo | None, options: Mapping[str, str]) -> None:
        self.settings = settings
        self.zone = zone
        self.options = options
        self._codecs: dict[tuple[object, ...], Codec] = {}

    def codec(self, delimiters: Delimiters, charset: str, offset: str | None, trace: bool) -> Codec:
        """For messages with these separators, charset and offset of MSH-7."""
        key = (delimiters, charset, offset, trace)
        codec = self._codecs.get(key)
        if codec is None:
            if len(self._codecs) >= _CODECS:
                self._codecs.clear()
            context = LeafContext(self.zone, offset, self.settings.default_authority or "")
            codec = self._codecs[key] = Codec(delimiters, charset, context, trace)
        return codec


def zone(name: str | None) -> ZoneInfo | None:
    """Zone rules from the pinned tzdata package, never from the machine."""
    if name is None:
        return None
    place = files("tzdata.zoneinfo")
    for part in name.split("/"):
        if not part or part.startswith("."):
            raise SettingsError(f"there is no time zone {name}")
        place = place.joinpath(part)
    if not place.is_file():
        raise SettingsError(f"there is no time zone {name}")
    with place.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _minimal(library: Library) -> MessageMap:
    rows = []
    for label, path, kind, name in (
        ("header", "MSH", "MessageHeader", "MSH-MessageHeader"),
        ("patient", "*.PID", "Patient", "PID-Patient"),
    ):
        if library.has(f"segments/{name}.yaml"):
            rows.append(MessageRow("messages", 0, label, label, path, kind, None, (name,), None, (), None))
    if library.has("segments/MSH-Provenance.yaml"):
        into = ("MSH-Provenance",)
        rows.append(MessageRow("messages", 0, "source", None, "MSH", None, "provenance", into, None, (), None))
    return MessageMap("messages", 0, "*", ("*",), tuple(rows), {})


def _times(message: Message, codec: Codec) -> tuple[tuple[str | None, str | None], tuple[tuple[int, int, int], ...]]:
    """(event time in UTC, Bundle.timestamp), and the leaves of MSH that the Bundle itself carries."""
    header = message.segments[0]
    engine = []
    event = None
    sent = _stamp(header.fields, _MSH_TIME, codec)
    if sent is not None:
        engine.append((header.position, _MSH_TIME, 0))
    event_segment = message.first("EVN")
    if event_segment is not None:
        recorded = event_segment.field(_EVN_TIME)
        # the usual case: both are the time of sending
        event = sent if recorded == header.field(_MSH_TIME) else None
        event = event or _stamp(event_segment.fields, _EVN_TIME, codec, loose=True)
    if event is None:
        event = sent or _stamp(header.fields, _MSH_TIME, codec, loose=True)
    if message.control_id and message.control_id != NULL:
        engine.append((header.position, _MSH_CONTROL_ID, 0))
    return (as_utc(event) if event is not None else None, sent), tuple(engine)


def _stamp(fields: list[str], number: int, codec: Codec, loose: bool = False) -> str | None:
    """A full instant at a field; `loose`: minutes, hours or a day are taken from their beginning."""
    text = fields[number] if number < len(fields) else ""
    if not text or text == NULL:
        return None
    if not text.isalnum():
        text = text.split(codec.repetition)[0].split(codec.component)[0].split(codec.subcomponent)[0].strip()
    if loose:
        mark = max(text.find("+"), text.find("-"))
        head, offset = (text[:mark], text[mark:]) if mark > 0 else (text, "")
        if 8 <= len(head) < 14 and head.isdigit():
            text = f"{head:0<14}{offset}"
    try:
        return instant(text, codec.leaf)
    except Invalid:
        return None


def load(overlays: Sequence[str | Path] = ()) -> EffectiveMap:
    """The built-in maps under overlay folders. Raises MapError."""
    return EffectiveMap(effective_library(overlays))


def load_content(content: bytes) -> EffectiveMap:
    """From `EffectiveMap.content`."""
    return EffectiveMap(library_of(content))
