"""Questions to `/v1/confirmed` and their answers: everything that is asked is answered, and exactly that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from keeper.receiver import confirm
from keeper.receiver.confirm import (
    MOST_PACKETS,
    MOST_RANGES,
    AskedIds,
    AskedPackets,
    answer,
    body_of,
    question_of_body,
    question_of_query,
)
from keeper.receiver.packet import LARGEST_ID, Event, Malformed, Packet, Said, packet_of
from keeper.receiver.ranges import covered, joined, parts, read_ranges, shown_ranges, without
from keeper.receiver.stores.sqlite import open_reader, open_store
from keeper.receiver.stores.store import Range, Reader

HEX = "0123456789abcdef" * 2
DIGEST = bytes.fromhex(HEX)


def packet(id: int | None, text: str, source: str = "stats") -> Packet:
    return packet_of(Said("Chat", [Event(None, b'{"text":"%b"}' % text.encode())]), source, id, 1.0)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A store with the ids 1, 2, 3, 7 and two packets without id, of the source `stats`; and 5 of another."""
    store = open_store(tmp_path / "store.db")
    store.store([packet(id, f"of {id}") for id in (1, 2, 3, 7)])
    store.store([packet(None, "bare"), packet(None, "other"), packet(5, "of 5", "elsewhere")])
    store.close()
    reader = open_reader(tmp_path / "store.db")
    yield reader
    reader.close()


# -- ranges --------------------------------------------------------------------------------------------------------


def test_ranges_say_the_same_as_sets(seed: int) -> None:
    """Joining, covering, taking away and cutting into parts, against sets of numbers."""
    chance = Random(seed)

    def some() -> list[Range]:
        starts = [chance.randrange(60) for _ in range(chance.randrange(9))]
        return [Range(first, first + chance.randrange(9)) for first in starts]

    def ids(ranges: list[Range]) -> set[int]:
        return {id for first, last in ranges for id in range(first, last + 1)}

    for _ in range(2000):
        one, two = joined(some()), joined(some())
        assert joined(Range(id, id) for id in ids(one)) == one
        assert covered(one) == len(ids(one))
        left = without(one, two)
        assert ids(left) == ids(one) - ids(two)
        assert joined(left) == left
        pieces = list(parts(one, 4))
        assert ids(pieces) == ids(one)
        assert all(covered([piece]) <= 4 for piece in pieces)
        if one:
            assert joined(read_ranges(shown_ranges(pieces), 1000)) == one


# -- questions -----------------------------------------------------------------------------------------------------


def test_a_query_asks_for_ids() -> None:
    """Ids and ranges in any order, joined; whose, and how long the answer may wait."""
    question = question_of_query("ids=9-20,1%2C5,21&source=stats&wait=2.5")
    assert question == AskedIds("stats", [Range(1, 1), Range(5, 5), Range(9, 21)], 2.5)
    assert question_of_query(f"ids={LARGEST_ID}") == AskedIds(None, [Range(LARGEST_ID, LARGEST_ID)], 5.0)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "the query has no ids"),
        ("ids", "the query cannot be read"),
        ("ids=%ff", "the query cannot be read"),
        ("&".join(["ids=1"] * 20), "the query cannot be read"),
        ("source=stats", "the query has no ids"),
        ("ids=", "the query has no ids"),
        ("ids=1&ids=2", "says something twice"),
        ("ids=1&id=2", "'id' is unknown; known are ids, source, wait"),
        ("ids=1,,2", "'' is neither an id"),
        ("ids=1-2-3", "'1-2-3' is neither an id"),
        ("ids=-5", "'-5' is neither an id"),
        ("ids=%D9%A1", "is neither an id"),
        ("ids=5-1", "'5-1' goes down; write 1-5"),
        (f"ids={LARGEST_ID + 1}", "is no id: the largest is"),
        (f"ids=1-{LARGEST_ID}", "more than 1,000,000,000 ids"),
        ("ids=" + ",".join(["1"] * (MOST_RANGES + 1)), "more than 10,000 ranges"),
        ("ids=1&source=../x", "source is no name"),
        ("ids=1&source=", "source is no name"),
        ("ids=1&wait=31", "wait = '31' is not a number of seconds from 0 to 30"),
        ("ids=1&wait=nan", "wait = 'nan'"),
        ("ids=1&wait=-1", "wait = '-1'"),
        ("ids=1&wait=", "wait = ''"),
    ],
)
def test_what_is_wrong_with_a_query_is_said(query: str, reason: str) -> None:
    """In a sentence, and before any of it is looked for."""
    with pytest.raises(Malformed) as caught:
        question_of_query(query)
    assert reason in str(caught.value)


def test_a_body_asks_for_packets() -> None:
    """By id and content, or by content alone; what the sender's side writes is what is read."""
    names = [(862, DIGEST), (None, DIGEST), (862, DIGEST), ((1 << 63) - 1, bytes(16))]
    assert question_of_body(body_of("stats", names, 10)) == AskedPackets("stats", names, 10.0)
    assert question_of_body(body_of(None, [], 0)) == AskedPackets(None, [], 0.0)
    assert question_of_body(b'{"packets": []}') == AskedPackets(None, [], 5.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON"),
        (b'{"packets": [', "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b"[]", "the body is no object"),
        (b"{}", "packets is not a list"),
        (b'{"packets": [], "more": 1}', "'more' is unknown"),
        (b'{"packets": [], "wait": true}', "wait = 'True'"),
        (b'{"packets": [], "wait": 1e999}', "the body is not JSON"),
        (b'{"packets": [], "source": 5}', "source is no name"),
        (b'{"packets": [1]}', "packets[0] is not an id"),
        (b'{"packets": [[1, "%b"], [1]]}' % HEX.encode(), "packets[1] is not an id"),
        (b'{"packets": [[true, "%b"]]}' % HEX.encode(), "packets[0] is not an id"),
        (b'{"packets": [["1", "%b"]]}' % HEX.encode(), "packets[0] is not an id"),
        (b'{"packets": [[1.0, "%b"]]}' % HEX.encode(), "packets[0] is not an id"),
        (b'{"packets": [[-1, "%b"]]}' % HEX.encode(), "packets[0] is not an id"),
        (b'{"packets": [[9223372036854775808, "%b"]]}' % HEX.encode(), "packets[0] is not an id"),
        (b'{"packets": [[1, "0123"]]}', "packets[0] is not an id"),
        (b'{"packets": [[1, "%b"]]}' % (HEX[:-2] + "  ").encode(), "packets[0] is not an id"),
        (b'{"packets": [[1, "%b"]]}' % (HEX[:-1] + "g").encode(), "packets[0] is not an id"),
        (b'{"packets": [%b]}' % b",".join([b"0"] * (MOST_PACKETS + 1)), "more than 100,000 packets"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, reason: str) -> None:
    """With the place of the packet that is none."""
    with pytest.raises(Malformed) as caught:
        question_of_body(body)
    assert reason in str(caught.value)


# -- answers -------------------------------------------------------------------------------------------------------


def answered(question: Any, reader: Reader, *, complete: bool = True) -> Any:
    return json.loads(answer(question, "stats", reader, complete=complete))


def test_ids_are_there_or_missing(reader: Reader) -> None:
    """Each id that was asked for is in one of the two, and no other; those of other sources are nobody's business."""
    found = answered(question_of_query("ids=2-8"), reader)
    assert found == {"source": "stats", "complete": True, "confirmed": "2-3,7", "missing": "4-6,8"}
    found = answered(question_of_query("ids=1,3"), reader, complete=False)
    assert found == {"source": "stats", "complete": False, "confirmed": "1,3", "missing": ""}


def test_a_billion_ids_are_a_short_answer(reader: Reader) -> None:
    """Its length is by what is there, not by what was asked for."""
    found = answered(question_of_query("ids=0-999999999"), reader)
    assert (found["confirmed"], found["missing"]) == ("1-3,7", "0,4-6,8-999999999")


def test_an_answer_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every other id is there is no short way to say it, and that is said instead."""
    monkeypatch.setattr(confirm, "MOST_ANSWERED", 100)
    store = open_store(tmp_path / "store.db")
    store.store([packet(id, str(id)) for id in range(0, 400, 2)])
    store.close()
    reader = open_reader(tmp_path / "store.db")
    with pytest.raises(Malformed, match="ask for fewer ids at once"):
        answered(question_of_query("ids=0-999999999"), reader)
    assert answered(question_of_query("ids=0-3"), reader)["confirmed"] == "0,2"
    reader.close()


def test_packets_are_there_by_their_whole_name(reader: Reader) -> None:
    """By id and content; one that came without an id by its content, whatever its id; asked twice, answered twice."""
    bare = packet(None, "bare").content
    asked = [(1, packet(1, "of 1").content), (1, packet(1, "of 2").content), (None, packet(2, "of 2").content)]
    asked += [(77, bare), (None, bare), (None, bytes(16)), (5, packet(5, "of 5").content), (77, bare)]
    found = answered(AskedPackets(None, asked, 5), reader)
    assert found["confirmed"] == [True, False, True, True, True, False, False, True]
    assert answered(AskedPackets(None, [], 5), reader)["confirmed"] == []
