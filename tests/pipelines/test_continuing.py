"""Messages in parts: joined behind the journal to the very message that was cut, whenever settled or restarted."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import continuing
from pipelines.channels import Channel
from pipelines.configuration import load
from pipelines.continuing import incomplete
from pipelines.datafolder import DataFolder, init_folder, open_folder
from pipelines.deadletters import letters, replay
from pipelines.doctor import first_fault
from pipelines.envelope import Envelope
from pipelines.messages import show
from pipelines.settings import Settings
from pipelines.writer import settle_all
from tests.pipelines.v2 import oru
from tests.support.load import seed
from tests.support.store import T0

CONFIG = '[channels.lab]\n[channels.wide]\ncontinuation = "any"\n'
VALUES = [(f"2345-{n}", str(n), "F") for n in range(1, 8)]


class Sender:
    """Cuts messages, keeps their parts, settles."""

    def __init__(self, folder: DataFolder, settings: Settings) -> None:
        self.folder = folder
        self.settings = settings
        self._numbers = count(1)

    def keep(self, bodies: Iterable[bytes], channel: str = "lab", at: int = T0) -> list[int]:
        with closing(self.folder.journal(self.settings.journal())) as journal:
            return [
                journal.append(Envelope(channel, "hl7v2", body, body.split(b"|")[9], at)).result(30).seq
                for body in bodies
            ]

    def keep_again(self, bodies: Iterable[bytes]) -> list[int]:
        """As after the journal's dedupe window: sent before, kept once more."""
        self.settings = replace(self.settings, channels={"lab": Channel("lab", dedupe_days=-1)})
        return self.keep(bodies)

    def settle(self) -> None:
        """A writer that begins anew, as after a restart."""
        with closing(self.folder.state()) as state:
            settle_all(self.folder, state, self.settings)

    def outcome(self, seq: int) -> tuple[str, dict[str, object]]:
        with closing(self.folder.state_reader()) as state:
            found = state.outcome(seq)
            assert found is not None
            return found.status, json.loads(found.detail or b"{}")

    def records(self) -> int:
        with closing(self.folder.state_reader()) as state:
            return state.counts(0).records

    def cut(self, body: bytes, places: Iterable[int]) -> list[bytes]:
        """Fragments as the standard has them, cut before these segments: own MSH-10, MSH-14 answers DSC-1."""
        header, *segments = body.split(b"\r")
        fields = (header.split(b"|") + [b""] * 14)[:14]
        edges = [0, *sorted(places), len(segments)]
        cuts = [segments[start:end] for start, end in pairwise(edges)]
        number, found, before = next(self._numbers), [], b""
        for place, part in enumerate(cuts):
            own = [*fields]
            pointer = b"" if place == len(cuts) - 1 else b"p%d" % place
            if place:
                own[9], own[13] = b"%b-%d-%d" % (fields[9], number, place), before
                first = b"|".join(own)
            else:
                first = header.replace(b"|" + fields[9] + b"|", b"|%b-%d-0|" % (fields[9], number), 1)
            found.append(b"\r".join([first, *part, *([b"DSC|" + pointer + b"|F"] if pointer else [])]))
            before = pointer
        return found


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    path = tmp_path / "tabellion.toml"
    path.write_text(CONFIG)
    yield Sender(init_folder(tmp_path / "data"), load(path, {}))
    assert first_fault(open_folder(tmp_path / "data")) is None


def whole_of(parts: list[bytes]) -> bytes:
    """What the cut message is: the first part's header, all segments, no DSC."""
    lines = [line for n, part in enumerate(parts) for line in part.split(b"\r")[0 if n == 0 else 1 :]]
    return b"\r".join(line for line in lines if not line.startswith(b"DSC"))


def test_cut_anywhere_it_is_the_message_that_was_cut(sender: Sender) -> None:
    """Cut before any segments, settled all at once or with a restart after each part, another sender's parts with the
    same pointers between: the same bytes as uncut, so that nothing changes when these come."""
    number = seed()
    chance = random.Random(number)
    print(f"seed {number} (TABELLION_TEST_SEED)")
    for turn in range(6):
        body = oru("20260301080000+0100", *VALUES, control_id=f"M{turn}")
        other = oru("20260301090000+0100", *VALUES, control_id=f"N{turn}").replace(b"|LAB|", b"|XRAY|", 1)
        places = chance.sample(range(1, 10), chance.randint(1, 5))
        parts, others = sender.cut(body, places), sender.cut(other, places)
        mixed = [each for pair in zip(parts, others, strict=True) for each in pair]
        seqs: list[int] = []
        for each in mixed:
            seqs += sender.keep([each])
            if chance.random() < 0.3:
                sender.settle()
        sender.settle()
        assert [sender.outcome(seq)[0] for seq in seqs] == ["joined"] * (len(seqs) - 2) + ["settled"] * 2
        assert sender.outcome(seqs[-2])[1]["parts"] == seqs[::2]
        assert sender.outcome(seqs[0]) == ("joined", {"joined": seqs[-2]})
        shown = show(sender.folder, sender.settings, seqs[-2])
        assert shown.raw == whole_of(parts)
        assert shown.bundle is not None
        before = sender.records()
        (again,) = sender.keep([whole_of(parts)])
        sender.settle()
        assert sender.outcome(again)[0] == "settled"
        assert sender.records() == before
    assert replay(sender.folder, sender.settings, [seqs[-2], seqs[0]]).replayed == 1
    assert sender.records() == before


def test_what_is_no_part_stays_what_it_is(sender: Sender) -> None:
    """MSH-14 that nothing announced; DSC that asks to be asked (I), or without pointer."""
    body = oru("20260301080000+0100", *VALUES, control_id="M")
    header, rest = body.split(b"\r", 1)
    filled = header + b"||456\r" + rest
    asks = header.replace(b"|M|", b"|M2|", 1) + b"\r" + rest + b"\rDSC|p|I"
    blank = header.replace(b"|M|", b"|M3|", 1) + b"\r" + rest + b"\rDSC||F"
    seqs = sender.keep([filled, asks, blank])
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in seqs] == ["settled"] * 3


def test_order_between_connections_only_where_the_channel_says_so(sender: Sender) -> None:
    parts = sender.cut(oru("20260301080000+0100", *VALUES, control_id="M"), [3, 5])
    wide = sender.keep([parts[2], parts[0], parts[1]], "wide")
    with closing(sender.folder.state_reader()) as state:
        assert state.first_part() is None
    early = sender.keep(parts[2:] + parts[:2])
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in wide] == ["joined", "joined", "settled"]
    assert sender.outcome(wide[2])[1]["parts"] == [wide[1], wide[2], wide[0]]
    assert [sender.outcome(seq)[0] for seq in early] == ["settled", "part", "part"]
    with closing(sender.folder.state_reader()) as state:
        assert state.first_part() == early[1]


def test_again_anew_and_never_whole(sender: Sender) -> None:
    """A part that comes twice counts once; who begins anew under the same pointers is understood; what is never whole
    is dead letters that say why, and only once its time is over."""
    body = oru("20260301080000+0100", *VALUES, control_id="M")
    lost, parts = sender.cut(body, [3, 5]), sender.cut(body, [4, 6])
    ends = sender.keep(sender.cut(body, [2, 3])[1:])  # its beginning is lost: no other may have it
    old = sender.keep(lost[:2])
    again = sender.keep(lost[1:2])
    new = sender.keep(parts)
    sender.settle()
    assert again == old[1:]
    assert [sender.outcome(seq)[0] for seq in (*ends, *old, *new)] == [
        *("part", "part", "part", "part", "joined", "joined", "settled")
    ]
    old = [*ends, *old]
    late = sender.keep(sender.cut(body, [2])[:1], at=T0 + 50_000_000)
    for after, left in ((60, ["part"] * 5), (20, ["dead"] * 4 + ["part"])):
        with closing(sender.folder.journal()) as journal:
            tick = incomplete(after)
            journal.append(Envelope(tick.channel, tick.format, tick.body, kind="action", received_at=T0 + 55_000_000))
        sender.settle()
        assert [sender.outcome(seq)[0] for seq in (*old, *late)] == left
    found = letters(sender.folder)
    assert [(letter.id, letter.cause) for letter in found] == [(seq, "incomplete") for seq in old]
    assert replay(sender.folder, sender.settings, old[:1]).replayed == 1  # as what it is, if somebody says so
    assert replay(sender.folder, sender.settings, late).missing == 1


def test_parts_that_make_no_message_and_too_many(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead letter for the whole, which can be replayed as a whole. More than may wait are dead letters at once."""
    body = oru("20260301080000+0100", *VALUES, control_id="M").replace(b"^~\\&", b"^~x&", 1)
    parts = sender.cut(body, [3])
    seqs = sender.keep(parts)
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in seqs] == ["joined", "dead"]
    assert sender.outcome(seqs[1])[1]["parts"] == seqs
    assert replay(sender.folder, sender.settings, seqs[1:]).failed == 1
    assert sender.outcome(seqs[1])[1]["parts"] == seqs
    with closing(sender.folder.state_reader()) as state:
        assert state.first_part() == seqs[0]  # a dead letter has a copy of its last part only
    monkeypatch.setattr(continuing, "PARTS_MAX", 2)
    many = sender.keep(sender.cut(oru("20260301080000+0100", *VALUES, control_id="M"), [2, 3, 4]))
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in many] == ["part", "part", "dead", "settled"]
    assert letters(sender.folder)[-1].cause == "limit"


@pytest.mark.parametrize("limit", ["PARTS_MAX", "BYTES_MAX", "WAITING_MAX"])
def test_the_part_that_completes_a_message_needs_no_room(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    first, last = sender.cut(oru("20260301080000+0100", *VALUES, control_id="M"), [3])
    monkeypatch.setattr(continuing, limit, len(first) if limit == "BYTES_MAX" else 1)
    seqs = sender.keep([first, first.replace(b"M-1", b"M-2"), last])
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in seqs] == ["joined", "dead", "settled"]


@pytest.mark.parametrize("restarts", [False, True])
def test_sent_again_its_parts_are_repeated_only_if_the_whole_took_effect(sender: Sender, restarts: bool) -> None:
    """Else the last part alone would be a message. The same in one batch as with restarts between."""
    good = sender.cut(oru("20260301080000+0100", *VALUES, control_id="M"), [3])
    bad = sender.cut(oru("20260301080000+0100", *VALUES, control_id="N").replace(b"^~\\&", b"^~x&", 1), [3])
    seqs: list[int] = []
    for each in (good[0], good[0], good[1], *good, bad[0], bad[0], bad[1], *bad):
        seqs += sender.keep_again([each])
        if restarts:
            sender.settle()
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in seqs] == [
        *("joined", "unchanged", "settled", "unchanged", "unchanged"),
        *("joined", "unchanged", "dead", "joined", "dead"),
    ]
    assert sender.outcome(seqs[-1])[1]["parts"] == seqs[-2:]


def test_circles_end(sender: Sender) -> None:
    """Pointers that answer each other."""
    body = oru("20260301080000+0100", *VALUES, control_id="M")
    header, rest = body.split(b"\r", 1)
    made = [
        header.replace(b"|M|", b"|M%d|" % n, 1) + b"||" + follows + b"\r" + rest + b"\rDSC|" + pointer
        for n, (follows, pointer) in enumerate([(b"a", b"b"), (b"b", b"a"), (b"c", b"c")])
    ]
    seqs = sender.keep(made)
    sender.settle()
    assert [sender.outcome(seq)[0] for seq in seqs] == ["part"] * 3


_POINTERS = st.sampled_from([b"", b"a", b"b", b"c"])
_KEY = ("lab", b"")


@given(st.lists(st.tuples(_POINTERS, _POINTERS, st.integers(1, 9)), max_size=12))
def test_what_is_given_up_is_what_nothing_came_for(drawn: list[tuple[bytes, bytes, int]]) -> None:
    """All chains at one go, as one by one."""
    parts = [continuing.Part(seq, _KEY, follows, to, 1, at) for seq, (follows, to, at) in enumerate(drawn, 1)]
    one_by_one = {part.seq: max(each.received for each in continuing._chain(parts, part, True)) for part in parts}
    assert continuing._newest(parts, True) == one_by_one


def test_a_chain_of_all_that_may_wait_is_walked_once() -> None:
    """Also a circle, where order means nothing."""
    size = continuing.PARTS_MAX
    for ordered in (True, False):
        parts = [
            continuing.Part(n + 1, _KEY, b"%d" % n if n or not ordered else b"", b"%d" % ((n + 1) % size), 1, n)
            for n in range(size)
        ]
        begun = time.process_time()
        newest = continuing._newest(parts, ordered)
        assert time.process_time() - begun < 0.25  # one by one: a second
        assert set(newest.values()) == {size - 1}
