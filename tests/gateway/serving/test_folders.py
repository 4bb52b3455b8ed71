"""A watched folder: whole files only, committed before they are moved, poison aside, and once however often read."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.serving.drops import Drop, Taken, Watch, take
from gateway.serving.folders import Folders
from pipelines.channels import Channel
from pipelines.journal import JournalSettings, SqliteJournal
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.settings import Settings
from tests.pipelines.v2 import adt, message, pid

TIME = "20260301080000+0100"
PATIENT = b'{"resourceType": "Patient", "name": [{"family": "ZZTEST"}]}'


class Desk:
    """One watched folder over a real journal; looking is done by hand."""

    def __init__(self, root: Path, format_: str, least: int = 0, marker: str = "") -> None:
        self.inbox = root / "inbox"
        self.inbox.mkdir(exist_ok=True)
        (root / "journal").mkdir(exist_ok=True)
        self.journal = SqliteJournal(root / "journal", JournalSettings(min_free=least))
        self.channel = Channel("c", format=format_, folder=str(self.inbox), folder_seconds=0.0, folder_marker=marker)
        self.said = io.StringIO()
        self.registry = Registry()
        settings = Settings(channels={"c": self.channel})
        self.folders = Folders(self.journal, settings, Log(self.said), self.registry)

    def drop(self, name: str, data: bytes) -> None:
        (self.inbox / name).write_bytes(data)

    def look(self) -> None:
        self.folders.look(self.channel)

    def files(self) -> dict[str, list[str]]:
        """Names of files by folder."""
        return {
            str(Path(base).relative_to(self.inbox)): sorted(names) for base, _, names in os.walk(self.inbox) if names
        }

    def bodies(self) -> list[bytes | None]:
        return [entry.body for entry in self.journal.read(0, 1000)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path, "hl7v2")
    with closing(made.journal):
        yield made


def test_a_file_is_committed_then_moved(desk: Desk) -> None:
    one, two = adt("A01", TIME, pid(), control_id="1"), adt("A01", TIME, pid("2"), control_id="2")
    desk.drop("ZZCANARY.hl7", one + b"\r" + two + b"\r")
    desk.look()
    assert desk.files() == {"done": ["ZZCANARY.hl7"]}
    assert desk.bodies() == [one, two]
    entry = desk.journal.get(1)
    assert entry is not None
    assert (entry.channel, entry.control_id, entry.facts) == ("c", b"1", {"transport": "folder"})
    assert 'tabellion_folder_files_total{channel="c",status="done"} 1' in desk.registry.text()
    assert "ZZCANARY" not in desk.said.getvalue()


def test_only_whole_files_are_taken(desk: Desk, tmp_path: Path) -> None:
    body = adt("A01", TIME, pid())
    for name in (".hidden", "a.part", "a.tmp"):
        desk.drop(name, body)
    (desk.inbox / "folder").mkdir()
    (tmp_path / "elsewhere").write_bytes(body)
    (desk.inbox / "link").symlink_to(tmp_path / "elsewhere")
    desk.look()
    assert desk.bodies() == []
    watch = Watch(desk.inbox, 2.0)
    desk.drop("growing", body[:20])
    assert watch.ready(100.0) == []
    desk.drop("growing", body)
    os.utime(desk.inbox / "growing", ns=(1, 1))
    assert watch.ready(102.0) == []  # it has changed since
    assert watch.ready(103.9) == []
    assert [drop.path.name for drop in watch.ready(104.0)] == ["growing"]
    os.rename(desk.inbox / "a.part", desk.inbox / "renamed")
    assert [drop.path.name for drop in watch.ready(106.0)] == ["growing"]
    assert [drop.path.name for drop in watch.ready(108.0)] == ["growing", "renamed"]


def test_poison_goes_aside_with_the_reason_and_takes_nobody_with_it(desk: Desk) -> None:
    good = adt("A01", TIME, pid(), control_id="1")
    desk.drop("1-rubbish", b"ZZCANARY")
    desk.drop("2-empty", b"")
    desk.drop("3-mixed", good + b"\r" + message("ACK^A01", TIME) + b"\r")
    desk.drop("4-good", adt("A01", TIME, pid("2"), control_id="2"))
    desk.look()
    assert desk.files() == {
        "done": ["4-good"],
        "failed": [f"{name}{end}" for name in ("1-rubbish", "2-empty", "3-mixed") for end in ("", ".why.json")],
    }
    assert desk.bodies() == [good, adt("A01", TIME, pid("2"), control_id="2")]
    why = json.loads((desk.inbox / "failed" / "3-mixed.why.json").read_text())
    assert why == [{"index": 1, "place": "MSH-9", "text": "Acknowledgements are not accepted"}]
    assert "ZZCANARY" not in (desk.inbox / "failed" / "1-rubbish.why.json").read_text()


def test_an_error_of_ours_costs_one_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(drop: Drop, channel: Channel) -> Taken:
        if drop.path.name == "bad":
            raise ZeroDivisionError("ZZCANARY")
        return take(drop, channel)

    monkeypatch.setattr("gateway.serving.folders.take", broken)
    desk.drop("bad", adt("A01", TIME, pid()))
    desk.drop("good", adt("A01", TIME, pid()))
    desk.look()
    assert desk.files() == {"done": ["good"], "failed": ["bad", "bad.why.json"]}
    assert "ZZCANARY" not in desk.said.getvalue()


@pytest.mark.parametrize(("format_", "body"), [("hl7v2", adt("A01", TIME, pid())), ("fhir", PATIENT)])
def test_a_crash_between_commit_and_move_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str, body: bytes
) -> None:
    """The file lies there still: read again it is `repeated`; the same bytes dropped anew are another statement where
    nothing in them says that they aren't."""
    for crashes in (True, False):
        made = Desk(tmp_path, format_)
        with closing(made.journal), monkeypatch.context() as patch:
            if crashes:
                made.drop("a", body)
                patch.setattr("gateway.serving.folders.move", lambda *_: None)
            made.look()
            assert made.journal.last() == 1
            assert made.files() == {".": ["a"]} if crashes else {"done": ["a"]}
    made = Desk(tmp_path, format_)
    with closing(made.journal):
        made.drop("a", body)
        made.look()
        assert made.files() == {"done": ["a", "a.1"]}
        assert made.journal.last() == (1 if format_ == "hl7v2" else 2)


def test_a_full_disk_leaves_the_file_where_it_is(tmp_path: Path) -> None:
    made = Desk(tmp_path, "hl7v2", least=1 << 60)
    with closing(made.journal):
        made.drop("a", adt("A01", TIME, pid()))
        made.look()
        assert made.files() == {".": ["a"]}
        assert made.folders.causes() == ["the folder of channel c can't be used"]


def test_a_folder_that_isnt_there_is_a_reason_not_to_be_ready(desk: Desk) -> None:
    desk.inbox.rmdir()
    desk.look()
    desk.look()
    assert desk.folders.causes()
    assert desk.said.getvalue().count("folder.unusable") == 1
    desk.inbox.mkdir()
    desk.look()
    assert desk.folders.causes() == []


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything: be someone who may not."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def shared_inbox(tmp_path: Path) -> Iterator[Desk]:
    """A folder that another user of the system can get at."""
    with tempfile.TemporaryDirectory() as name:
        made = Desk(Path(name), "hl7v2")
        made.look()
        for place in (Path(name), made.inbox):
            place.chmod(0o755)
            os.chown(place, 65534 if os.geteuid() == 0 else -1, -1)
        with closing(made.journal):
            yield made


def test_a_file_that_may_not_be_read_stops_nobody_else(shared_inbox: Desk) -> None:
    desk = shared_inbox
    body = adt("A01", TIME, pid())
    desk.drop("1-locked", body)
    (desk.inbox / "1-locked").chmod(0)
    desk.drop("2-good", adt("A01", TIME, pid("2"), control_id="2"))
    os.chown(desk.inbox / "2-good", 65534 if os.geteuid() == 0 else -1, -1)
    with nobody():
        desk.look()
        desk.look()
    assert desk.files() == {".": ["1-locked"], "done": ["2-good"]}
    assert desk.said.getvalue().count("folder.unreadable") == 1
    assert "locked" not in desk.said.getvalue()
    assert 'status="unreadable"} 1' in desk.registry.text()
    assert desk.folders.causes() == [], "the folder can be used"
    (desk.inbox / "1-locked").chmod(0o644)
    desk.look()
    assert desk.files() == {"done": ["1-locked", "2-good"]}


def test_a_folder_that_can_not_be_written_takes_nothing(shared_inbox: Desk) -> None:
    """Else the same file would be taken again at each look."""
    desk = shared_inbox
    desk.drop("a", adt("A01", TIME, pid()))
    desk.inbox.chmod(0o555)
    with nobody():
        desk.look()
    assert desk.bodies() == []
    assert desk.folders.causes() == ["the folder of channel c can't be used"]
    desk.inbox.chmod(0o755)
    with nobody():
        desk.look()
    assert desk.folders.causes() == []
    assert desk.files() == {"done": ["a"]}


def test_a_marker_is_waited_for_and_goes_when_its_file_has_gone(tmp_path: Path) -> None:
    made = Desk(tmp_path, "hl7v2", marker=".ok")
    bodies = [adt("A01", TIME, pid(str(n)), control_id=str(n)) for n in range(3)]
    with closing(made.journal):
        for name, body in zip(("a.hl7", "b.hl7", "c.hl7"), bodies, strict=True):
            made.drop(name, body)
        made.look()
        assert made.bodies() == []
        made.drop("a.hl7.ok", b"")
        made.drop("b.ok", b"")
        made.look()
        assert made.bodies() == bodies[:2]
        assert made.files() == {".": ["a.hl7.ok", "b.ok", "c.hl7"], "done": ["a.hl7", "b.hl7"]}
        made.look()
        assert made.files() == {".": ["c.hl7"], "done": ["a.hl7", "b.hl7"]}


def test_the_marker_of_an_earlier_file_does_not_count_for_the_next(tmp_path: Path) -> None:
    made = Desk(tmp_path, "hl7v2", marker=".ok")
    with closing(made.journal):
        made.drop("a.hl7.ok", b"")
        made.drop("a.hl7", adt("A01", TIME, pid()))
        os.utime(made.inbox / "a.hl7.ok", ns=(1, 1))
        made.look()
        assert made.bodies() == []
        made.drop("a.hl7.ok", b"done")
        made.look()
        assert made.files()["done"] == ["a.hl7"]


def test_no_reason_overwrites_a_file_put_away_before(desk: Desk) -> None:
    desk.drop("a.why.json", b"no message")
    desk.look()
    desk.drop("a", b"no message either")
    desk.look()
    assert (desk.inbox / "failed" / "a.why.json").read_bytes() == b"no message"
    assert desk.files()["failed"] == ["a.1", "a.1.why.json", "a.why.json", "a.why.json.why.json"]


@pytest.mark.parametrize("name", ["A.TMP", "a.filepart", "a.hl7.uploading", "a.hl7~", ".a.hl7.Xy12Z"])
def test_names_of_unfinished_files_in_any_case(desk: Desk, name: str) -> None:
    desk.drop(name, adt("A01", TIME, pid()))
    desk.look()
    assert desk.bodies() == []
    os.rename(desk.inbox / name, desk.inbox / "a.hl7")
    desk.look()
    assert desk.files() == {"done": ["a.hl7"]}


def test_names_that_are_no_text_or_as_long_as_names_can_be(tmp_path: Path) -> None:
    """M\xfcller in Latin-1, as a Windows client writes it; 255 bytes, behind which nothing fits."""
    made = Desk(tmp_path, "fhir")
    with closing(made.journal):
        for name in (b"M\xfcller.json", b"x" * 255):
            (made.inbox / os.fsdecode(name)).write_bytes(PATIENT)
            (made.inbox / os.fsdecode(name[:-1] + b"!")).write_bytes(b"{")
        made.look()
        assert len(made.bodies()) == 2
        assert [len(names) for _, names in sorted(made.files().items())] == [2, 4]
        assert made.folders.causes() == []


def test_a_file_that_grows_while_it_is_read_is_not_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender pauses in the middle for longer than `folder_seconds` and goes on now: half a message is none."""
    whole = adt("A01", TIME, pid())
    desk.drop("a", whole[:-20])
    read = Path.read_bytes

    def meanwhile(path: Path) -> bytes:
        found = read(path)
        with path.open("ab") as file:
            file.write(whole[-20:])
        return found

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", meanwhile)
        desk.look()
    assert desk.bodies() == []
    desk.look()
    assert desk.bodies() == [whole]


def test_a_file_that_its_sender_takes_back_is_no_fault(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(drop: Drop, channel: Channel) -> Taken:
        if drop.path.name == "a":
            drop.path.unlink()
        return take(drop, channel)

    monkeypatch.setattr("gateway.serving.folders.take", gone)
    desk.drop("a", adt("A01", TIME, pid()))
    desk.drop("b", adt("A01", TIME, pid("2"), control_id="2"))
    desk.look()
    assert desk.files() == {"done": ["b"]}
    assert desk.folders.causes() == []
    assert "error" not in desk.said.getvalue()
