"""A worker: real records in memory, a real SQLite store or one that refuses, real dead letters."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from keeper.errors import SourceError
from keeper.receiver.dead_letters import DeadLetters
from keeper.receiver.packet import Event, Packet, Poison, Said, pack, packet_of
from keeper.receiver.queues.queue import Batch
from keeper.receiver.report import Report, read_report
from keeper.receiver.stores import sqlite
from keeper.receiver.stores.store import Store, Stored, StoreError
from keeper.receiver.worker import Worker


def packet(id: int | None, kind: str = "Login") -> Packet:
    said = Said(kind, [Event(None, b'{"n":%d}' % (id or 0)), Event(5.0, b'{"n":-1}')])
    return packet_of(said, "stats", id, 1_795_600_000.0)


class Records:
    """An intake of records that are there at once; `done` refuses as often as `refusals` says. What it refused it
    refuses for ever, as beanstalkd does over another connection: it must be taken again."""

    def __init__(self, *records: bytes, refusals: int = 0) -> None:
        self.left = list(records)
        self.taken = 0
        self.refusals = refusals
        self.batches = 0
        self.refused: set[int] = set()
        self.closed = False

    def take(self, most: int, most_bytes: int, wait: float) -> Batch | None:
        records = self.left[:most]
        self.taken = len(records)
        self.batches += 1
        return Batch(records, self.batches) if records else None

    def done(self, batch: Batch) -> None:
        if self.refusals:
            self.refusals -= 1
            self.refused.add(batch.token)
        if batch.token in self.refused:
            raise SourceError("the queue is away")
        del self.left[: self.taken]

    def close(self) -> None:
        self.closed = True


class Picky:
    """A store that is away for a while, and never takes packets of the type Bad."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.kept: list[Packet] = []
        self.calls = 0
        self.closed = 0

    def store(self, packets: Sequence[Packet]) -> Stored:
        self.calls += 1
        if self.away:
            self.away -= 1
            raise StoreError("the store is away")
        if any(one.type == "Bad" for one in packets):
            raise Poison("a type that nobody wants")
        self.kept += packets
        return Stored(len(packets), sum(len(one.events) for one in packets), 0)

    def close(self) -> None:
        self.closed += 1


def work(
    tmp_path: Path, intake: Records, store: Callable[[], Store], *, until: Callable[[], bool], most: int = 100
) -> list[Report]:
    """Run a worker until `until`, or for a thousand waits; what it reported."""
    reports: list[Report] = []
    waits = iter(range(1000))

    def wait(_seconds: float) -> bool:
        return until() or next(waits, None) is None

    def report(one: Report) -> None:
        told = read_report(one.line())
        assert told == one
        reports.append(told)

    dead = DeadLetters(tmp_path / "dead", lambda: 0.0)
    Worker(intake, store, dead, report, lambda: 0.0, lambda: 0.5, most).run(wait)
    assert intake.closed
    return reports


def letters(tmp_path: Path) -> list[tuple[str, str]]:
    path = tmp_path / "dead"
    found = [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    return [(one["reason"], one["record"]) for one in found]


def test_it_stores_what_is_queued_and_says_done(tmp_path: Path) -> None:
    """Batch by batch, each packet once however often it is queued."""
    intake = Records(*[pack(packet(number % 70)) for number in range(200)])
    reports = work(
        tmp_path, intake, lambda: sqlite.open_store(tmp_path / "s.db"), until=lambda: not intake.left, most=60
    )
    assert sum(one.fresh for one in reports) == 70
    assert sum(one.events for one in reports) == 140
    assert sum(one.repeated for one in reports) == 130
    assert letters(tmp_path) == []


def test_a_record_that_is_none_is_set_aside(tmp_path: Path) -> None:
    """With its reason, and its neighbours are stored."""
    bad = [b"garbage", b"[1,2]\n", b'["stats",1,"T",0.0,"zz"]\n- {}', b'[5,1,"T",0.0,""]\n- {}']
    intake, store = Records(pack(packet(1)), *bad, pack(packet(2))), Picky()
    reports = work(tmp_path, intake, lambda: store, until=lambda: not intake.left)
    assert [one.id for one in store.kept] == [1, 2]
    assert [record for _, record in letters(tmp_path)] == [record.decode() for record in bad]
    assert all(reason.startswith("not a record of keeper's") for reason, _ in letters(tmp_path))
    assert sum(one.dead for one in reports) == len(bad)


def test_packets_the_store_never_takes_are_found_among_the_others(tmp_path: Path) -> None:
    """By halves: those beside them are stored, and each of them is a letter."""
    kinds = ["Bad" if number in (0, 17, 18, 63) else "Login" for number in range(64)]
    intake, store = Records(*[pack(packet(n, kind)) for n, kind in enumerate(kinds)]), Picky()
    work(tmp_path, intake, lambda: store, until=lambda: not intake.left)
    assert sorted(one.id or 0 for one in store.kept) == [n for n, kind in enumerate(kinds) if kind != "Bad"]
    assert [reason for reason, _ in letters(tmp_path)] == ["a type that nobody wants"] * 4
    assert letters(tmp_path)[1][1] == pack(packet(17, "Bad")).decode()
    assert store.calls < 64, "not one by one"


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Nothing is set aside for that, and the reason is told meanwhile."""
    intake, store, opened = Records(pack(packet(1))), Picky(away=5), []

    def open_store() -> Picky:
        opened.append(1)
        return store

    reports = work(tmp_path, intake, open_store, until=lambda: not intake.left)
    assert [one.trouble for one in reports] == ["the store is away"] * 5 + [""]
    assert (len(opened), store.closed) == (1, 6), "it lets go of what is broken, and stays the store it was"
    assert [one.id for one in store.kept] == [1]
    assert letters(tmp_path) == []


def test_a_store_that_stays_away_keeps_nothing_from_a_stop(tmp_path: Path) -> None:
    """What was taken stays in the queue."""
    intake, store = Records(pack(packet(1))), Picky(away=1000)
    work(tmp_path, intake, lambda: store, until=lambda: store.calls > 3)
    assert len(intake.left) == 1


def test_a_queue_that_does_not_hear_done_gets_it_again(tmp_path: Path) -> None:
    """The packets are stored a second time, which changes nothing, and no letter is written twice."""
    intake = Records(pack(packet(1)), b"garbage", refusals=3)
    reports = work(tmp_path, intake, lambda: sqlite.open_store(tmp_path / "s.db"), until=lambda: not intake.left)
    assert [one.trouble for one in reports] == ["the queue is away"] * 3 + [""]
    assert [(one.fresh, one.repeated) for one in reports] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    assert len(letters(tmp_path)) == 1


def test_a_disk_that_takes_no_letters_holds_the_batch(tmp_path: Path) -> None:
    """Poison is never dropped: it stays in the queue until it can be written down."""
    (tmp_path / "dead").mkdir()
    intake, store = Records(b"garbage"), Picky()
    calls = iter(range(5))
    reports = work(tmp_path, intake, lambda: store, until=lambda: next(calls, None) is None)
    assert intake.left == [b"garbage"]
    assert "directory" in reports[-1].trouble


@pytest.mark.parametrize("line", [b"", b"nonsense\n", b"[1]\n", b'{"fresh": 1, "more": 2}\n'])
def test_what_is_no_report_is_not_taken_for_one(line: bytes) -> None:
    """A library that prints to standard output does no harm."""
    assert read_report(line) is None
