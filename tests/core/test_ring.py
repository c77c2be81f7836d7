"""Bounded memory that knows what it forgot."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from keeper.core.ring import EVENT_BYTES, Ring, weight


class Said(NamedTuple):
    at: float
    text: str


def test_the_count_is_bounded_and_what_falls_out_is_counted() -> None:
    """Three of five stay; the two oldest are counted as forgotten."""
    ring: Ring[Said] = Ring(3, 1 << 20, remembers_from=0.0)
    ring.extend([Said(float(n), "x") for n in range(5)])
    assert [event.at for event in ring] == [2.0, 3.0, 4.0]
    assert [event.at for event in reversed(ring)] == [4.0, 3.0, 2.0]
    assert (len(ring), ring.forgotten) == (3, 2)


def test_bytes_are_bounded_but_the_newest_stays() -> None:
    """Long texts push old events out; one event larger than everything is kept alone."""
    ring: Ring[Said] = Ring(100, 3 * EVENT_BYTES, remembers_from=0.0)
    ring.append(Said(1.0, "x"))
    ring.append(Said(2.0, "y" * EVENT_BYTES))
    assert len(ring) == 1
    ring.append(Said(3.0, "z" * 10 * EVENT_BYTES))
    assert [event.at for event in ring] == [3.0]
    assert ring.bytes == weight(ring.last)


def test_events_of_a_known_weight_are_bounded_without_being_weighed() -> None:
    """`each` bytes for every event: the byte limit becomes a count."""
    ring: Ring[Said] = Ring(100, 1000, remembers_from=0.0, each=250)
    ring.extend([Said(float(n), "x") for n in range(6)])
    assert ([event.at for event in ring], ring.forgotten, ring.bytes) == ([2.0, 3.0, 4.0, 5.0], 2, 1000)


def test_one_event_fits_into_the_smallest_ring() -> None:
    """A limit below one event still keeps the newest."""
    ring: Ring[Said] = Ring(100, 10, remembers_from=0.0, each=250)
    ring.extend([Said(1.0, "x"), Said(2.0, "y")])
    assert [event.at for event in ring] == [2.0]


def test_an_absence_is_proved_only_since_nothing_was_forgotten() -> None:
    """Full: from behind the oldest, because others of its moment may be gone. Not full: from the beginning."""
    ring: Ring[Said] = Ring(2, 1 << 20, remembers_from=10.0)
    ring.extend([Said(11.0, "x"), Said(12.0, "y")])
    assert (ring.covers(10.0), ring.covers(9.9)) == (True, False)
    ring.append(Said(13.0, "z"))
    assert (ring.covers(12.0), ring.covers(12.1)) == (False, True)


def test_blindness_is_remembered() -> None:
    """Nothing is known of the time before, whatever the ring holds."""
    ring: Ring[Said] = Ring(2, 1 << 20, remembers_from=10.0)
    ring.blind_until(20.0)
    assert (ring.covers(19.0), ring.covers(20.0)) == (False, True)
    ring.blind_until(5.0)
    assert ring.remembers_from == 20.0


def test_since_gives_what_is_at_or_after() -> None:
    """Oldest first, the given moment included."""
    ring: Ring[Said] = Ring(10, 1 << 20, remembers_from=0.0)
    ring.extend([Said(float(n), "x") for n in range(5)])
    assert [event.at for event in ring.since(3.0)] == [3.0, 4.0]
    assert ring.since(9.0) == []


def test_the_newest_can_be_replaced_by_what_includes_it() -> None:
    """The weight follows."""
    ring: Ring[Said] = Ring(10, 1 << 20, remembers_from=0.0)
    ring.append(Said(1.0, "x"))
    ring.replace_last(Said(1.5, "x" * 50))
    assert [event.at for event in ring] == [1.5]
    assert ring.bytes == EVENT_BYTES + 50


@given(st.lists(st.lists(st.integers(0, 400), max_size=6), max_size=12), st.integers(1, 5), st.integers(0, 1500))
def test_bounds_hold_after_any_additions(batches: list[list[int]], most: int, size: int) -> None:
    """Count and bytes never exceed their limits (but for a single event), and the bytes are those of the events."""
    ring: Ring[Said] = Ring(most, size, remembers_from=0.0)
    time = 0.0
    told = 0
    for batch in batches:
        events = []
        for length in batch:
            time += 1.0
            events.append(Said(time, "x" * length))
        ring.extend(events)
        told += len(events)
        assert len(ring) <= most
        assert ring.bytes == sum(weight(event) for event in ring)
        assert ring.bytes <= size or len(ring) == 1
        assert ring.forgotten + len(ring) == told
