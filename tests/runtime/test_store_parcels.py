"""What has not arrived of an agent, in the state database: with the position behind it, or not at all."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.core.event import PacketAnswered, PacketSent
from keeper.delivery.arrears import Arrears, Terms
from keeper.delivery.parcel import Change, Parcel, Stand
from keeper.runtime.pending import Pending
from keeper.runtime.store import Store
from tests.peers.ask import eventually
from tests.runtime.test_store_faults import Hand

TERMS = Terms(answer_within=60.0, packets=20)


def parcel(number: int, **more: object) -> Parcel:
    made = Parcel(number, 1000 + number, f"{number:032x}", "Chat", 1.5 * number, 3, 9)
    return made._replace(**more)  # type: ignore[arg-type]


def opened(path: Path) -> Store:
    return Store.open(path / "keeper.db", Hand())


def put(store: Store, *changes: Change, position: str = "1") -> bool:
    return store.commit({"stats/log": position}, [], [], [], [], changes)


def test_everything_of_a_parcel_outlives_a_restart(tmp_path: Path) -> None:
    """Each field and the bytes of its text, also those that are no text; one agent's are not another's."""
    one = parcel(1)
    two = parcel(
        2, stand=Stand.HELD, outcome="unknown", code=599, why="no\nanswer \udcff", tries=4, id=10**18 - 1, at=1.7e9
    )
    text = bytes(range(256))
    store = opened(tmp_path)
    assert put(store, Change("stats", 1, one, b""), Change("stats", 2, two, text), Change("other", 1, one, b"other"))
    store.close()
    again = opened(tmp_path)
    assert again.parcels("stats") == [one, two._replace(why="no\nanswer ?")]
    assert (again.parcel_text("stats", 1), again.parcel_text("stats", 2)) == (b"", text)
    assert again.parcel_text("other", 1) == b"other"
    assert again.parcels("nobody") == []
    assert again.parcel_text("stats", 3) is None
    again.close()


def test_a_change_leaves_the_text_and_an_end_takes_it_away(tmp_path: Path) -> None:
    """Texts are written once."""
    store = opened(tmp_path)
    put(store, Change("stats", 1, parcel(1), b"[1]"), Change("stats", 2, parcel(2), b"[2]"))
    due = parcel(1, stand=Stand.DUE, outcome="rejected", code=500, why="w", tries=2)
    put(store, Change("stats", 1, due), Change("stats", 2, None))
    assert store.parcels("stats") == [due]
    assert (store.parcel_text("stats", 1), store.parcel_text("stats", 2)) == (b"[1]", None)
    put(store, Change("stats", 2, parcel(2, key="Again"), b"[again]"))
    assert store.parcels("stats") == [due, parcel(2, key="Again")]
    store.close()


def test_another_process_reads_it_beside_the_keeper(tmp_path: Path) -> None:
    """`keeper undelivered`, and a run's own thread, see what was committed, at once, and hold nothing up."""
    store = opened(tmp_path)
    put(store, Change("stats", 1, parcel(1), b"[1]"))
    beside = Store.read(store.path)
    assert (beside.parcels("stats"), beside.parcel_text("stats", 1)) == ([parcel(1)], b"[1]")
    put(store, Change("stats", 1, None), Change("stats", 2, parcel(2), b"[2]"))
    assert (beside.parcels("stats"), beside.parcel_text("stats", 1)) == ([parcel(2)], None)
    beside.close()
    store.close()


@pytest.mark.parametrize(
    ("changes", "waits"),
    [
        ([(1, "new"), (1, "due")], {1: (Stand.DUE, b"[1]")}),
        ([(1, "new"), (1, "gone")], {}),
        ([(1, "due")], {1: (Stand.DUE, None)}),
        ([(1, "due"), (1, "gone")], {1: (None, None)}),
        ([(1, "gone"), (1, "new")], {1: (Stand.OPEN, b"[1]")}),
        ([(1, "gone"), (1, "new"), (1, "gone")], {1: (None, None)}),
        ([(1, "new"), (2, "new"), (1, "gone"), (2, "due")], {2: (Stand.DUE, b"[2]")}),
    ],
)
def test_what_waits_for_the_disk(
    changes: list[tuple[int, str]], waits: dict[int, tuple[Stand | None, bytes | None]]
) -> None:
    """The newest of each with its text; what was never stored is forgotten, what may be stored is to be deleted."""
    pending = Pending()
    for number, what in changes:
        made = {"new": parcel(number), "due": parcel(number, stand=Stand.DUE), "gone": None}[what]
        text = b"[%d]" % number if what == "new" else None
        pending.add({}, [], [], [], [], [Change("stats", number, made, text)])
    found = {c.number: (None if c.parcel is None else c.parcel.stand, c.data) for c in pending.parcels.values()}
    assert found == waits
    pending.clear()
    assert not pending


def test_whenever_the_disk_is_full_nothing_is_lost(tmp_path: Path, seed: int) -> None:
    """Random traffic, a database that now and then cannot be written, restarts and reloads: what is owed is what the
    store says, before it is written and after, and texts are whole."""
    chance = random.Random(seed)
    wall = Hand()
    store = Store.open(tmp_path / "keeper.db", wall)
    arrears = Arrears("stats", TERMS)
    texts: dict[str, bytes] = {}
    for turn in range(600):
        wall.time += 1
        for _ in range(chance.randrange(4)):
            id = chance.randrange(1, 30)
            if chance.random() < 0.6:
                data = chance.randbytes(chance.randrange(1, 40))
                arrears.sent(PacketSent(wall.time, id, "Chat", 0, len(data), 1), data)
                texts |= {parcel.content: data for parcel in arrears if parcel.content not in texts}
            else:
                arrears.answered(PacketAnswered(wall.time, id, "Chat", chance.choice([200, 200, 500, 599]), None))
        store._db.execute(f"PRAGMA query_only = {int(chance.random() < 0.3)}")
        well = store.commit({"stats/log": str(turn)}, [], [], [], [], arrears.changes())
        assert store.parcels("stats") == list(arrears)
        if chance.random() < 0.1:  # the agent leaves the configuration and comes back: numbers may be used again
            arrears = Arrears("stats", TERMS, store.parcels("stats"))
        if well:
            beside = Store.read(store.path)
            assert beside.positions() == {"stats/log": str(turn)}
            assert beside.parcels("stats") == store.parcels("stats")
            assert all(beside.parcel_text("stats", p.number) == texts[p.content] for p in beside.parcels("stats"))
            beside.close()
            if chance.random() < 0.1:
                store.close()
                store = Store.open(tmp_path / "keeper.db", wall)
                arrears = Arrears("stats", TERMS, store.parcels("stats"))
    store.close()


CHILD = """
import itertools, sys
from pathlib import Path
from keeper.delivery.parcel import Change, Parcel
from keeper.runtime.store import Store
store = Store.open(Path(sys.argv[1]), lambda: 1.7e9)
last = int(store.positions().get("log", "0"))
print(last, flush=True)
for n in itertools.count(last + 1):
    new = Change("stats", n, Parcel(n, n, "c", "Chat", 1.0 * n, 1, 1000), b"%d " % n * 200)
    gone = [Change("stats", n - 50, None)] if n > 50 else []
    assert store.commit({"log": str(n)}, [], [], [], [], [new, *gone])
"""


def test_a_kill_leaves_parcels_and_position_together(tmp_path: Path, seed: int) -> None:
    """Killed with SIGKILL at random moments between and in commits: the position tells exactly which are there."""
    chance = random.Random(seed)
    path = tmp_path / "keeper.db"
    reached = 0
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert int(child.stdout.readline()) >= reached
        goal = reached + chance.randrange(1, 200)
        records = eventually(lambda: Store.read(path), "the database to be there")
        while int(records.positions().get("log", "0")) < goal:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        records.close()
        store = Store.open(path, Hand())
        reached = int(store.positions()["log"])
        numbers = list(range(max(1, reached - 49), reached + 1))
        assert [parcel.number for parcel in store.parcels("stats")] == numbers
        assert all(store.parcel_text("stats", n) == b"%d " % n * 200 for n in numbers)
        store.close()
