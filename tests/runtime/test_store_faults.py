"""The state database when something is wrong: torn, foreign, held, full, or killed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Owed, Receipt
from keeper.core.silence import Silence
from keeper.delivery.parcel import Change, Parcel, Stand
from keeper.errors import StateError
from keeper.runtime.pending import MAX_ENTRIES, MAX_OWED
from keeper.runtime.records import Entry
from keeper.runtime.silences import add_silence
from keeper.runtime.store import Store
from tests.peers import installed, require
from tests.peers.ask import eventually


class Hand:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall() -> Hand:
    return Hand()


def made(path: Path, wall: Hand, rows: int = 2000) -> None:
    store = Store.open(path, wall)
    store.commit({"a": "1"}, [], [], [], [Entry(1.0, "k", "s", f"line {n} " + "x" * 80) for n in range(rows)])
    store.close()


def snapshot(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.iterdir() if not file.name.endswith((".lock", "-shm"))}


def refused(path: Path, wall: Hand, says: str) -> None:
    """Opening is refused with this sentence, and not a byte of the database and its log is changed."""
    before = snapshot(path.parent)
    with pytest.raises(StateError, match=says):
        Store.open(path, wall)
    after = snapshot(path.parent)
    assert {name: data for name, data in after.items() if data} == {n: d for n, d in before.items() if d}


@pytest.mark.parametrize("tear", ["header", "pages", "short", "text", "all"])
def test_a_torn_file_is_refused_and_left_alone(tmp_path: Path, wall: Hand, tear: str) -> None:
    """The message names the file and what to do: move it away. Nothing is repaired behind anybody's back."""
    path = tmp_path / "keeper.db"
    made(path, wall)
    data = bytearray(path.read_bytes())
    if tear == "header":
        data[:32] = os.urandom(32)
    elif tear == "pages":
        data[8192:-4096] = os.urandom(len(data) - 8192 - 4096)
    elif tear == "short":
        del data[len(data) // 2 :]
    elif tear == "all":
        data[:] = b"\x00" * len(data)
    else:
        data[:] = b"this is a diary, not a database\n" * 1000
    path.write_bytes(data)
    refused(path, wall, "[Mm]ove it away")


def test_a_file_torn_while_the_log_of_writes_is_still_there(tmp_path: Path, wall: Hand) -> None:
    """After a kill -9 the newest commits are in keeper.db-wal only: refusing must not mix them into the ruins."""
    path = tmp_path / "keeper.db"
    made(path, wall)
    store = Store.open(path, wall)
    store.commit({"a": "2"}, [], [], [], [])
    left = {name: (tmp_path / name).read_bytes() for name in ("keeper.db", "keeper.db-wal")}
    store.close()
    for name, whole in left.items():
        (tmp_path / name).write_bytes(whole)
    data = bytearray(left["keeper.db"])
    data[4096 * 8 :] = os.urandom(len(data) - 4096 * 8)
    path.write_bytes(data)
    refused(path, wall, "damaged")


def test_a_torn_value_is_found_when_it_is_read(tmp_path: Path, wall: Hand) -> None:
    """Pages in order, but a phase that does not exist: still a clear error."""
    path = tmp_path / "keeper.db"
    store = Store.open(path, wall)
    store.commit({}, [Alert("fork", "bp1")], [], [], [])
    store._db.execute("UPDATE alerts SET phase = 'sleeping'")
    with pytest.raises(StateError, match="damaged"):
        store.alerts()
    store.close()


def test_another_programs_database_is_refused(tmp_path: Path, wall: Hand) -> None:
    """Also one that has tables but no number of its own."""
    path = tmp_path / "keeper.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE songs (title)")
    db.commit()
    db.close()
    refused(path, wall, "another program")


def test_a_newer_database_is_refused(tmp_path: Path, wall: Hand) -> None:
    """A downgrade must not write into what it does not understand."""
    path = tmp_path / "keeper.db"
    made(path, wall, rows=1)
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    refused(path, wall, "a newer keeper .version 99")


def test_a_making_that_was_interrupted_is_made_again(tmp_path: Path, wall: Hand) -> None:
    """Killed at the very first start: an empty file, or one without tables, is a new database."""
    path = tmp_path / "keeper.db"
    path.touch()
    Store.open(path, wall).close()
    path.unlink()
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    store = Store.open(path, wall)
    assert store.commit({"a": "1"}, [], [], [], [])
    store.close()


@pytest.mark.parametrize("what", ["directory", "file", "parent"])
def test_what_cannot_be_written_is_refused(tmp_path: Path, what: str) -> None:
    """As an ordinary user (root may write everything): which place, and who has to be allowed."""
    require(os.geteuid() == 0, "only root can become another user")
    home = tmp_path / "state"
    home.mkdir()
    path = home / "keeper.db"
    made(path, Hand(), rows=1)
    for place in (*tmp_path.parents, tmp_path):
        if place.stat().st_mode & 0o007 != 0o007 and str(place).startswith("/tmp/"):
            place.chmod(0o755)
    home.chmod(0o755 if what == "directory" else 0o777)
    path.chmod(0o644 if what == "file" else 0o666)
    (home / "keeper.lock").chmod(0o666)
    target = tmp_path / "new" / "keeper.db" if what == "parent" else path
    tmp_path.chmod(0o755)
    code = f"""
from pathlib import Path
from keeper.errors import StateError
from keeper.runtime.store import Store
import os
os.setuid(65534)
try:
    Store.open(Path({str(target)!r}), lambda: 1.0)
except StateError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "writable" in run.stdout
    assert "state" in run.stdout


def test_a_file_where_the_directory_should_be(tmp_path: Path, wall: Hand) -> None:
    """Said as a sentence too."""
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="cannot be used"):
        Store.open(tmp_path / "state" / "keeper.db", wall)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system with room for 1 MiB."""
    require(os.geteuid() == 0, "mounting a small file system needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        [installed("mount"), "-t", "tmpfs", "-o", "size=1m,mode=700", "keeper-test", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    require(mounted.returncode == 0, f"mounting a tmpfs is not allowed here: {mounted.stderr}")
    yield place
    subprocess.run([installed("umount"), str(place)], check=True)


def fill(place: Path) -> Path:
    """Leave no room at all; returns the file to delete."""
    ballast = place / "ballast"
    with ballast.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"x" * 1024)
    return ballast


def test_a_full_disk_costs_nothing_that_was_saved(small_disk: Path, wall: Hand) -> None:
    """While the disk is full commits say False and everything waits in memory; then one commit stores it all, and the
    journal says for how long it could not be written."""
    path = small_disk / "keeper.db"
    store = Store.open(path, wall)
    store.commit({"a": "0"}, [], [Owed("hook", "old", "{}")], [], [])
    ballast = fill(small_disk)
    turn = 0
    while store.failing_since is None:
        turn += 1
        wall.time += 1
        taken = store.commit({"a": str(turn)}, [], [], [], [Entry(wall(), "k", "s", "x" * 1000)])
        assert taken is (store.failing_since is None)
    assert store.failing_since == wall.time
    assert "full" in store.last_error
    assert store.positions() == {"a": str(turn)}
    for more in range(1, 11):
        wall.time += 1
        alert = Alert("fork", "bp1", Phase.FIRING, wall(), wall(), incident=more)
        owed = [Owed("hook", f"new {more}", "{}")]
        assert not store.commit({"a": f"later {more}"}, [alert], owed, [], [Entry(wall(), "k", "s", f"later {more}")])
    assert not store.commit({}, [], [], [Receipt("hook", "old"), Receipt("hook", "new 3")], [])
    records = Store.read(path)
    assert records.positions() == {"a": str(turn - 1)}
    assert [one.key for one in records.outbox("hook")] == ["old"]
    records.close()
    assert store.positions() == {"a": "later 10"}, "a reload goes on where the commit was, not where the disk is"
    assert [alert.incident for alert in store.alerts()] == [10]
    assert [one.key for one in store.outbox("hook")] == [f"new {n}" for n in range(1, 11) if n != 3]
    ballast.unlink()
    assert not store.commit({}, [], [], [], []), "a disk that was full is asked once a second only"
    wall.time += 1
    assert store.commit({}, [], [], [], [])
    store.close()

    again = Store.open(path, wall)
    assert again.positions() == {"a": "later 10"}
    assert [alert.incident for alert in again.alerts()] == [10]
    assert [one.key for one in again.outbox("hook")] == [f"new {n}" for n in range(1, 11) if n != 3]
    *_, last, outage = again.history()
    assert last.text == "later 10"
    assert outage.text.startswith("the state database could not be written for 11 s: database or disk is full")
    assert len([entry for entry in again.history() if entry.text.startswith("later")]) == 10
    again.close()


def test_parcels_on_a_full_disk_wait_with_their_texts(small_disk: Path, wall: Hand) -> None:
    """What came and went meanwhile was never stored and need not be deleted; the rest is stored in one piece, whole."""
    path = small_disk / "keeper.db"
    store = Store.open(path, wall)

    def parcel(number: int, stand: Stand = Stand.OPEN) -> Parcel:
        return Parcel(number, number, "c", "Chat", 1.0, 1, 4096, stand)

    def put(*changes: Change) -> bool:
        wall.time += 1
        return store.commit({"stats/log": str(wall.time)}, [], [], [], [], changes)

    text = {number: bytes([number % 256]) * 4096 for number in range(1, 1000)}
    stored = 1
    assert put(Change("stats", 1, parcel(1), text[1]))
    ballast = fill(small_disk)
    while put(Change("stats", stored + 1, parcel(stored + 1), text[stored + 1])):
        stored += 1
    waiting, gone, last = stored + 1, stored + 2, stored + 3
    assert not put(Change("stats", gone, parcel(gone), text[gone]), Change("stats", last, parcel(last), text[last]))
    assert not put(Change("stats", gone, None), Change("stats", last, parcel(last, Stand.DUE)))
    assert not put(Change("stats", 1, None))
    expected = [parcel(n) for n in range(2, waiting + 1)] + [parcel(last, Stand.DUE)]
    assert store.parcels("stats") == expected
    records = Store.read(path)
    assert [one.number for one in records.parcels("stats")] == list(range(1, waiting))
    ballast.unlink()
    assert put()
    assert records.parcels("stats") == expected
    assert [records.parcel_text("stats", one.number) for one in expected] == [text[one.number] for one in expected]
    assert records.positions() == {"stats/log": str(wall.time)}
    records.close()
    store.close()


def test_a_start_on_a_full_disk(small_disk: Path, wall: Hand) -> None:
    """A watchdog that refuses to start because the node filled the disk is no watchdog: it reads what is stored, keeps
    the rest in memory, and writes when there is room."""
    path = small_disk / "keeper.db"
    made(path, wall, rows=10)
    ballast = fill(small_disk)
    store = Store.open(path, wall)
    assert store.positions() == {"a": "1"}
    assert not store.commit({"a": "2"}, [], [], [], [])
    assert store.positions() == {"a": "2"}
    assert store.silences_now() == []
    ballast.unlink()
    wall.time += 1
    assert store.commit({"b": "1"}, [], [], [], [])
    assert store.positions() == {"a": "2", "b": "1"}
    add_silence(path, Silence(0, 0.0, wall() + 60, "why", "who"), wall())
    assert len(store.silences_now()) == 1
    store.close()
    with pytest.raises(StateError, match=r"database|full|disk"):
        fill(small_disk)
        Store.open(small_disk / "new" / "keeper.db", wall)


def test_what_waits_in_memory_is_bounded(tmp_path: Path, wall: Hand) -> None:
    """A file that cannot be written for days: the newest 10,000 entries and notices stay, the others are counted."""
    path = tmp_path / "keeper.db"
    store = Store.open(path, wall)
    store._db.execute("PRAGMA query_only = 1")
    for n in range(150):
        entries = [Entry(wall(), "k", "s", f"{n} {m}") for m in range(100)]
        owed = [Owed("hook", f"{n} {m}", "{}") for m in range(100)]
        assert not store.commit({"a": str(n)}, [], owed, [], entries)
    assert (store.dropped_entries, store.dropped_owed) == (15_000 - MAX_ENTRIES, 15_000 - MAX_OWED)
    assert not store.commit({}, [], [], [Receipt("hook", f"{n} {m}") for n in range(150) for m in range(100)], [])
    store._db.execute("PRAGMA query_only = 0")
    wall.time += 1
    assert store.commit({}, [], [], [], [])
    history = store.history(limit=MAX_ENTRIES * 2)
    assert len(history) == MAX_ENTRIES + 1
    assert history[0].text == "50 0"
    assert history[-1].detail["dropped_entries"] == 5000
    assert store.outbox("hook") == []
    store.close()


def test_a_writer_that_hangs_holds_keeper_up_for_a_moment_only(tmp_path: Path, wall: Hand) -> None:
    """Somebody stopped a `keeper silence` in the middle: the commit gives up soon, and is made up for later."""
    path = tmp_path / "keeper.db"
    store = Store.open(path, wall)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert not store.commit({"a": "1"}, [], [], [], [])
    assert "locked" in store.last_error
    other.execute("ROLLBACK")
    wall.time += 1
    assert store.commit({}, [], [], [], [])
    assert store.positions() == {"a": "1"}
    store.close()


CHILD = """
import itertools, sys
from pathlib import Path
from keeper.core.alert import Alert, Phase
from keeper.core.notice import Owed, Receipt
from keeper.runtime.records import Entry
from keeper.runtime.store import Store
store = Store.open(Path(sys.argv[1]), lambda: 1.0)
first = int(store.positions().get("log", "0"))
print(first, flush=True)
for n in itertools.count(first + 1):
    done = [Receipt("hook", str(n - 50))]
    alert = Alert("fork", "bp1", Phase.FIRING, float(n), float(n), incident=n)
    owed, entry = Owed("hook", str(n), "x" * 500), Entry(1.0, "k", "s", str(n))
    assert store.commit({"log": str(n)}, [alert], [owed], done, [entry])
"""


def test_a_kill_leaves_all_of_a_commit_or_nothing(tmp_path: Path, wall: Hand, seed: int) -> None:
    """Killed with SIGKILL at random moments between and in commits: position, alert, outbox and journal agree."""
    chance = random.Random(seed)
    path = tmp_path / "keeper.db"
    reached = 0
    for _ in range(12):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert int(child.stdout.readline()) >= reached
        before = reached
        goal = before + chance.randrange(1, 300)
        records = eventually(lambda: Store.read(path), "the database to be there")
        while int(records.positions().get("log", "0")) < goal:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        records.close()
        store = Store.open(path, wall)
        reached = int(store.positions()["log"])
        assert reached >= goal
        assert [alert.incident for alert in store.alerts()] == [reached]
        assert [one.key for one in store.outbox("hook")] == [str(n) for n in range(max(1, reached - 49), reached + 1)]
        assert [entry.text for entry in store.history(limit=10**6)] == [str(n) for n in range(1, reached + 1)]
        store.close()
