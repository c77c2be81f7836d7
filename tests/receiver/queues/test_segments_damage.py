"""What a crash or a bad disk spoils is left out, and nothing else."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.errors import StateError
from keeper.receiver.queues.segments.reading import READ, Reading
from keeper.receiver.queues.segments.record import (
    BEGIN,
    MAGIC,
    MARK_AT,
    OVERHEAD,
    RECORD,
    Mark,
    pack,
    pack_mark,
    unpack,
    unpack_mark,
)
from keeper.receiver.queues.segments.segment import path_of
from tests.peers.ask import eventually
from tests.receiver.queues.server import Server, drain, segment_intake

RECORDS = (b"first", b"", b"\0KQ\1 is no record", b"x" * 50, RECORD * 9, b"the last")


def segment(records: Sequence[bytes], number: int = 1) -> bytes:
    """A segment's bytes."""
    data = MAGIC.ljust(BEGIN, b"\0")
    for which, record in enumerate(records):
        data += pack(record, 1000.0 + which, which, number, len(data))
    return data


@contextmanager
def reading(path: Path, *, final: bool) -> Iterator[Reading]:
    found = Reading(1, os.open(path, os.O_RDWR), Mark(), final)
    try:
        yield found
    finally:
        found.close()


def read_all(opened: Reading, most: int = 100) -> list[bytes]:
    found: list[bytes] = []
    while (taken := opened.take(most, 1 << 24)) is not None:
        found += taken.records
        opened.done(taken.mark)
    return found


def ends(records: Sequence[bytes]) -> list[int]:
    """Where each record ends."""
    found = [BEGIN]
    for record in records:
        found.append(found[-1] + OVERHEAD + len(record))
    return found[1:]


@given(st.binary(max_size=300), st.floats(0, 1e10), st.integers(0, 2**32 - 1), st.integers(1, 10**12 - 1))
def test_a_record_is_one_only_in_its_place(payload: bytes, at: float, which: int, number: int) -> None:
    """At another offset or in another segment the same bytes are none."""
    data = pack(payload, at, which, number, 5000)
    record = unpack(b"before" + data + b"behind", 6, number, 4994)
    assert record == (5000 + len(data), which, at, payload)
    assert unpack(data, 0, number, 5001) is None
    assert unpack(data, 0, number + 1, 5000) is None


@given(
    st.builds(Mark, st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.booleans()),
    st.integers(1, 10**12 - 1),
    st.integers(0, 300),
)
def test_a_mark_is_one_or_it_is_broken(mark: Mark, number: int, flip: int) -> None:
    """One bit of it turned, and it is none."""
    slot = bytearray(pack_mark(mark, number))
    block = b"\0" * MARK_AT + slot
    assert unpack_mark(block + b"\0" * 100, number) == mark
    slot[flip // 8 % len(slot)] ^= 1 << flip % 8
    assert unpack_mark(b"\0" * MARK_AT + slot, number) is None


def test_a_segment_that_ends_anywhere(tmp_path: Path) -> None:
    """Cut at every byte: all whole records come, the rest counts as torn."""
    data = segment(RECORDS)
    path = tmp_path / "1"
    for cut in range(BEGIN, len(data) + 1):
        path.write_bytes(data[:cut])
        whole = [end for end in ends(RECORDS) if end <= cut]
        with reading(path, final=True) as opened:
            assert read_all(opened, 4) == list(RECORDS[: len(whole)])
            assert opened.mark.torn == cut - max([BEGIN, *whole])
            assert opened.mark.offset == cut


def test_a_segment_that_grows_byte_by_byte(tmp_path: Path) -> None:
    """A record comes when it is whole, and each once."""
    data = segment(RECORDS)
    path = tmp_path / "1"
    path.write_bytes(data[:BEGIN])
    found: list[bytes] = []
    with reading(path, final=False) as opened, path.open("ab", buffering=0) as file:
        for place in range(BEGIN, len(data)):
            file.write(data[place : place + 1])
            found += read_all(opened)
            assert len(found) == sum(end <= place + 1 for end in ends(RECORDS))
        assert opened.mark.torn == 0
    assert found == list(RECORDS)


def test_a_bit_that_turned_costs_its_record(tmp_path: Path) -> None:
    """Any bit of each byte: the other records come, and what is lost is counted. Behind a segment's last good record
    nothing is given up while it may grow."""
    data = segment(RECORDS)
    path = tmp_path / "1"
    for place in range(BEGIN, len(data)):
        spoiled = bytearray(data)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        hit = next(number for number, end in enumerate(ends(RECORDS)) if place < end)
        left = [record for number, record in enumerate(RECORDS) if number != hit]
        with reading(path, final=True) as opened:
            assert read_all(opened) == left
            assert opened.mark.torn == OVERHEAD + len(RECORDS[hit])
        with reading(path, final=False) as opened:
            opened.done(Mark())
            assert read_all(opened) == list(RECORDS[:hit])
            assert opened.pass_damage() == (hit < len(RECORDS) - 1)
            assert read_all(opened) == list(RECORDS[hit + 1 :])


def test_damage_at_random_in_a_large_segment(tmp_path: Path, seed: int) -> None:
    """Many places, records longer than what is read at once: every record that was not hit comes."""
    chance = random.Random(seed)
    records = [chance.randbytes(chance.choice([0, 10, 1000, 100_000, READ + 5])) for _ in range(60)]
    data = bytearray(segment(records))
    hit: set[int] = set()
    for _ in range(12):
        place = chance.randrange(BEGIN, len(data))
        length = chance.choice([1, 30, 5000])
        data[place : place + length] = bytes(length)
        first = next(number for number, end in enumerate(ends(records)) if place < end)
        last = next((number for number, end in enumerate(ends(records)) if place + length <= end), len(records) - 1)
        hit.update(range(first, last + 1))
    path = tmp_path / "1"
    path.write_bytes(data)
    with reading(path, final=True) as opened:
        found = read_all(opened)
    kept = [record for number, record in enumerate(records) if number not in hit]
    assert [record for record in kept if record not in found] == []
    assert [record for record in found if record not in records] == []


def test_a_broken_mark_makes_all_come_again(tmp_path: Path) -> None:
    """At-least-once: rather twice than not."""
    with Server(tmp_path) as server:
        server.put(*RECORDS)
        intake = segment_intake(tmp_path)
        assert drain(intake) == list(RECORDS)
        intake.close()
        with server.segments()[0].open("r+b") as file:
            file.seek(MARK_AT)
            file.write(b"\xff" * 8)
        again = segment_intake(tmp_path)
        assert drain(again) == list(RECORDS)
        assert drain(again) == []
        again.close()


@pytest.mark.parametrize("left", [0, 7, BEGIN, BEGIN + OVERHEAD + 2])
def test_a_crash_while_a_segment_was_begun(tmp_path: Path, left: int) -> None:
    """One without its first bytes, or without a whole record, is removed when workers have looked at it."""
    path_of(tmp_path, 3).write_bytes(segment([b"torn"], 3)[:left])
    with Server(tmp_path) as server:
        assert server.put(b"new") is None
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"new"]
        eventually(server.swept, "the broken segment to be removed")
        assert server.segments() == [path_of(tmp_path, 4)]
        assert server.depth(0).lost == max(0, left - BEGIN)
        intake.close()


def test_a_torn_tail_is_counted_once(tmp_path: Path) -> None:
    """By the server in whose life workers come to it; and all that stands before it comes."""
    path_of(tmp_path, 1).write_bytes(segment(RECORDS)[:-3])
    with Server(tmp_path) as server:
        assert server.depth(len(RECORDS) - 1).lost == 0
        intake = segment_intake(tmp_path)
        assert drain(intake) == list(RECORDS[:-1])
        eventually(server.swept, "the old segment to be removed")
        assert server.depth(0).lost == OVERHEAD + len(RECORDS[-1]) - 3
        intake.close()
    with Server(tmp_path) as server:
        assert server.depth(0).lost == 0


def test_a_bad_place_in_the_segment_that_grows(tmp_path: Path) -> None:
    """It is given up after a moment, when later records are there."""
    with Server(tmp_path) as server:
        server.put(b"one", b"two", b"three")
        with server.segments()[0].open("r+b") as file:
            file.seek(BEGIN + 2 * OVERHEAD + 3)
            file.write(b"T")
        intake = segment_intake(tmp_path)
        assert drain(intake) == [b"one"]
        batch = intake.take(10, 1 << 20, 20.0)
        assert batch is not None
        assert list(batch.records) == [b"three"]
        intake.done(batch)
        assert server.drained(20.0)
        eventually(lambda: server.queue.depth().lost == OVERHEAD + 3, "what was lost")
        intake.close()


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    """Neither a stranger's file nor a segment that is none is taken for a queue's; both are named."""
    (tmp_path / "letter.txt").write_text("dear sir")
    with pytest.raises(StateError, match=r"letter.txt is not keeper's"):
        Server(tmp_path)
    (tmp_path / "letter.txt").rename(path_of(tmp_path, 7))
    with pytest.raises(StateError, match=r"000000000007.records is not one of keeper"):
        Server(tmp_path)
    intake = segment_intake(tmp_path)
    assert intake.take(1, 1, 0.0) is None
    intake.close()
    assert path_of(tmp_path, 7).read_text() == "dear sir"
