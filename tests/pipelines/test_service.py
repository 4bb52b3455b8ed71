"""The writer's process: settles what others append, ends cleanly, and after a kill goes on where it was."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from pipelines.channels import Channel
from pipelines.control import Listener, bell
from pipelines.datafolder import DataFolder, Identity, init_folder
from pipelines.deadletters import letters, replay
from pipelines.envelope import Envelope
from pipelines.errors import SettingsError
from pipelines.journal import JournalSettings
from pipelines.messages import status
from pipelines.metrics import read_snapshots, samples
from pipelines.service import check_tenant, mapper_count, run_writer
from pipelines.settings import Pipeline, Settings
from tests.pipelines.v2 import adt, oru, pid, visit

CONTEXT = get_context("spawn")
CHANNELS = {"adt": Channel("adt"), "lab": Channel("lab")}
CANARY = "ZZCANARY"
DAY = "2026030{}080000+0100"


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return init_folder(tmp_path / "data")


def write(log: Path, path: Path, settings: Settings, mappers: int, control: Listener) -> None:
    """The process's target: its messages to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)
    run_writer(path, settings, mappers, control)


@contextmanager
def writer(folder: DataFolder, mappers: int, settings: Settings | None = None) -> Iterator[SpawnProcess]:
    """A writer's process; told to stop at the end, if it still runs."""
    ours, theirs = bell()
    log = folder.path.parent / "log"
    settings = settings or Settings(channels=CHANNELS)
    process = CONTEXT.Process(target=write, args=(log, folder.path, settings, mappers, theirs))
    process.start()
    theirs.close()
    try:
        yield process
        ours.stop()
        process.join(60)
    finally:
        process.kill()
        process.join()
        ours.close()


def keep(folder: DataFolder, *bodies: tuple[str, bytes]) -> None:
    with closing(folder.journal()) as journal:
        futures = [
            journal.append(Envelope(channel, "hl7v2", body, (body.split(b"|") + [b""] * 9)[9], peer="127.0.0.1:1"))
            for channel, body in bodies
        ]
        for future in futures:
            future.result(30)


def wait_until_settled(folder: DataFolder, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while status(folder)["backlog"]:
        assert time.monotonic() < until, "the backlog does not shrink"
        time.sleep(0.05)


def stream(count: int) -> list[tuple[str, bytes]]:
    found = []
    for n in range(count):
        who = pid(str(n % 7), family=f"{CANARY}{n % 5}")
        if n % 3:
            found.append(("adt", adt("A08", DAY.format(1 + n % 9), who, visit(f"V-{n % 7}"), control_id=f"A{n}")))
        else:
            found.append(
                ("lab", oru(DAY.format(1 + n % 9), ("2345-7", f"{n}.10", "F"), patient=who, control_id=f"L{n}"))
            )
    return found


def content(folder: DataFolder) -> list[tuple[object, ...]]:
    with closing(folder.state_reader()) as state:
        query = "SELECT seq, type, id, version, op, entry, body, leaf FROM record ORDER BY seq"
        return [tuple(row) for row in state.connection.execute(query)]


@pytest.mark.parametrize("mappers", [0, 2])
def test_it_settles_what_is_there_and_what_comes_and_ends_cleanly(folder: DataFolder, mappers: int) -> None:
    keep(folder, *stream(10))
    with writer(folder, mappers) as process:
        wait_until_settled(folder)
        keep(folder, *stream(30)[10:])
    assert process.exitcode == 0
    found = status(folder)
    assert (found["backlog"], found["settled"], found["dead_letters"]) == (0, 30, 0)
    metrics = samples(read_snapshots(folder.path))
    assert metrics['tabellion_entries_total{channel="adt",status="settled"}'] == 20
    assert metrics['tabellion_records_total{group="patient"}'] > 7


def test_killed_again_and_again_it_ends_where_an_undisturbed_one_ends(tmp_path: Path) -> None:
    """Also with its mappers left to die alone; leaves are compared, so the same journal is settled twice."""
    import shutil

    disturbed = init_folder(tmp_path / "a" / "data")
    keep(disturbed, *stream(120))
    shutil.copytree(disturbed.path, tmp_path / "b" / "data")
    undisturbed = DataFolder(tmp_path / "b" / "data")
    random_ = random.Random(7)
    slow = Settings(channels=CHANNELS, pipeline=Pipeline(batch_records=16))
    kills = 0
    while kills < 3:
        with writer(disturbed, 1, slow) as process:
            before = status(disturbed)["backlog"]
            while status(disturbed)["backlog"] == before:
                time.sleep(0.005)
            time.sleep(random_.random() / 50)
            process.kill()
            process.join()
            kills += 1
    with writer(disturbed, 1, slow), writer(undisturbed, 0):
        wait_until_settled(disturbed)
        wait_until_settled(undisturbed)
    assert content(disturbed) == content(undisturbed)
    assert status(disturbed)["settled"] == 120


def test_it_ends_when_its_parent_does(folder: DataFolder) -> None:
    reader, pipe = os.pipe()
    child = os.fork()
    if not child:  # pragma: no cover
        ours, theirs = bell()
        process = CONTEXT.Process(target=run_writer, args=(folder.path, Settings(channels=CHANNELS), 1, theirs))
        process.start()
        ours.ring()
        os.write(pipe, str(process.pid).encode())
        signal.pause()
    try:
        number = int(os.read(reader, 20))
        keep(folder, *stream(3))
        wait_until_settled(folder)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    until = time.monotonic() + 20
    while time.monotonic() < until and Path(f"/proc/{number}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{number}").exists()


def test_a_replay_is_done_by_the_running_service(folder: DataFolder) -> None:
    failed = adt("A01", DAY.format(1), pid(), visit()).replace(b"|P|", b"|T|")
    keep(folder, ("adt", failed))
    with folder.lock():  # as `serve` holds it
        with writer(folder, 0):
            wait_until_settled(folder)
        (letter,) = letters(folder)
        settings = Settings(channels={"adt": Channel("adt", processing_ids=("T",))})
        with writer(folder, 0, settings):
            assert replay(folder, settings, [letter.id]).replayed == 1
    assert letters(folder) == []


def test_no_canary_in_log_metrics_keys_and_headers(folder: DataFolder) -> None:
    failed = adt("A01", DAY.format(1), pid(f"{CANARY}-MRN", family=CANARY), visit())
    broken = failed.replace(b"|C1|", b"|C2|").replace(b"|P|", b"|T|")
    keep(folder, ("adt", failed), ("adt", broken), ("adt", b"MSH|^~\\&" + CANARY.encode()), *stream(9))
    with writer(folder, 1):
        wait_until_settled(folder)
    log = (folder.path.parent / "log").read_text(encoding="utf-8")
    assert '"event": "writer.started"' in log
    assert CANARY not in log
    assert CANARY not in read_snapshots(folder.path)
    assert len(letters(folder)) == 2
    for letter in letters(folder):
        assert CANARY not in repr(letter)
    with closing(folder.topics()) as topics:
        messages = [message for info in topics.topics() for message in topics.read(info.topic, 0)]
    assert any(CANARY.encode() in (message.value or b"") for message in messages)
    for message in messages:
        assert CANARY not in message.key
        assert not any(CANARY in text for text in message.headers.values())


def test_journal_segments_go_when_all_channels_say_so(folder: DataFolder) -> None:
    segment = JournalSettings(segment_size=1 << 20, checkpoint_pages=1)
    for n in range(3):
        with closing(folder.journal(segment)) as journal:
            filler = oru(DAY.format(1), ("2345-7", "9", "F"), control_id=f"C{n}") + b"\rNTE|1||" + b"x" * 900_000
            journal.append(Envelope("lab", "hl7v2", filler, b"%d" % n, received_at=1_000_000)).result(30)
            journal.append(Envelope("lab", "hl7v2", filler, b"%da" % n, received_at=1_000_000)).result(30)
    segments = len(list((folder.path / "journal").glob("*.sqlite")))
    assert segments > 2
    with writer(folder, 0):
        wait_until_settled(folder)
    assert len(list((folder.path / "journal").glob("*.sqlite"))) == segments
    keeping = Settings(channels={name: Channel(name, retention_days=30) for name in CHANNELS})
    with writer(folder, 0, keeping):
        pass
    assert len(list((folder.path / "journal").glob("*.sqlite"))) == 1


def test_a_channel_of_another_tenant_is_refused(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "north", Identity(tenant="north"))
    check_tenant(Settings(channels={"a": Channel("a"), "b": Channel("b", tenant="north")}), folder)
    with pytest.raises(SettingsError, match="north"):
        check_tenant(Settings(channels={"a": Channel("a", tenant="south")}), folder)


def test_mapper_count() -> None:
    assert mapper_count(0) == 0
    assert mapper_count(3) == 3
    assert mapper_count(-1) == max(1, len(os.sched_getaffinity(0)) - 1)
