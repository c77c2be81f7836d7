"""kill -9 at any moment, and several workers at once: each packet is there once, and all of a batch or nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

from keeper.receiver.packet import Packet
from keeper.receiver.settings import FILES
from keeper.receiver.stores.store import Stored
from tests.receiver.stores.build import Place, packet, said
from tests.receiver.stores.nursery import Nursery, batch, nursery

KILLS = 15


def names(place: Place) -> Counter[str]:
    """How often each event is there."""
    with closing(place.reader()) as reader:
        return Counter(name_of(row.fields) for row in reader.rows(-1e18, 1e18))


def names_of(packets: Iterable[Packet]) -> set[str]:
    return {name_of(event.fields) for one in packets for event in one.events}


def name_of(fields: str | bytes) -> str:
    return json.dumps(json.loads(fields), sort_keys=True)


def killed(workers: Nursery, seed: int, first: int, chance: random.Random) -> tuple[int, int]:
    """The last batches that a worker stored, and was about to store, when it was killed."""
    pid = workers.start(seed, first)
    stored, trying = first - 1, first - 1
    moment = chance.randrange(1, 12)
    dead = threading.Event()
    word = workers.word()
    while word:
        if word[0] == "?":
            trying = int(word[1:])
        else:
            stored = int(word[1:])
        moment -= 1
        if moment == 0:
            dead.wait(chance.choice([0, 0.0005, 0.002, 0.005]))  # anywhere in a batch
            os.kill(pid, signal.SIGKILL)
        word = workers.word()
    return stored, trying


def test_killed_at_random_moments(place: Place, seed: int) -> None:
    """Fifteen times on one store: what was stored is there, and of what a worker was at, all or nothing. When it is all
    sent again each event is there once."""
    chance = random.Random(seed)
    seed %= 1 << 20
    first = 0
    with nursery(place) as workers:
        for _ in range(KILLS):
            stored, trying = killed(workers, seed, first, chance)
            with closing(place.store()) as store:
                for number in range(first, trying + 1):
                    packets = batch(seed, number)
                    again = store.store(packets)
                    assert again.repeated == len(packets) or (number > stored and again.fresh > 0)
                    assert again.fresh + again.repeated == len(packets)
                    if again.fresh:  # nothing of it was there
                        assert again.fresh == len({(p.source, p.content) for p in packets})
            first = trying + 1
    assert first > 0
    events = [name for number in range(first) for name in sorted(names_of(batch(seed, number)))]
    assert names(place) == Counter(events)
    if place.kind == FILES:
        lines = [line for path in Path(place.where).glob("*.dat") for line in path.read_text().splitlines()]
        assert len(lines) == len(events)


def test_three_processes_store_the_same(place: Place, seed: int) -> None:
    """Batch by batch at the same time, and killed when they have stored twelve each: every event is there once."""
    seed %= 1 << 20
    with ExitStack() as running:
        workers = [running.enter_context(nursery(place)) for _ in range(3)]
        pids = [worker.start(seed, 0) for worker in workers]
        for worker in workers:
            while worker.word() != "+11":
                pass
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    there = names(place)
    assert set(there.values()) == {1}
    assert {name for n in range(12) for name in names_of(batch(seed, n))} <= set(there)


def test_three_workers_in_different_orders(place: Place) -> None:
    """Together they store each packet once. Packets that come with an id here and without there are one, too."""
    named = [said(n, {"n": n}) for n in range(1500)]
    bare = [one._replace(id=None) for one in named[:700]]
    place.store().close()

    def work(order: int) -> list[Stored]:
        packets = [*named, *bare, *(packet(n, f"{order}", source=f"own{order}") for n in range(50))]
        random.Random(order).shuffle(packets)
        with closing(place.store()) as store:
            return [store.store(packets[start : start + 170]) for start in range(0, len(packets), 170)]

    with ThreadPoolExecutor(3) as pool:
        results = [one for found in pool.map(work, range(3)) for one in found]
    assert sum(one.fresh for one in results) == len(named) + 150
    assert sum(one.repeated for one in results) == 2 * len(named) + 3 * len(bare)
    assert [name for one in results for name in one.returned] == []
    with closing(place.reader()) as reader:
        rows = [(row.source, row.id) for row in reader.rows(-1e18, 1e18)]
        assert sorted(id for source, id in rows if source == "s" and id is not None) == list(range(1500))
        assert len(rows) == len(named) + 150
        assert sum(count.packets for count in reader.counts(0, 1e12)) == len(named) + 150
