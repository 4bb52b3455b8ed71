"""Packs: immutable, checked, swapped atomically, shared by processes; damage and newer forms are said plainly."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from terminology import PackDamaged, PackError, PackMissing, PackNewer, Request, Shelf, SourceError, import_source
from terminology.packs import Entry, Manifest, PackBuilder, install, open_pack
from terminology.packs.shelf import KEPT_SECONDS, LIST, built_in, read_list
from terminology.systems import ICD9CM, ICD10CM


def make(folder: Path, version: str = "1", codes: int = 3) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "new.pack"
    with PackBuilder(path, "codes") as pack:
        pack.add("system", [(1, "http://example.org/cs", "Example")])
        pack.add("concept", [(1, f"c{number}", f"Code {number} of {version}", 0) for number in range(codes)])
        pack.finish(
            system="http://example.org/cs", version=version, title="x", licence="none", source="t", source_sha256="0"
        )
    return path


@pytest.fixture
def installed(tmp_path: Path) -> Entry:
    return install(tmp_path / "shelf", make(tmp_path / "work"))


def test_a_pack_says_what_it_is(installed: Entry, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    entry = shelf.find(("codes",), "http://example.org/cs")
    assert entry == installed
    pack = shelf.open(entry, check=True)
    assert pack.manifest.counts == {"concept": 3, "system": 1}
    assert pack.rows("SELECT display FROM concept WHERE system=1 AND code='c1'") == [("Code 1 of 1",)]
    assert shelf.open(entry) is pack
    assert entry.path.stat().st_mode & 0o222 == 0
    shelf.close()


def test_the_digest_is_of_the_content_not_of_the_file(tmp_path: Path) -> None:
    first, second = (open_pack(make(tmp_path / name)) for name in ("a", "b"))
    assert first.manifest.digest == second.manifest.digest
    assert open_pack(make(tmp_path / "c", codes=4)).manifest.digest != first.manifest.digest
    assert open_pack(make(tmp_path / "d", version="2")).manifest.digest != first.manifest.digest


def test_the_same_version_replaces_and_another_stands_beside(installed: Entry, tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    again = install(folder, make(tmp_path / "work", codes=5))
    assert [entry.path for entry in read_list(folder)] == [again.path]
    assert installed.path.exists()  # a reader may have the old list in its hand
    install(folder, make(tmp_path / "work", version="2"), clock=lambda: time.time() + 2 * KEPT_SECONDS)
    assert not installed.path.exists()
    shelf = Shelf(folder)
    with pytest.raises(PackMissing, match=r"name a version, one of 1 .*2 "):
        shelf.find(("codes",), "http://example.org/cs")
    assert shelf.find(("codes",), "http://example.org/cs", version="2").manifest.version == "2"


def test_who_has_a_pack_open_keeps_it_when_it_is_replaced(installed: Entry, tmp_path: Path) -> None:
    pack = open_pack(installed.path)
    install(tmp_path / "shelf", make(tmp_path / "work", codes=5))
    assert len(pack.rows("SELECT * FROM concept")) == 3
    pack.close()


def test_an_unfinished_pack_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[tuple[int, str, str, int]]:
        yield 1, "a", "A", 0
        raise SourceError("broken off")

    with pytest.raises(SourceError), PackBuilder(tmp_path / "x.pack", "codes") as pack:
        pack.add("concept", failing())
    assert list(tmp_path.iterdir()) == []


def test_an_import_that_fails_changes_nothing(installed: Entry, tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    before = sorted(path.name for path in folder.iterdir())
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(SourceError):
        import_source("fhir", Request(bad, folder), folder)
    assert sorted(path.name for path in folder.iterdir()) == before


def _damage(path: Path, place: int, data: bytes) -> None:
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(data)


def test_another_byte_is_found_by_the_sha256(installed: Entry, tmp_path: Path) -> None:
    _damage(installed.path, installed.size - 5, b"\xff")
    with pytest.raises(PackDamaged, match="import it again"):
        Shelf(tmp_path / "shelf").open(installed, check=True)


def test_another_size_is_found_at_once(installed: Entry, tmp_path: Path) -> None:
    installed.path.chmod(0o644)
    installed.path.write_bytes(installed.path.read_bytes()[:-100])
    with pytest.raises(PackDamaged):
        Shelf(tmp_path / "shelf").open(installed)


@pytest.mark.parametrize("place", [0, 30, 100, 1000, 4096, 8192])
def test_damage_anywhere_is_our_error_or_no_difference(installed: Entry, place: int) -> None:
    _damage(installed.path, place, b"\x00\xff" * 60)
    try:
        pack = open_pack(installed.path)
        pack.rows("SELECT * FROM concept")
    except PackError:
        pass


def test_a_newer_pack_is_named_as_such(installed: Entry) -> None:
    installed.path.chmod(0o644)
    connection = apsw.Connection(str(installed.path))
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(PackNewer, match="newer release"):
        open_pack(installed.path)


def test_another_file_is_no_pack(tmp_path: Path) -> None:
    other = tmp_path / "other.pack"
    for content in (b"", b"text", b"SQLite format 3\x00" + bytes(200)):
        other.write_bytes(content)
        with pytest.raises(PackDamaged):
            open_pack(other)
    connection = apsw.Connection(str(tmp_path / "x.sqlite"))
    connection.execute("CREATE TABLE t(a)")
    connection.close()
    with pytest.raises(PackDamaged, match="not a terminology pack"):
        open_pack(tmp_path / "x.sqlite")
    with pytest.raises(PackMissing):
        open_pack(tmp_path / "absent.pack")


LISTS = [
    ("{", PackDamaged),
    ("[]", PackDamaged),
    ('{"form": 2, "packs": []}', PackNewer),
    ('{"form": 1, "packs": [{}]}', PackDamaged),
    ('{"form": 1, "packs": [{"file": "../x", "sha256": "", "size": 1, "manifest": {}}]}', PackDamaged),
    ('{"form": 1, "packs": [{"file": "x", "sha256": "", "size": 1, "manifest": {"kind": "odd"}}]}', PackDamaged),
    ('{"form": 1, "packs": [{"file": "x", "sha256": "", "size": 1, "manifest": {"kind": "codes"}}]}', PackDamaged),
]


@pytest.mark.parametrize(("text", "error"), LISTS)
def test_a_list_that_is_none(tmp_path: Path, text: str, error: type[Exception]) -> None:
    (tmp_path / LIST).write_text(text)
    with pytest.raises(error):
        Shelf(tmp_path).entries()


def test_a_pack_that_is_not_the_listed_one_is_refused(installed: Entry, tmp_path: Path) -> None:
    path = tmp_path / "shelf" / LIST
    content = json.loads(path.read_text())
    content["packs"][0]["manifest"]["version"] = "9"
    path.write_text(json.dumps(content))
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(PackDamaged, match="not the pack that the list names"):
        shelf.open(shelf.find(("codes",), "http://example.org/cs"))


def test_readers_beside_a_writer_see_the_old_list_or_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "shelf"
    install(folder, make(tmp_path / "work", version="0"))
    faults: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                for entry in read_list(folder):
                    open_pack(entry.path, sha256=entry.sha256).close()
            except Exception as error:  # noqa: BLE001 (handed to the test)
                faults.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in range(8):
        install(folder, make(tmp_path / "work", version=str(version % 2), codes=version + 1))
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert [entry.manifest.version for entry in read_list(folder)] == ["0", "1"]


def test_processes_share_a_pack(installed: Entry, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from terminology import Shelf;"
        "s = Shelf(Path(sys.argv[1])); p = s.open(s.find(('codes',), 'http://example.org/cs'));"
        "print(len(p.rows('SELECT * FROM concept')))"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "shelf")]
    running = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) for _ in range(2)]
    assert [each.communicate()[0] for each in running] == [b"3\n", b"3\n"]


def test_built_in_packs_are_whole_small_and_named_with_their_terms() -> None:
    entries = Shelf().entries()
    assert {(entry.manifest.kind, entry.manifest.system, entry.manifest.target) for entry in entries} == {
        ("codes", ICD10CM, ""),
        ("codes", ICD9CM, ""),
        ("codes", "http://terminology.hl7.org", ""),
        ("gem", ICD9CM, ICD10CM),
        ("gem", ICD10CM, ICD9CM),
        ("naming", "http://terminology.hl7.org", ""),
    }
    shelf = Shelf()
    for entry in entries:
        assert entry.built_in
        assert entry.manifest.licence
        shelf.open(entry, check=True)
    assert {path.name for path in built_in().glob("*.pack")} == {entry.path.name for entry in entries}


def test_a_manifest_goes_through_json() -> None:
    manifest = Manifest("gem", "a", "1", "t", "l", "s", "0", "d", target="b", counts={"gem": 1})
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest
    assert manifest.name == "a to b 1"
