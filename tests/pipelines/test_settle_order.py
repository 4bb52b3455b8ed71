"""Settle: the state is a function of the set of messages, not of the order in which their channels were heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from adapters.fhir import JsonValue, encode
from mappings import Change, Element
from pipelines.ownership import ownership
from pipelines.registers import Registers, Stored, from_bytes, join, patient_of, shown, to_bytes
from pipelines.said import changes, say
from pipelines.settle import Incoming, Known, NewVersion, Policy, after, settle
from pipelines.stamp import Origin, effective
from tests.pipelines.handmade import EMPTY

TABLE = ownership()
FAMILIES = {"adt-a": "ADT", "adt-b": "ADT", "lab-a": "ORU", "lab-b": "ORU"}

Key = tuple[str, str]


@dataclass(frozen=True)
class Message:
    """One message before it has a place."""

    time: int | None
    changes: tuple[Change, ...]
    merges: tuple[tuple[str, str], ...]


def value(*options: JsonValue) -> st.SearchStrategy[JsonValue]:
    return st.sampled_from([None, *options])


def listed(name: str) -> st.SearchStrategy[JsonValue]:
    values = st.lists(st.sampled_from([{name: text} for text in "abc"]), min_size=1, max_size=3)
    return st.one_of(st.none(), values.map(list))


IDENTIFIERS = st.one_of(
    st.none(),
    st.lists(
        st.builds(
            lambda v, use: {"system": "s", "value": v, "use": use}, st.sampled_from("123"), st.sampled_from("xy")
        ),
        min_size=1,
        max_size=3,
    ).map(list),
)
RANKS = st.sampled_from([-1, 0, 0, 0, 1])
SLOTS = st.sampled_from(["PID-5", "PID-9", "PID-13"])

PATIENT = st.one_of(
    st.builds(Element, st.just("gender"), st.just(""), value("male", "female"), RANKS),
    st.builds(Element, st.just("_gender.extension"), st.just("PID-8"), listed("url"), RANKS),
    st.builds(Element, st.just("active"), st.just(""), value(True, False), RANKS),
    st.builds(Element, st.just("name"), SLOTS, listed("family"), RANKS),
    st.builds(Element, st.just("identifier"), st.sampled_from(["PID-2", "PID-3"]), IDENTIFIERS, st.just(0)),
)
OBSERVATION = st.one_of(
    st.builds(Element, st.just("status"), st.just(""), value("final", "corrected", "entered-in-error"), RANKS),
    st.builds(Element, st.just("value[x]"), st.just(""), value({"valueInteger": 1}, {"valueString": "<5"}), RANKS),
    st.builds(Element, st.just("interpretation"), st.just("OBX-8"), listed("text"), RANKS),
    st.builds(Element, st.just("dataAbsentReason"), st.just(""), value({"text": "asked"}), RANKS),
)
REPORT = st.builds(Element, st.just("result"), st.just("OBX"), listed("reference"), st.just(0))


def change(kind: str, ids: str, elements: st.SearchStrategy[Element]) -> st.SearchStrategy[Change]:
    def one_per_register(found: list[Element]) -> tuple[Element, ...]:
        return tuple({(each.path, each.slot): each for each in found}.values())

    held = st.lists(elements, min_size=1, max_size=4).map(one_per_register)
    return st.builds(Change, st.just(kind), st.sampled_from(ids), st.sampled_from(["p", "q"]), held)


CHANGES = st.one_of(
    change("Patient", "pqr", PATIENT),
    change("Observation", "uv", OBSERVATION),
    change("DiagnosticReport", "w", REPORT),
)
SAID = st.builds(
    Message,
    st.one_of(st.none(), st.integers(0, 6)),
    st.lists(CHANGES, max_size=3).map(tuple),
    st.lists(st.sampled_from([("p", "q"), ("q", "r"), ("p", "r")]), max_size=1).map(tuple),
)
CHANNELS = st.fixed_dictionaries(
    {},
    optional={name: st.lists(SAID, min_size=1, max_size=5) for name in FAMILIES},
)


@st.composite
def journals(draw: st.DrawFn) -> tuple[dict[str, list[Message]], list[list[str]]]:
    """Messages by channel, and two interleavings of them (which channel speaks next)."""
    channels = draw(CHANNELS)
    turns = [name for name, said in channels.items() for _ in said]
    return channels, [draw(st.permutations(turns)), draw(st.permutations(turns))]


class Writer:
    """Settles messages as the writer does, over the stored form of the registers."""

    def __init__(self) -> None:
        self.known: dict[Key, Known] = {}
        self.current: dict[Key, bytes] = {}

    def take(self, said: Message, family: str, origin: Origin) -> None:
        merges = said.merges if family == "ADT" else ()
        for each, retired in changes(replace(EMPTY, changes=said.changes, merges=merges)):
            key = (each.type, each.id)
            known = self.known.get(key)
            result = settle(known, Incoming(say(each, family, TABLE, {}, retired), origin), Policy())
            if isinstance(result, NewVersion):
                self.current[key] = result.body
            now = after(known, result)
            assert now is not None
            self.known[key] = replace(now, registers=Stored(now.registers.data))  # as read back from the store


def run(channels: dict[str, list[Message]], turns: Sequence[str], again: Sequence[int] = ()) -> Writer:
    """The journal in this order; then the entries `again` are replayed at their own places."""
    writer = Writer()
    clocks: dict[str, int | None] = {}
    next_: dict[str, int] = {}
    journal: list[tuple[Message, str, Origin]] = []
    for place, name in enumerate(turns, 1):
        said = channels[name][next_.get(name, 0)]
        next_[name] = next_.get(name, 0) + 1
        time, clocks[name] = effective(said.time, clocks.get(name))
        journal.append((said, FAMILIES[name], Origin(time, name, place)))
        writer.take(*journal[-1])
    for number in again:
        if journal:
            writer.take(*journal[number % len(journal)])
    return writer


def topic_keys(writer: Writer) -> dict[Key, str | None]:
    return {key: patient_of(from_bytes(known.registers.data)) for key, known in writer.known.items()}


@settings(max_examples=200, deadline=None)
@given(journals(), st.lists(st.integers(0, 50), max_size=6))
def test_any_interleaving_and_replay_ends_in_the_same_state(
    given_: tuple[dict[str, list[Message]], list[list[str]]], again: list[int]
) -> None:
    channels, (one, other) = given_
    first, second = run(channels, one), run(channels, other, again)
    assert first.current == second.current
    assert topic_keys(first) == topic_keys(second)


@settings(max_examples=150, deadline=None)
@given(journals(), st.lists(st.integers(0, 50), max_size=4))
def test_no_oru_ever_removes_or_replaces_what_an_adt_said(
    given_: tuple[dict[str, list[Message]], list[list[str]]], again: list[int]
) -> None:
    channels, (turns, _) = given_
    adt_only = {name: said for name, said in channels.items() if FAMILIES[name] == "ADT"}
    alone = run(adt_only, [name for name in turns if name in adt_only])
    together = run(channels, turns, again)
    for key, known in alone.known.items():
        if key[0] == "Patient":
            said = shown(known.registers.cells)
            now = shown(together.known[key].registers.cells)
            for register, content in said.items():
                _holds(now[register], content)


def _holds(now: JsonValue, said: JsonValue) -> None:
    """A scalar stays as it was; of a list every value is still there."""
    if isinstance(said, list):
        assert isinstance(now, list)
        assert {encode(each) for each in said} <= {encode(each) for each in now}
    else:
        assert now == said


# -- the law behind it: registers form a join semilattice --------------------------------------------------------------


@st.composite
def registers(draw: st.DrawFn) -> Registers:
    """What one message said of a patient, at a place of its own."""
    family = draw(st.sampled_from(["ADT", "ORU"]))
    said = say(draw(change("Patient", "p", PATIENT)), family, TABLE, {})
    place = draw(st.integers(1, 10_000))
    return from_bytes(said.registers(Origin(draw(st.integers(0, 3)), draw(st.sampled_from("ab")), place)))


def both(one: Registers, other: Registers) -> Registers:
    return join(one, other)[0]


def distinct(*messages: Registers) -> bool:
    """No two messages at one place: nothing in a journal is."""
    places = [{(cell.stamp.channel, cell.stamp.place) for cell in each.values()} for each in messages]
    return len(set().union(*places)) == sum(map(len, places))


@settings(max_examples=150)
@given(registers(), registers(), registers())
def test_join_is_commutative_associative_and_idempotent(a: Registers, b: Registers, c: Registers) -> None:
    assume(distinct(a, b, c))
    assert both(a, b) == both(b, a)
    assert both(both(a, b), c) == both(a, both(b, c))
    assert join(a, a) == (a, False, False)
    assert join(both(a, b), b) == (both(a, b), False, False)
    assert from_bytes(to_bytes(both(a, b))) == both(a, b)


@settings(max_examples=150)
@given(registers(), registers())
def test_join_says_truly_whether_anything_differs(a: Registers, b: Registers) -> None:
    assume(distinct(a, b))
    together, moved, differs = join(a, b)
    assert moved == (together != a)
    assert differs or shown(together) == shown(a)
