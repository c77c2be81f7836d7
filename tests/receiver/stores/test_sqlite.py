"""The SQLite file: whose it is, disks that are full, who holds it, and what its log grows to."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keeper.errors import StateError
from keeper.receiver.packet import Poison
from keeper.receiver.settings import FILES, SQLITE, ReceiverSettings, shown_store
from keeper.receiver.stores import sqlite_contents, sqlite_file
from keeper.receiver.stores.store import Range, Store, StoreError
from keeper.receiver.stores.table import open_reader, open_store
from tests.receiver.stores.build import AT, Place, content, packet
from tests.receiver.stores.disk import fill, small_disk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "packets.db"


@pytest.fixture
def place(path: Path) -> Place:
    return Place(SQLITE, str(path))


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.store()) as opened:
        yield opened


def test_it_stands_in_the_state_directory(tmp_path: Path) -> None:
    """Where nothing is configured; the folder is made, and neither it nor the files are others' to read."""
    state = tmp_path / "state"
    with closing(open_store(ReceiverSettings(), str(state))) as store:
        store.store([packet(1)])
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {
            "packets.db": 0o600,
            "packets.db-wal": 0o600,
            "packets.db-shm": 0o600,
            "receiver": 0o700,
        }
    assert shown_store(ReceiverSettings(), str(state)) == f"sqlite:{state}/packets.db"
    with closing(open_reader(ReceiverSettings(), str(state))) as reader:
        assert reader.stored("s", [Range(0, 9)]) == [Range(1, 1)]


def spoiled(path: Path, kind: str, how: str) -> None:
    if how == "text":
        path.write_text("This is no database.\n" * 1000)
    elif how == "torn":
        path.write_bytes(path.read_bytes()[:9000])
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:100])
    else:
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE mine (a)")
            db.execute("INSERT INTO mine VALUES (1)")
            if how == "newer":
                db.execute(f"PRAGMA application_id = {0x6B707374 if kind == SQLITE else 0x6B707366}")
                db.execute("PRAGMA user_version = 99")
            db.commit()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("text", "is not a database"),
        ("torn", "is damaged"),
        ("cut", "is damaged|is not a database"),
        ("foreign", "of something else"),
        ("newer", "version 99"),
    ],
)
@pytest.mark.parametrize("kind", [SQLITE, FILES])
def test_a_file_that_is_not_a_store(tmp_path: Path, kind: str, how: str, said: str) -> None:
    """It is refused with a sentence that names it, and stays as it is."""
    path = tmp_path / "packets.db"
    place = Place(kind, str(path if kind == SQLITE else tmp_path))
    with closing(place.store()) as store:
        store.store([packet(n, str(n)) for n in range(100)])
    spoiled(path, kind, how)
    before = path.read_bytes()
    with pytest.raises(StateError, match=said) as raised:
        place.store()
    assert str(path) in str(raised.value)
    assert path.read_bytes() == before
    with pytest.raises(StoreError), closing(place.reader()) as reader:
        reader.stored("s", [Range(0, 9)])


def test_a_file_of_another_kind_of_store(tmp_path: Path) -> None:
    """The database beside plain files is not a store in SQLite, nor the other way round."""
    with closing(Place(FILES, str(tmp_path)).store()) as store:
        store.store([packet(1)])
    with pytest.raises(StateError, match=r"packets\.db"):
        Place(SQLITE, str(tmp_path / "packets.db")).store()


def test_an_empty_file_is_none(path: Path, place: Place) -> None:
    """As is left where making it was interrupted."""
    path.touch()
    path.with_name("packets.db.new").write_text("half")
    with closing(place.reader()) as reader, pytest.raises(StoreError, match="nothing has been stored yet"):
        reader.stored("s", [Range(0, 9)])
    with closing(place.store()) as store:
        assert store.store([packet(1)]).fresh == 1


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    """A path through a file can be mended: it is tried again with each batch."""
    (tmp_path / "file").touch()
    with closing(Place(SQLITE, str(tmp_path / "file" / "packets.db")).store()) as store:
        with pytest.raises(StoreError, match=r"packets\.db"):
            store.store([packet(1)])
        (tmp_path / "file").unlink()
        assert store.store([packet(1)]).fresh == 1


def test_locked(path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    """A file that somebody else has locked is tried again later."""
    store.store([packet(1)])
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 50)
    with closing(place.store()) as other, closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="locked"):
            other.store([packet(2)])
        holder.execute("ROLLBACK")
        assert other.store([packet(2)]).fresh == 1


def test_moved_away(path: Path, store: Store, place: Place) -> None:
    """Nothing is stored into a file that is no longer where it belongs, also when another one is there now. Its
    log, which SQLite would apply to any file, is not left to a new one."""
    store.store([packet(1)])
    path.rename(path.with_name("old.db"))
    with pytest.raises(StoreError, match="moved away"):
        store.store([packet(2, "b")])
    with pytest.raises(StateError, match=r"packets\.db-wal is, which belongs to it"):
        place.store()
    path.with_name("packets.db-wal").rename(path.with_name("old.db-wal"))
    place.store().close()
    with pytest.raises(StoreError, match="moved away"):
        store.store([packet(2, "b")])
    with closing(place.reader()) as reader:
        assert reader.stored("s", [Range(0, 9)]) == []


def test_its_disk_is_taken_away(path: Path, store: Store, place: Place) -> None:
    """A store that was there once is waited for, and no new one is begun in its place; who looks hears the same."""
    store.store([packet(1)])
    with closing(place.reader()) as reader:
        path.parent.rename(path.parent.with_name("away"))
        path.parent.write_bytes(b"no folder at all")
        for _ in range(2):
            with pytest.raises(StoreError, match="Not a directory"):
                store.store([packet(2, "b")])
            with pytest.raises(StoreError, match="Not a directory"):
                reader.stored("s", [Range(0, 9)])
            store.close()
        path.parent.unlink()
        path.parent.mkdir()  # a mount point with nothing mounted
        for _ in range(2):
            with pytest.raises(StoreError, match="moved away"):
                store.store([packet(2, "b")])
            store.close()
        assert list(path.parent.iterdir()) == []
        path.parent.rmdir()
        path.parent.with_name("away").rename(path.parent)
        assert store.store([packet(1), packet(2, "b")]).fresh == 1
        assert reader.stored("s", [Range(0, 9)]) == [Range(1, 2)]


@pytest.mark.parametrize("kind", [SQLITE, FILES])
def test_an_empty_place_where_a_store_was_is_no_new_store(tmp_path: Path, kind: str) -> None:
    """Whoever is started while its disk is away waits for it, and takes nothing twice when it is back. Who wants a new
    one is told what to remove."""
    disk, away = tmp_path / "disk", tmp_path / "away"
    place = Place(kind, str(disk / "packets.db" if kind == SQLITE else disk), str(tmp_path / "state"))
    with closing(place.store()) as store:
        assert store.store([packet(1)]).fresh == 1
    disk.rename(away)
    for there in (False, True):  # no folder; a mount point
        if there:
            disk.mkdir()
        said = r"packets\.db was begun before and is not there: mount its disk"
        with closing(place.store()) as store, pytest.raises(StoreError, match=said):
            store.store([packet(1)])
    disk.rmdir()
    away.rename(disk)
    with closing(place.store()) as store:
        stored = store.store([packet(1), packet(2, "b")])
        assert (stored.fresh, stored.repeated) == (1, 1)
    disk.rename(away)
    with closing(place.store()) as store:
        with pytest.raises(StoreError) as raised:
            store.store([packet(1)])
        Path(str(raised.value).rpartition(" remove ")[2]).unlink()
        assert store.store([packet(1)]).fresh == 1


def test_who_had_it_open_says_the_same(tmp_path: Path) -> None:
    """A worker that runs when the store goes names what to remove, too; then a restart begins a new one."""
    place = Place(SQLITE, str(tmp_path / "packets.db"), str(tmp_path / "state"))
    with closing(place.store()) as store:
        store.store([packet(1)])
        store.close()
        Path(place.where).unlink()
        with pytest.raises(StoreError, match="was begun before and is not there") as raised:
            store.store([packet(1)])
        Path(str(raised.value).rpartition(" remove ")[2]).unlink()
        with pytest.raises(StoreError, match="put it back, or start keeper again to begin a new one"):
            store.store([packet(1)])
    with closing(place.store()) as store:
        assert store.store([packet(1)]).fresh == 1


def test_a_name_as_long_as_can_be(tmp_path: Path) -> None:
    """Is remembered, as any other."""
    place = Place(SQLITE, str(tmp_path / ("p" * 240)), str(tmp_path / "state"))
    place.store().close()
    Path(place.where).unlink()
    with closing(place.store()) as store, pytest.raises(StoreError, match="was begun before"):
        store.store([packet(1)])


def test_what_was_begun_cannot_be_noted(tmp_path: Path) -> None:
    """It is stored all the same: that makes room. The next start notes it."""
    (tmp_path / "state").touch()
    path = tmp_path / "disk" / "packets.db"
    place = Place(SQLITE, str(path), str(tmp_path / "state"))
    with closing(place.store()) as store:
        assert store.store([packet(1)]).fresh == 1
    (tmp_path / "state").unlink()
    place.store().close()
    path.unlink()
    with closing(place.store()) as store, pytest.raises(StoreError, match="was begun before"):
        store.store([packet(2)])


@pytest.mark.parametrize("kind", [SQLITE, FILES])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    """A batch that has no room is tried again, nothing of it is there, and when there is room it all goes on."""
    with small_disk(tmp_path / "disk", 8 << 20) as disk:
        place = Place(kind, str(disk / "store" / ("packets.db" if kind == SQLITE else "")))
        text = {"text": "x" * 2000}
        with closing(place.store()) as store, closing(place.reader()) as reader:
            assert store.store([packet(n, str(n), events=[(AT, text)]) for n in range(100)]).fresh == 100
            ballast = fill(disk)
            more = [packet(n, str(n), events=[(AT, text)]) for n in range(100, 600)] + [packet(None, "bare")]
            for _ in range(3):
                with pytest.raises(StoreError, match=r"full|No space|I/O"):
                    store.store(more)
            assert reader.stored("s", [Range(0, 999)]) == [Range(0, 99)]
            ballast.unlink()
            assert store.store(more).fresh == 501
            assert reader.stored("s", [Range(0, 999)]) == [Range(0, 599)]
            assert len(list(reader.rows(0, 1e12))) == 601
            if kind == FILES:
                lines = (disk / "store" / "LoginUsers_2026-09-21.dat").read_text().splitlines()
                assert len(lines) == 601


@pytest.mark.parametrize("kind", [SQLITE, FILES])
def test_a_disk_that_is_full_from_the_beginning(tmp_path: Path, kind: str) -> None:
    """The store opens all the same, and begins when there is room."""
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        ballast = fill(disk)
        with closing(Place(kind, str(disk / ("packets.db" if kind == SQLITE else ""))).store()) as store:
            with pytest.raises(StoreError):
                store.store([packet(1)])
            ballast.unlink()
            assert store.store([packet(1)]).fresh == 1


def test_the_log_stays_short_beside_readers(path: Path, store: Store, place: Place) -> None:
    """Somebody who reads all rows slowly does not keep what is stored meanwhile from leaving the log."""
    text = {"text": "x" * 2000}
    with closing(place.reader()) as reader:
        store.store([packet(-1 - n, str(-n), events=[(1.0, text)] * 10) for n in range(300)])
        rows = reader.rows(0, 1e12)
        for n in range(100):
            next(rows)
            store.store([packet(n * 500 + k, f"{n} {k}", events=[(2.0, text)]) for k in range(500)])
        wal = path.with_name("packets.db-wal").stat().st_size
        assert wal < sqlite_file.WAL_PAGES * 4096 + (16 << 20)
        assert len(list(rows)) == 3000 + 50_000 - 100


def test_what_others_stored_without_ids(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers that take turns know of each other's packets, while they are the newest and when they are written
    down, and what was rolled back is not known."""
    monkeypatch.setattr(sqlite_contents, "RUN", 40)
    with closing(place.store()) as one, closing(place.store()) as two, closing(place.reader()) as reader:
        for n in range(30):
            batch = [packet(None, f"{n} {k}", source=source) for k in range(7) for source in ("s", "t")]
            stores = (one, two) if n % 3 else (two, one)
            with pytest.raises(Poison):
                stores[0].store([*batch, packet(None, "bad", source="z")._replace(type="\udc80")])
            assert [store.store(batch).fresh for store in stores] == [14, 0]
            assert two.store([packet(None, f"{m} 3") for m in range(n + 1)]).fresh == 0
        names = {(None, content(f"{n} {k}")) for n in range(30) for k in range(7)}
        assert reader.held("t", [*names, (None, content("none"))]) == names


@pytest.mark.parametrize("run", [40, sqlite_contents.RUN])
def test_workers_in_turns_without_ids(place: Place, monkeypatch: pytest.MonkeyPatch, run: int) -> None:
    """Neither misses a packet of the other's, whatever other sources there are between two that send without ids."""
    monkeypatch.setattr(sqlite_contents, "RUN", run)
    with closing(place.store()) as one, closing(place.store()) as two:
        for n in range(60):
            named = packet(n, str(n), source="b")
            batch = [packet(None, f"{n} {k}", source=source) for k in range(n % 3 + 1) for source in ("a", "c")]
            first, second = (one, two) if n % 5 % 2 else (two, one)
            assert first.store([*batch, named]).fresh == len(batch) + 1
            assert first.store([packet(None, f"{n} again")]).fresh == 1
            old = [packet(None, f"{m} {m % 3}", source=source) for m in range(n + 1) for source in ("a", "c")]
            assert second.store([*batch, *old, packet(None, f"{n} again"), named]).fresh == 0
