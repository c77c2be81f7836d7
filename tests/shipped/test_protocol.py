"""Lines a time series database takes, whatever things are called."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from keeper.shipped.point import lines, tag
from keeper.shipped.rounds import following
from tests.shipped.golden import refuse
from tests.shipped.running import once, read

EVERYTHING = ("load", "memory", "disk", "network", "tcp", "process:python", "process:no such thing")


def test_every_line_of_a_round_follows_the_protocol_and_is_of_one_second() -> None:
    """Each series once, all with the same timestamp, which is now."""
    before = int(time.time())
    said = once("--all-disks", "--all-interfaces", *EVERYTHING)
    assert len(said) > 100
    assert len({one.at for one in said}) == 1
    assert before <= said[0].at <= time.time()
    series = [(one.metric, *sorted(one.tags.items())) for one in said]
    assert len(set(series)) == len(series)


@given(st.text())
def test_any_name_becomes_a_tag(name: str) -> None:
    """Always the same one, short enough for a line; what a tag can hold stays as it is."""
    line = lines([("m", 1, f"name={tag(name)}")], 1_700_000_000, refuse)
    assert line.endswith("\n")
    assert read(line[:-1]).tags["name"] == tag(name) == tag(tag(name))


def test_what_a_tag_cannot_hold_becomes_an_underscore() -> None:
    """Character by character, and bytes that are no text one by one."""
    assert tag("/mnt/chain state") == "/mnt/chain_state"
    assert tag("größe:1") == "gr__e_1"
    assert tag(b"\xff\xfe.x".decode("utf-8", "surrogateescape")) == "__.x"
    assert tag("") == "_"


def test_two_names_that_look_the_same_are_one_series_and_a_complaint() -> None:
    """A TSD takes one value a second: the first is printed, the second is told of."""
    told: list[str] = []
    text = lines([("m", 1, f"mount={tag('/a b')}"), ("m", 2, f"mount={tag('/a:b')}")], 5, told.append)
    assert text == "m 5 1 mount=/a_b\n"
    assert told == ["m mount=/a_b: two things have this name, only the first is shown"]


def test_rounds_stay_on_their_grid() -> None:
    """Lateness does not add up, and rounds that were missed are not made up for."""
    assert following(start=100.0, every=15, now=100.0) == 115.0
    assert following(start=100.0, every=15, now=114.999) == 115.0
    assert following(start=100.0, every=15, now=115.2) == 130.0
    assert following(start=100.0, every=15, now=191.0) == 205.0
