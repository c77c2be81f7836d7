"""Golden runs: whole recorded nights of real nodes, judged in the roles they had.

`keeper/data` holds the logs of four real nodes (nodeos 4.1) of one network with 21 producers. The schedule of 21 takes
over at 20:22:49.5. B signs beside A from 20:27:58 to 20:32:28, the same blocks. A is paused at 20:34:43, and nobody
signs for `eosstore` in the windows 20:36:12 and 20:38:18. The nodes have two or three peers.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from importlib import resources
from itertools import pairwise
from typing import NamedTuple

import pytest

from keeper.core.event import Event, WindowClosed
from keeper.core.memory import Bounds, Memory, Subject
from keeper.core.verdict import State
from keeper.formats.nodeos import NodeosFormat
from keeper.rules.advance import advance
from keeper.rules.judge import Judge
from keeper.rules.phrases import clock
from keeper.rules.table import RULES


class Told(NamedTuple):
    """A verdict whose state is new, and when."""

    at: str
    state: str
    rule: str
    reason: str


def events_of(name: str) -> list[Event]:
    packed = resources.files("keeper").joinpath("data", f"antelope-4.1-{name}.log.xz").read_bytes()
    return NodeosFormat().parse(lzma.decompress(packed), 0.0).events


def judged(name: str, role: str, followed: list[Event] | None = None) -> Iterator[Told]:
    """Judge a recording by all rules, as a replay does."""
    events = events_of(name)
    memory = Memory(Subject(name, "node", role, frozenset({"eosstore"}), frozenset({"log"})), Bounds(), 1.0, 0.0)
    rules = [rule() for rule in RULES.values() if "node" in rule.kinds and rule().enabled]
    judge = Judge(memory, rules, 0.0)
    memory.sees("log", events[0].at)
    memory.sees("log", float("inf"))
    states: dict[str, State] = {}
    heard = followed if followed is not None else []
    for verdict in advance(memory, judge, events, events[-1].at, heard.append):
        rule, state = verdict.rule.name, verdict.verdict.state
        if states.get(rule) is not state or (rule == "own_missed" and state is State.FAILING):
            states[rule] = state
            yield Told(clock(judge.now or 0.0), state.value, rule, verdict.verdict.reason)


MISSED = "eosstore missed 12 of 12 blocks in its window "
FIRST = Told("20:36:19", "failing", "own_missed", MISSED + "20:36:12-20:36:18")
SECOND = Told("20:38:25", "failing", "own_missed", MISSED + "20:38:18-20:38:24")
FEW_PEERS = Told("20:19:03", "failing", "peers_low", "connected to 3 peers; 5 are expected")
STARTED = Told("20:19:03", "failing", "node_restarted", "nodeos started at 20:19:03 (v4.1.0-dev)")
GOLDEN = {
    ("A", "A"): [
        STARTED,
        FEW_PEERS._replace(at="20:19:33"),
        Told(
            "20:36:10",
            "failing",
            "not_producing",
            "this node did not sign at 20:36:10: it is paused; resume it with /v1/producer/resume",
        ),
        FIRST,
        SECOND,
        Told(
            "20:38:31",
            "failing",
            "own_silent",
            "this node has signed no block for eosstore since 20:34:11, for 4 min 20 s",
        ),
    ],
    ("B", "B"): [
        STARTED,
        FEW_PEERS,
        FIRST,
        SECOND,
        Told(
            "20:38:25",
            "failing",
            "takeover_due",
            "eosstore missed 2 windows in a row, and this node is fit to produce",
        ),
        Told("20:38:31", "failing", "own_silent", "eosstore has signed no block since 20:34:11, for 4 min 20 s"),
    ],
    ("C", "C"): [STARTED, FEW_PEERS._replace(reason="connected to 2 peers; 5 are expected"), FIRST, SECOND],
    ("net", "F"): [
        STARTED._replace(at="20:18:59", reason="nodeos started at 20:18:59 (v4.1.0-dev)"),
        Told(
            "20:19:00",
            "failing",
            "wrong_producer",
            "this node signed block #2 at 20:19:00 as eosio; only eosstore is configured as ours",
        ),
        FEW_PEERS._replace(at="20:19:30", reason="connected to 2 peers; 5 are expected"),
        FIRST,
        SECOND,
    ],
}


@pytest.mark.parametrize(("name", "role"), GOLDEN)
def test_what_fails_in_a_recorded_night(name: str, role: str) -> None:
    """Our missed windows, known a second after their end in every role; what follows from them; and nothing else before
    the producer was paused but what the timeline explains."""
    failed = [told for told in judged(name, role) if told.state == "failing"]
    once = [told for told, before in zip(failed, [None, *failed], strict=False) if told != before]
    firsts: dict[str, Told] = {}
    for told in once:
        firsts.setdefault(told.rule if told.rule != "own_missed" else told.reason, told)
    assert list(firsts.values()) == GOLDEN[name, role]
    later = [told for told in once if told.at < "20:34:43"]
    assert {told.rule for told in later} <= {"peers_low", "node_restarted", "wrong_producer"}


@pytest.mark.parametrize(("name", "role"), GOLDEN)
def test_every_window_of_a_recorded_night_is_judged_once(name: str, role: str) -> None:
    """In the order of time, each a second after its end, or as soon as a later block came where the next window was
    missed; and only ours were not whole."""
    followed: list[Event] = []
    for _ in judged(name, role, followed):
        pass
    windows = [event for event in followed if isinstance(event, WindowClosed)]
    assert all(after.start > before.start for before, after in pairwise(windows))
    of_21 = [window for window in windows if clock(window.start) >= "20:25:18"]
    assert all(after.start == before.start + 6.0 for before, after in pairwise(of_21))
    for window, after in pairwise(of_21):
        late = window.at - window.start - 7.0
        assert 4.9 < late < 5.0 if after.signed == 0 else late == 0.0
    assert [(clock(w.start), w.signed) for w in of_21 if w.signed < 12] == [("20:36:12", 0), ("20:38:18", 0)]
