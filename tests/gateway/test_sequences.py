"""Sequence numbers through intake and journal, over a socket and over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from adapters.hl7v2.mllp import Sender
from gateway.serving import Intake
from gateway.serving.sequences import Sequences
from pipelines.configuration import load
from pipelines.datafolder import DataFolder, init_folder
from pipelines.errors import Unavailable
from pipelines.links import Links
from pipelines.logs import Log
from pipelines.metrics import Registry
from pipelines.settings import Settings


def message(number: str, control: str) -> bytes:
    return f"MSH|^~\\&|ADT|N|TAB|H|20260301||ADT^A01|{control}|P|2.3|{number}\rPID|1||{control}".encode()


@asynccontextmanager
async def intake(folder: DataFolder, settings: Settings) -> AsyncIterator[Sender]:
    loop = asyncio.get_running_loop()
    journal = folder.journal(settings.journal(), notify=loop.call_soon_threadsafe)
    sequences = Sequences(folder.links_path)
    made = Intake(journal, settings, Log(), Registry(), None, sequences)
    (address,) = await made.listen({"": ("127.0.0.1", 0)})
    sender = await Sender.connect("127.0.0.1", int(address.rpartition(":")[2]), 5)
    try:
        yield sender
    finally:
        await sender.close()
        await made.drain(1)
        await loop.run_in_executor(None, journal.close)
        sequences.close()


async def said(sender: Sender, number: str, control: str) -> tuple[str, str]:
    """MSA-1 and MSA-4."""
    answer = await sender.send(message(number, control), 5)
    assert answer is not None
    fields = next(line for line in answer.split(b"\r") if line.startswith(b"MSA")).decode().split("|")
    assert fields[2] == control
    return fields[1], fields[4] if len(fields) > 4 else ""


def configured(tmp_path: Path, mode: str) -> Settings:
    path = tmp_path / "tabellion.toml"
    path.write_text(f'[storage]\nmin_free_bytes = 0\n[channels.adt]\nsequence_numbers = "{mode}"\n')
    return load(path, {})


def kept(folder: DataFolder) -> list[bytes]:
    with closing(folder.journal_reader()) as journal:
        return [entry.control_id for entry in journal.read(0, 100)]


def test_a_link_over_a_restart(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")
    settings = configured(tmp_path, "check")

    async def run() -> None:
        async with intake(folder, settings) as sender:
            assert await said(sender, "0", "start") == ("AA", "-1")
            assert await said(sender, "5", "a") == ("AA", "5")
            assert await said(sender, "6", "b") == ("AA", "6")
            assert await said(sender, "6", "b") == ("AA", "7")  # sent again: the next, please
            assert await said(sender, "8", "d") == ("AE", "7")
            assert await said(sender, "6", "other") == ("AE", "7")
            assert await said(sender, "", "without") == ("AA", "")
        async with intake(folder, settings) as sender:
            assert await said(sender, "0", "restart") == ("AA", "7")
            assert await said(sender, "7", "c") == ("AA", "7")
            assert await said(sender, "-1", "anew") == ("AA", "-1")
            assert await said(sender, "x", "bad") == ("AE", "-1")
            assert await said(sender, "100", "e") == ("AA", "100")

    asyncio.run(run())
    assert kept(folder) == [b"a", b"b", b"without", b"c", b"e"]


def test_required(tmp_path: Path) -> None:
    folder = init_folder(tmp_path / "data")

    async def run() -> None:
        async with intake(folder, configured(tmp_path, "require")) as sender:
            assert await said(sender, "", "without") == ("AE", "")
            assert await said(sender, "1", "a") == ("AA", "1")

    asyncio.run(run())
    assert kept(folder) == [b"a"]


def test_a_number_that_can_not_be_stored_is_our_failure_and_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message is in the journal, its number is not: no AA; sent again, it is known, and the number follows."""
    folder = init_folder(tmp_path / "data")
    settings = configured(tmp_path, "check")

    async def run() -> None:
        async with intake(folder, settings) as sender:
            with monkeypatch.context() as full:

                def fail(*_: object) -> None:
                    raise Unavailable("no room")

                full.setattr(Links, "write", fail)
                assert (await said(sender, "5", "a"))[0] == "AR"
        async with intake(folder, settings) as sender:
            assert await said(sender, "5", "a") == ("AA", "5")
            assert await said(sender, "6", "b") == ("AA", "6")

    asyncio.run(run())
    assert kept(folder) == [b"a", b"b"]
