"""Plain files: what is in them, what they are called, and that each line is there once."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.receiver.packet import Poison, canonical
from keeper.receiver.settings import FILES
from keeper.receiver.stores import files, files_folder
from keeper.receiver.stores.files_lines import fields_of, file_name, line_of
from keeper.receiver.stores.store import Reader, Store, StoreError
from tests.receiver.stores.build import AT, Place, line, packet, said

DAY = "2026-09-21"  # of AT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def place(folder: Path) -> Place:
    return Place(FILES, str(folder))


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.store()) as opened:
        yield opened


@pytest.fixture
def reader(place: Place) -> Iterator[Reader]:
    with closing(place.reader()) as opened:
        yield opened


def data(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.dat*"))}


def test_lines_and_events(folder: Path, store: Store, reader: Reader) -> None:
    """DATA of lines as it came, events of other packets as JSON in the file of their type and day (UTC); rows give both
    back as they were."""
    packets = [
        line("game", "2026-11-26", "one two  three "),
        line("game", "2026-11-27", ""),
        line("game", "2026-11-26", "tab\tand \udcff\udc80 \0 and Ж\r"),
        packet(7, "x", events=[(AT, {"n": 1}), (AT + 86_400, {"n": 2}), (None, {"n": 3})]),
        packet(None, "y", type="Chat", events=[(AT, {"date": "2026-11-26", "data": 5})]),
    ]
    store.store(packets)
    store.store(packets)
    at = '"time":1790000000.25,"source":"s","id":'
    assert data(folder) == {
        "game_2026-11-26.dat": b"one two  three \ntab\tand \xff\x80 \0 and \xd0\x96\r\n",
        "game_2026-11-27.dat": b"\n",
        f"LoginUsers_{DAY}.dat": f'{{{at}7,"fields":{{"n":1}}}}\n{{{at}7,"fields":{{"n":3}}}}\n'.encode(),
        "LoginUsers_2026-09-22.dat": b'{"time":1790086400.25,"source":"s","id":7,"fields":{"n":2}}\n',
        f"Chat_{DAY}.dat": f'{{{at}null,"fields":{{"data":5,"date":"2026-11-26"}}}}\n'.encode(),
    }
    rows = [row.fields.encode() for row in reader.rows(0, 1e12)]
    assert sorted(rows) == sorted(event.fields for one in packets for event in one.events)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("game", "game"),
        ("a_b-c.d", "a_b-c.d"),
        ("../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"),
        ("/etc/passwd", "%2Fetc%2Fpasswd"),
        (".", "%2E"),
        ("..", "%2E."),
        ("Чат", "%D0%A7%D0%B0%D1%82"),
        ("a b%\\\x7f", "a%20b%25%5C%7F"),
        ("x" * 180, "x" * 180),
    ],
)
def test_names(type: str, name: str) -> None:
    """No type leads out of the folder, and each leads to a file of its own that says which it was."""
    assert file_name(type, DAY) == f"{name}_{DAY}.dat"


@given(st.lists(st.text(min_size=1, max_size=200), min_size=2, max_size=2, unique=True))
def test_any_two_types_have_two_files(types: list[str]) -> None:
    """Whatever their characters are; names fit into a folder, are visible, and stay in it."""
    names = []
    for type in types:
        if all(not "\ud800" <= c <= "\udfff" for c in type):
            names.append(file_name(type, DAY))
            assert "/" not in names[-1]
            assert "\0" not in names[-1]
            assert not names[-1].startswith(".")
            assert len(f"{names[-1]}.999999".encode()) < 256
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("date", ["../../../x", "2026-11-2", "2026/11/26", "\uff12026-11-26", "2026-11-26\n", "a" * 10])
def test_dates_that_are_none(folder: Path, store: Store, date: str) -> None:
    """They are never part of a name: such a packet is an event like others."""
    store.store([said(1, {"data": "x", "date": date}, type="game")])
    assert [*data(folder)] == [f"game_{DAY}.dat"]
    [written] = data(folder).values()
    assert json.loads(written)["fields"] == {"data": "x", "date": date}


@given(
    st.text(st.characters(), max_size=50) | st.binary(max_size=30).map(lambda b: b.decode("utf-8", "surrogateescape"))
)
def test_any_data(text: str) -> None:
    """It is one line of the file, and leads back to the fields that came."""
    one = line("game", "2026-11-26", text)
    written = line_of(one, None, one.events[0].fields)
    whole = written.before + written.body + written.after
    assert whole.count(b"\n") == 1
    assert whole.endswith(b"\n")
    back = fields_of(written.name, written.body, written.raw)
    assert back.encode() == one.events[0].fields == canonical({"data": text, "date": "2026-11-26"})


def test_fields_that_are_no_line(store: Store) -> None:
    """A newline in what should be JSON of one line is poison: it would be two lines of the file."""
    with pytest.raises(Poison, match="not of one line"):
        store.store([packet(1)._replace(events=[packet(1).events[0]._replace(fields=b'{"a":\n1}')])])


def test_rotated(folder: Path, reader: Reader) -> None:
    """A file that is long enough gets a number, nothing is removed, and rows find everything where it is now."""
    with closing(files.open_store(folder, rotate_at=100)) as store:
        for n in range(7):
            store.store([line("game", "2026-11-26", f"{n} " + "x" * 48)])
    assert {name: text.count(b"\n") for name, text in data(folder).items()} == {
        "game_2026-11-26.dat": 1,
        "game_2026-11-26.dat.1": 2,
        "game_2026-11-26.dat.2": 2,
        "game_2026-11-26.dat.3": 2,
    }
    assert [json.loads(row.fields)["data"][0] for row in reader.rows(0, 1e12)] == list("0123456")


@pytest.mark.parametrize("renamed", [False, True], ids=["before it was renamed", "after it was renamed"])
def test_killed_while_rotating(folder: Path, reader: Reader, renamed: bool) -> None:
    """The next worker does what was meant."""
    with closing(files.open_store(folder, rotate_at=50)) as store:
        store.store([line("game", "2026-11-26", "0 " + "x" * 60)])
        with store._database.transaction() as db:  # as a worker does before it is killed
            store._folder.prepare(db, ["game_2026-11-26.dat"])
    if renamed:
        (folder / "game_2026-11-26.dat").rename(folder / "game_2026-11-26.dat.1")
    with closing(files.open_store(folder, rotate_at=50)) as store:
        store.store([line("game", "2026-11-26", "1")])
    assert {name: text[:1] for name, text in data(folder).items()} == {
        "game_2026-11-26.dat": b"1",
        "game_2026-11-26.dat.1": b"0",
    }
    assert [json.loads(row.fields)["data"][0] for row in reader.rows(0, 1e12)] == ["0", "1"]


def test_two_workers_rotate(folder: Path) -> None:
    """A worker writes into the file that has the name now, not into the one it opened."""
    with closing(files.open_store(folder, rotate_at=100)) as one, closing(files.open_store(folder, 100)) as two:
        for n in range(20):
            for store in (one, two):
                store.store([line("game", "2026-11-26", f"{n} {id(store)}")])
    assert sum(text.count(b"\n") for text in data(folder).values()) == 40
    assert all(len(text) < 200 for text in data(folder).values())


def test_what_is_not_committed_is_cut_off(folder: Path, place: Place) -> None:
    """Half a batch that a killed worker left goes when the store is opened, or before the next line."""
    path = folder / "game_2026-11-26.dat"
    with closing(place.store()) as store:
        store.store([line("game", "2026-11-26", "one")])
        with path.open("ab") as file:
            file.write(b"torn off her")
        store.store([line("game", "2026-11-26", "two")])
        assert path.read_bytes() == b"one\ntwo\n"
        with path.open("ab") as file:
            file.write(b"torn off her")
    with closing(place.store()):
        assert path.read_bytes() == b"one\ntwo\n"


def test_files_of_an_older_server(folder: Path, store: Store, reader: Reader) -> None:
    """They are gone on with, not replaced, and those it rotated keep their names."""
    (folder / "game_2026-11-26.dat").write_text("old\n")
    (folder / "game_2026-11-26.dat.1").write_text("older\n")
    with closing(files.open_store(folder, rotate_at=6)) as small:
        small.store([line("game", "2026-11-26", "new")])
        small.store([line("game", "2026-11-26", "newer")])
    assert data(folder) == {
        "game_2026-11-26.dat": b"newer\n",
        "game_2026-11-26.dat.1": b"older\n",
        "game_2026-11-26.dat.2": b"old\nnew\n",
    }
    assert [json.loads(row.fields)["data"] for row in reader.rows(0, 1e12)] == ["new", "newer"]


def test_taken_away(folder: Path, store: Store, reader: Reader) -> None:
    """Files may be moved or removed while keeper runs: their packets are still known, and a new file begins."""
    store.store([line("game", "2026-11-26", "one"), line("game", "2026-11-26", "two")])
    (folder / "game_2026-11-26.dat").unlink()
    stored = store.store([line("game", "2026-11-26", "two"), line("game", "2026-11-26", "three")])
    assert (stored.fresh, stored.repeated) == (1, 1)
    assert data(folder) == {"game_2026-11-26.dat": b"three\n"}
    assert [json.loads(row.fields)["data"] for row in reader.rows(0, 1e12)] == ["three"]
    assert sum(count.packets for count in reader.counts(0, 1e12)) == 3


def test_a_link_is_not_followed(folder: Path, store: Store, tmp_path: Path) -> None:
    """Whoever can write into the folder cannot have keeper write elsewhere."""
    (tmp_path / "elsewhere").touch()
    (folder / "game_2026-11-26.dat").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        store.store([line("game", "2026-11-26", "one")])
    assert (tmp_path / "elsewhere").read_bytes() == b""


def open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_open_files_are_few(folder: Path, store: Store) -> None:
    """However many files there are, in one batch and over batches, and none is left open."""
    before = open_files()
    for year in range(1900, 1904):
        store.store([line("game", f"{year}-{n:02}-01", "x") for n in range(100)])
        assert open_files() <= before + files_folder.OPEN_FILES
    assert len(data(folder)) == 400
    store.close()
    assert open_files() < before
