"""What every store keeps to."""

from __future__ import annotations

import itertools
import json
import math
from contextlib import closing

import pytest

from keeper.receiver.packet import Event, Packet, Poison, Said, packet_of
from keeper.receiver.stores.store import Count, Range, Reader, Row, Store, Stored, StoreError
from tests.receiver.stores.build import AT, Place, content, packet, said, shown

HOUR = 1_789_999_200


def test_sent_three_times_in_one_batch_and_over_batches(store: Store, reader: Reader) -> None:
    """A packet is stored once, however often it comes."""
    batch = [packet(1, "a"), packet(2, "b", events=[(AT, {"n": 1}), (AT, {"n": 2})])]
    first = store.store(batch * 3)
    assert (first.fresh, first.events, first.repeated, list(first.returned)) == (2, 3, 4, [])
    for _ in range(2):
        again = store.store(batch)
        assert (again.fresh, again.events, again.repeated) == (0, 0, 2)
    assert len(shown(reader)) == 3


def test_it_is_known_after_a_restart(place: Place) -> None:
    """What one process stored another knows."""
    for expected in (2, 0):
        with closing(place.store()) as store:
            assert store.store([packet(1, "a"), packet(None, "b")]).fresh == expected


def test_an_id_that_returns_with_other_content(store: Store, reader: Reader) -> None:
    """It is another packet, and reported, within a batch and over batches."""
    stored = store.store([packet(1, "a"), packet(1, "b"), packet(2, "a")])
    assert (stored.fresh, list(stored.returned)) == (3, [("s", 1)])
    stored = store.store([packet(1, "c"), packet(2, "a"), packet(2, "b", source="other")])
    assert (stored.fresh, stored.repeated, list(stored.returned)) == (2, 1, [("s", 1)])
    assert [id for _, id, _ in shown(reader)] == [1, 1, 2, 2, 1]


def test_ids_that_do_not_rise(place: Place) -> None:
    """Below and above all that are there, to the ends of 64 bits, an id is known, in whatever order they come, also to
    another worker and when another source has far larger ones; and it returns with other content."""
    ids = [5, -(1 << 63), 4, (1 << 62) + 7, -1, 6, (1 << 63) - 1, 0, (1 << 62) + 6]
    with closing(place.store()) as one, closing(place.store()) as other:
        assert one.store([packet((1 << 63) - 1, "far", source="t")]).fresh == 1
        for n, id in enumerate(ids):
            assert (one, other)[n % 2].store([packet(id, str(id))]).fresh == 1
            for store in (one, other):
                stored = store.store([packet(known, str(known)) for known in ids[: n + 1]])
                assert (stored.fresh, stored.repeated) == (0, n + 1)
        stored = other.store([packet(id, "new") for id in [*ids, 7]])
        assert (stored.fresh, list(stored.returned)) == (len(ids) + 1, [("s", id) for id in ids])


def test_an_id_that_a_packet_got_later(place: Place) -> None:
    """A packet without id that got the largest one is known by it, also to another worker."""
    with closing(place.store()) as one, closing(place.store()) as other:
        one.store([packet(None, "a"), packet(1, "b")])
        assert other.store([packet(9, "a")]).repeated == 1
        for store in (one, other):
            stored = store.store([packet(9, "a"), packet(8, "a"), packet(9, str(id(store)))])
            assert (stored.repeated, list(stored.returned)) == ((1 if store is one else 2), [("s", 9)])


@pytest.mark.parametrize("many", [99, 100, 101, 250])
def test_batches_of_many_sizes(place: Place, many: int) -> None:
    """Every row of them is there, once, as it came."""
    batch = [packet(n, str(n), events=[(float(n), {"n": n}), (None, {"n": -n})]) for n in range(1, many + 1)]
    with closing(place.store()) as store, closing(place.reader()) as reader:
        assert store.store(batch) == Stored(many, 2 * many, 0, [])
        assert store.store(batch) == Stored(0, 0, many, [])
        rows = list(reader.rows(0, 1e12))
        assert sorted(json.loads(row.fields)["n"] for row in rows) == [n for n in range(-many, many + 1) if n]
        assert all(row.id == abs(json.loads(row.fields)["n"]) for row in rows)
        assert reader.stored("s", [Range(0, 1000)]) == [Range(1, many)]


def test_an_id_of_several_types(store: Store) -> None:
    """One body may bring packets of several types under one id: these are packets of their own, and no id returned."""
    chat, login = (packet_of(Said(kind, [Event(None, b"{}")]), "s", 1, 1.0) for kind in ("Chat", "Login"))
    assert (store.store([chat]).fresh, list(store.store([login, chat]).returned)) == (1, [])
    other = packet_of(Said("Chat", [Event(None, b'{"n":1}')]), "s", 1, 1.0)
    assert list(store.store([other]).returned) == [("s", 1)]


@pytest.mark.parametrize("order", list(itertools.permutations([None, 1, 2])))
@pytest.mark.parametrize("apart", [False, True], ids=["in one batch", "in batches of one"])
def test_with_and_without_id(place: Place, order: list[int | None], apart: bool) -> None:
    """The same content with id 1, with id 2 and without: the one without is one of the others, whenever it comes."""
    batch = [packet(id, "same") for id in order]
    with closing(place.store()) as store, closing(place.reader()) as reader:
        results = [store.store([one]) for one in batch] if apart else [store.store(batch)]
        assert sum(result.fresh for result in results) == 2
        assert sum(result.repeated for result in results) == 1
        assert [name for result in results for name in result.returned] == []
        assert sorted(str(id) for _, id, _ in shown(reader)) == ["1", "2"]
        assert reader.held("s", [(id, content("same")) for id in (None, 1, 2, 3)]) == {
            (id, content("same")) for id in (None, 1, 2)
        }


def test_what_a_source_sent_before_it_ever_sent_one_without_id(store: Store, reader: Reader) -> None:
    """Its packets with ids are found by their content, by the one that asks first, too."""
    store.store([packet(number, str(number)) for number in range(1, 50)])
    name = (None, content("7"))
    assert reader.held("s", [name, (None, content("none"))]) == {name}
    stored = store.store([packet(None, "7"), packet(None, "new"), packet(7, "new")])
    assert (stored.fresh, stored.repeated, list(stored.returned)) == (1, 2, [])
    assert reader.held("s", [name, (None, content("none")), (7, content("new"))]) == {name, (7, content("new"))}


def test_sources_are_apart(store: Store, reader: Reader) -> None:
    """The same ids and contents from two sources are different packets."""
    stored = store.store([packet(1), packet(1, source="t"), packet(None, "b"), packet(None, "b", source="t")])
    assert (stored.fresh, stored.repeated) == (4, 0)
    assert reader.stored("u", [Range(0, 9)]) == []
    assert reader.held("u", [(1, content("a")), (None, content("a"))]) == set()
    assert reader.held("s", []) == set()


def test_ids_in_ranges(store: Store, reader: Reader) -> None:
    """As few ranges as possible, in order, of what was asked for, however the question overlaps."""
    ids = [1, 2, 3, 7, 9, 10, -5, -4, -(1 << 63), (1 << 63) - 1, (1 << 63) - 2]
    store.store([packet(id, str(id)) for id in ids])
    store.store([packet(2, "other"), packet(None, "none")])
    whole = Range(-(1 << 63), (1 << 63) - 1)
    assert reader.stored("s", [whole]) == [
        Range(-(1 << 63), -(1 << 63)), Range(-5, -4), Range(1, 3), Range(7, 7), Range(9, 10),
        Range((1 << 63) - 2, (1 << 63) - 1),
    ]  # fmt: skip
    assert reader.stored("s", [Range(9, 20), Range(0, 2), Range(2, 9), Range(3, 3)]) == [
        Range(1, 3), Range(7, 7), Range(9, 10)
    ]  # fmt: skip
    assert reader.stored("s", [Range(2, 2), Range(3, 3), Range(8, 4)]) == [Range(2, 3)]
    assert reader.stored("s", []) == []


def test_counts_are_of_the_hour_packets_came_in(store: Store, reader: Reader) -> None:
    """By source and type, and repetitions do not count."""
    three = [(5.0, {"n": n}) for n in range(3)]
    batch = [
        packet(1, "a", events=three),
        packet(2, "b", at=AT + 3600),
        packet(1, "a", source="t", events=three),
        packet(3, "c", type="Ж"),
    ]
    store.store(batch)
    store.store([*batch, packet(4, "d")])
    assert list(reader.counts(0, 1e12)) == [
        Count(HOUR, "s", "LoginUsers", 2, 4),
        Count(HOUR, "s", "Ж", 1, 1),
        Count(HOUR, "t", "LoginUsers", 1, 3),
        Count(HOUR + 3600, "s", "LoginUsers", 1, 1),
    ]
    assert [count.hour for count in reader.counts(HOUR, HOUR + 3600)] == [HOUR] * 3
    assert [count.hour for count in reader.counts(HOUR + 1, HOUR + 3601)] == [HOUR + 3600]


def test_rows_by_time_source_and_type(store: Store, reader: Reader) -> None:
    """Oldest first, the beginning included and the end not; an event without a time has that of its packet."""
    store.store(
        [packet(1, "a", events=[(30.0, {"n": 3}), (10.5, {"n": 1})]), packet(2, "b", events=[(None, {"n": 4})])]
    )
    store.store([packet(None, "c", source="t", type="Chat", events=[(20.0, {"n": 2})])])
    rows = list(reader.rows(0, 1e12))
    assert rows[0]._replace(fields="") == Row(10.5, "s", "LoginUsers", "", 1, AT)
    assert [(row.time, json.loads(row.fields)["n"]) for row in rows] == [(10.5, 1), (20.0, 2), (30.0, 3), (AT, 4)]

    def times(*arguments: object, **keywords: object) -> list[float]:
        return [row.time for row in reader.rows(*arguments, **keywords)]  # type: ignore[arg-type]

    assert times(10.5, 30.0) == [10.5, 20.0]
    assert times(0, 1e12, source="s") == [10.5, 30.0, AT]
    assert times(0, 1e12, type="Chat") == [20.0]
    assert times(0, 1e12, source="t", type="LoginUsers") == []
    assert times(0, 1e12, source="nobody") == times(0, 1e12, type="nothing") == times(5, 5) == times(9, 1) == []


def test_rows_of_many_events_at_one_time(store: Store, reader: Reader) -> None:
    """More than are read at once, of the same second, and of two sources: each once."""
    many = [packet(n, str(n), source="st"[n % 2], events=[(7.0, {"n": n})] * 25) for n in range(200)]
    store.store([*many, packet(1000, "later", events=[(8.0, {"n": -1})])])
    rows = [json.loads(row.fields)["n"] for row in reader.rows(0, 1e12)]
    assert sorted(rows) == sorted([-1, *(n for n in range(200) for _ in range(25))])
    assert len(list(reader.rows(0, 1e12, source="t"))) == 2500
    assert len(list(reader.rows(0, 1e12, type="LoginUsers", source="s"))) == 2501


@pytest.mark.parametrize(
    "time", [math.nan, math.inf, -math.inf, 1e300, -1e12, 253_402_300_800.0], ids=lambda time: f"{time}"
)
def test_times_that_cannot_be(place: Place, time: float) -> None:
    """Outside the years 1 to 9999 an event has the time of its packet."""
    with closing(place.store()) as store, closing(place.reader()) as reader:
        store.store([packet(1, events=[(time, {"n": 1})])])
        assert [row.time for row in reader.rows(-1e18, 1e18)] == [AT]


@pytest.mark.parametrize("time", [-62_135_596_800.0, -0.001, 0.0, 253_402_300_799.999, 1_790_000_000.123_456_7])
def test_times_that_can_be(place: Place, time: float) -> None:
    """They are kept to the last digit."""
    with closing(place.store()) as store, closing(place.reader()) as reader:
        store.store([packet(1, events=[(time, {"n": 1})])])
        assert [row.time for row in reader.rows(-1e18, 1e18)] == [time]


HARD = {
    "newline": {"a": "x\ny\r\n\tz\u2028"},
    "quotes": {"a": "\\\"'\\u0000 \\\\u0000 \\", "\\N": "\\.", "$$": "%s ?"},
    "unicode": {"имя": "Дарья 🦀 \ufeff"},
    "numbers": {"a": (1 << 64) - 1, "b": -(1 << 63), "c": 0.1, "d": 1e22, "e": 10**30},
    "nested": {"a": [{"b": [None, True, False, {}]}], "": ""},
    "empty": {},
    "control": {"a": "".join(map(chr, range(1, 32))) + "\x7f"},
    "huge": {"a": "ж" * 1_000_000},
    "many": {str(n): n for n in range(5000)},
}


@pytest.mark.parametrize("fields", HARD.values(), ids=HARD)
def test_hard_values(place: Place, fields: dict[str, object]) -> None:
    """They come back as they were."""
    one = said(1, fields)
    with closing(place.store()) as store, closing(place.reader()) as reader:
        assert store.store([one, one]).fresh == 1
        assert shown(reader) == [("s", 1, fields)]


@pytest.mark.parametrize("text", ["\0", "a\0b", "\udc80\udcff", "\ud800", "\ud83d x \udd80", "\\\0", "\\\\\0\\u0000"])
def test_text_that_is_none(place: Place, text: str) -> None:
    """NUL and bytes that are not UTF-8 are there; where the database cannot hold them, visibly as what they were."""
    with closing(place.store()) as store, closing(place.reader()) as reader:
        assert store.store([said(1, {"a": text})]).fresh == 1
        [(_, _, fields)] = shown(reader)
        visible = "".join(c if c != "\0" and not "\ud800" <= c <= "\udfff" else f"\\u{ord(c):04x}" for c in text)
        assert fields == {"a": visible if place.kind == "postgresql" else text}


@pytest.mark.parametrize(
    "bad",
    [
        packet(1 << 63),
        packet(-(1 << 63) - 1),
        packet(1)._replace(content=b"short"),
        packet(1)._replace(at=math.nan),
        packet(1)._replace(at=1e300),
        packet(1)._replace(type="a\udc80"),
        packet(1)._replace(events=[Event(None, b'{"a":"\xff"}')]),
    ],
    ids=["id", "negative id", "content", "no time", "late", "type", "not UTF-8"],
)
def test_what_can_never_be_stored(place: Place, bad: Packet) -> None:
    """It is poison, in whatever batch, nothing of that batch is there, and the rest can be stored by itself."""
    good = [packet(10, "x"), packet(None, "y")]
    with closing(place.store()) as store, closing(place.reader()) as reader:
        store.store([packet(9, "w")])
        with pytest.raises(Poison):
            store.store([good[0], bad, good[1]])
        assert len(shown(reader)) == 1
        assert store.store(good).fresh == 2
        assert len(shown(reader)) == 3


def test_long_words(store: Store, reader: Reader) -> None:
    """Types of 200 characters, of any kind, are kept apart."""
    kinds = ["Ж" * 199 + "a", "Ж" * 199 + "b", "a/../b", "a\\b", "..", "%2E.", "x" * 200]
    store.store([packet(n, str(n), type=kind) for n, kind in enumerate(kinds)])
    assert {row.type for row in reader.rows(0, 1e12)} == set(kinds)
    for n, kind in enumerate(kinds):
        assert [row.id for row in reader.rows(0, 1e12, type=kind)] == [n]


def test_nothing_is_stored_yet(place: Place, reader: Reader) -> None:
    """Before the first worker began, who looks hears so."""
    for ask in (
        lambda: reader.stored("s", [Range(0, 9)]),
        lambda: reader.held("s", [(1, content("a"))]),
        lambda: reader.counts(0, 1),
        lambda: list(reader.rows(0, 1)),
    ):
        with pytest.raises(StoreError, match="is not there: nothing has been stored yet"):
            ask()
    place.store().close()
    assert reader.stored("s", [Range(0, 9)]) == []


def test_an_empty_batch(store: Store) -> None:
    """It is nothing, and no mistake."""
    assert store.store([])[:3] == (0, 0, 0)
