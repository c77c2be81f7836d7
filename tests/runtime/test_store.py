"""The state database while all is well."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.alert import Alert, Phase
from keeper.core.notice import Owed, Receipt
from keeper.core.silence import Silence
from keeper.errors import StateError
from keeper.runtime.checkpoint import keep_short
from keeper.runtime.records import Entry
from keeper.runtime.silences import add_silence, end_silence
from keeper.runtime.store import JOURNAL_ENTRIES, MAX_DETAIL, MAX_TEXT, Store

NOW = 1_700_000_000.0
FIRING = Alert(
    "head_stalled", "bp1", Phase.FIRING, NOW, NOW - 10, None, None, NOW + 5, "head stands", 12.0, None, None, 3
)


def wall() -> float:
    return NOW


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "keeper.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path, wall)
    yield opened
    opened.close()


def test_everything_outlives_a_restart(path: Path, store: Store) -> None:
    """What one commit stored is what the next keeper reads."""
    pending = Alert("fork", "bp1", Phase.PENDING, NOW, cause="http_down", held="caused by http_down", counts_from=NOW)
    owed = [Owed("am", "k1", "{}"), Owed("hook", "k1", "{}"), Owed("am", "k2", '{"a": 1}')]
    entry = Entry(NOW, "alert", "bp1", "head_stalled fires", {"number": 12.0, "list": [1, None]})
    assert store.commit({"bp1/log": '{"offset": 7}'}, [FIRING, pending], owed, [], [entry])
    store.close()
    again = Store.open(path, wall)
    assert again.positions() == {"bp1/log": '{"offset": 7}'}
    assert again.alerts() == [pending, FIRING]
    assert again.outbox("am") == [owed[0], owed[2]]
    assert again.targets() == ["am", "hook"]
    assert again.history() == [Entry(NOW, "alert", "bp1", "head_stalled fires", entry.detail, id=1)]
    assert again.last_seen() == NOW
    again.close()


def test_a_new_database_is_empty(store: Store) -> None:
    """Nothing is remembered, and that is not an error."""
    assert (store.positions(), store.alerts(), store.targets(), store.history(), store.last_seen()) == (
        {},
        [],
        [],
        [],
        None,
    )


def test_nobody_else_reads_it(path: Path, store: Store) -> None:
    """Reasons and positions are nobody's business: directory 0700 if made, every file 0600."""
    store.commit({"a": "1"}, [], [], [], [])
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("keeper.db", "keeper.db-wal", "keeper.db-shm", "keeper.lock"), 0o600)


def test_the_newest_of_each_wins(store: Store) -> None:
    """Positions and alerts are replaced by key; an owed notice that is there already is not doubled."""
    store.commit({"a": "1", "b": "1"}, [FIRING], [Owed("am", "k", "{}")], [], [])
    store.commit({"a": "2"}, [Alert("head_stalled", "bp1")], [Owed("am", "k", "{}")], [], [])
    assert store.positions() == {"a": "2", "b": "1"}
    assert store.alerts() == [Alert("head_stalled", "bp1")]
    assert store.outbox("am") == [Owed("am", "k", "{}")]


def test_what_was_delivered_is_gone(store: Store) -> None:
    """A receipt deletes one notice of one target, also in the commit that brought it."""
    store.commit({}, [], [Owed("am", "k", "{}"), Owed("hook", "k", "{}")], [], [])
    store.commit({}, [], [Owed("am", "l", "{}")], [Receipt("am", "k"), Receipt("am", "l")], [])
    assert store.outbox("am") == []
    assert store.outbox("hook") == [Owed("hook", "k", "{}")]


def test_targets_no_longer_configured_are_owed_nothing(store: Store) -> None:
    """They would keep their notices for ever; how many is returned, for the journal."""
    store.commit({}, [], [Owed("am", "k", "{}"), Owed("gone", "k", "{}"), Owed("gone", "l", "{}")], [], [])
    assert store.forget_targets({"am"}) == {"gone": 2}
    assert store.targets() == ["am"]


def test_history_is_chosen_and_in_order(store: Store) -> None:
    """The newest that fit the question, told oldest first."""
    store.commit(
        {}, [], [], [], [Entry(NOW + n, ("alert", "source")[n % 2], f"bp{n % 3}", f"line {n}") for n in range(30)]
    )
    assert [entry.text for entry in store.history(limit=2)] == ["line 28", "line 29"]
    assert [entry.text for entry in store.history(kinds=("alert",), subject="bp0", limit=2)] == ["line 18", "line 24"]
    assert [entry.text for entry in store.history(since=NOW + 3, until=NOW + 5)] == ["line 3", "line 4"]
    assert len(store.history(kinds=("alert", "source"))) == 30


def test_the_journal_is_bounded(store: Store, path: Path) -> None:
    """The newest 100,000 entries stay; the file stops growing."""
    for begin in range(0, JOURNAL_ENTRIES + 4000, 4000):
        store.commit({}, [], [], [], [Entry(NOW, "k", "s", str(n)) for n in range(begin, begin + 4000)])
    kept = store.history(limit=2 * JOURNAL_ENTRIES)
    assert [kept[0].text, kept[-1].text] == ["4000", str(JOURNAL_ENTRIES + 3999)]
    assert len(kept) == JOURNAL_ENTRIES
    store.commit({}, [], [], [], [Entry(NOW, "k", "s", "one more")])
    assert store.history(limit=2 * JOURNAL_ENTRIES)[0].text == "4001"


def test_long_texts_are_cut(store: Store) -> None:
    """One entry cannot fill the database; a detail that is too long says how long it was."""
    store.commit({}, [], [], [], [Entry(NOW, "k", "s", "x" * 10**6, {"lines": "y" * 10**6})])
    (entry,) = store.history()
    assert len(entry.text) == MAX_TEXT
    assert entry.detail["cut"] > MAX_DETAIL


@given(st.text(), st.text(), st.none() | st.floats(allow_nan=False), st.sampled_from(Phase))
def test_any_text_can_be_stored(tmp_path_factory: pytest.TempPathFactory, a: str, b: str, n: float, p: Phase) -> None:
    """NUL, surrogates, quotes: what cannot be kept is replaced, nothing raises."""
    path = tmp_path_factory.mktemp("any") / "keeper.db"
    store = Store.open(path, wall)
    alert = Alert("r", a, p, 1.0, reason=b, number=n, cause=a, held=b)
    store.commit({a: b}, [alert], [Owed("t", a, b)], [], [Entry(1.0, a, b, a, {a: b})])
    clean = a.encode("utf-8", "replace").decode()
    assert store.failing_since is None
    assert list(store.positions()) == [clean]
    assert [found.subject for found in store.alerts()] == [clean]
    store.commit({}, [], [], [Receipt("t", a)], [])
    assert store.outbox("t") == []
    store.close()


def test_a_second_keeper_is_refused_by_name(path: Path, store: Store) -> None:
    """One keeper a state directory; the message names the process that has it. When it is gone, the next may."""
    with pytest.raises(StateError, match=r"in use by another keeper \(pid \d+\)"):
        Store.open(path, wall)
    store.commit({"a": "1"}, [], [], [], [])
    store.close()
    again = Store.open(path, wall)
    assert again.positions() == {"a": "1"}
    again.close()


def test_reading_beside_a_running_keeper(path: Path, store: Store) -> None:
    """A reader sees each commit at once, holds none up, and cannot write."""
    store.commit({"a": "1"}, [FIRING], [], [], [])
    records = Store.read(path)
    assert records.positions() == {"a": "1"}
    store.commit({"a": "2"}, [], [], [], [])
    assert records.positions() == {"a": "2"}
    assert records.alerts() == [FIRING]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        records._db.execute("DELETE FROM positions")
    records.close()


def test_reading_after_keeper_ended(path: Path, store: Store) -> None:
    """`keeper history` works on a stopped keeper's database too."""
    store.commit({}, [], [], [], [Entry(NOW, "k", "s", "the end")])
    store.close()
    records = Store.read(path)
    assert [entry.text for entry in records.history()] == ["the end"]
    records.close()


def test_reading_where_no_keeper_ran(tmp_path: Path) -> None:
    """A sentence, not an empty database."""
    with pytest.raises(StateError, match="no keeper has run"):
        Store.read(tmp_path / "keeper.db")
    assert list(tmp_path.iterdir()) == []


def test_a_silence_is_seen_by_the_running_keeper(path: Path, store: Store) -> None:
    """Another process adds and ends it; keeper reads the table only when something was written."""
    assert store.silences_now() == []
    number = add_silence(path, Silence(0, NOW, NOW + 3600, "new \udcff disks", "anna", subject="bp1"), NOW)
    assert store.silences_now() == [Silence(number, NOW, NOW + 3600, "new ? disks", "anna", None, "bp1")]
    assert store.silences_now() is store.silences_now()
    assert end_silence(path, number, NOW)
    assert not end_silence(path, number, NOW)
    assert store.silences_now() == []
    assert [(entry.kind, entry.text) for entry in store.history()] == [
        ("silence", "silence for every rule on bp1: new ? disks"),
        ("silence", f"silence {number} ended"),
    ]


def test_silences_are_bounded_and_forgotten(path: Path, store: Store) -> None:
    """A thousand at a time; a month after its end a silence is deleted."""
    old = add_silence(path, Silence(0, NOW, NOW + 1, "old", "ben"), NOW)
    later = NOW + 40 * 86400
    for n in range(1000):
        add_silence(path, Silence(0, later, later + 60, f"no. {n}", "ben"), later)
    with pytest.raises(StateError, match="1000 silences already"):
        add_silence(path, Silence(0, later, later + 60, "one more", "ben"), later)
    numbers = [silence.id for silence in store.silences_at(0.0)]
    assert old not in numbers
    assert len(numbers) == 1000


def test_silences_and_commits_do_not_lose_each_other(path: Path, store: Store) -> None:
    """Two writers at once: each waits its turn."""

    def silence() -> None:
        for n in range(50):
            add_silence(path, Silence(0, NOW, NOW + 60, f"no. {n}", "ben"), NOW)

    other = threading.Thread(target=silence)
    other.start()
    count = 0
    while other.is_alive() or count < 50:
        count += 1
        store.commit({"a": str(count)}, [], [], [], [])
    other.join()
    store.commit({"b": "1"}, [], [], [], [])
    assert store.positions() == {"a": str(count), "b": "1"} or store.failing_since is not None
    assert len(store.silences_now()) == 50


def test_the_log_of_writes_is_kept_short(path: Path, store: Store) -> None:
    """A checkpoint beside the loop moves the commits into the database, so that the log begins anew."""
    for n in range(200):
        store.commit({"a": "x" * 5000 + str(n)}, [], [], [], [])
    wal = path.with_name("keeper.db-wal")
    before = wal.stat().st_size
    turns = iter([False, True])
    keep_short(path, lambda _: next(turns))
    for n in range(200):
        store.commit({"a": "x" * 5000 + str(n)}, [], [], [], [])
    assert wal.stat().st_size == before
    assert store.positions()["a"].endswith("199")
