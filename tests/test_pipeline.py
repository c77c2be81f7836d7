"""One subject's way from what its sources hand over to what its alerts do: what a log tells late is no failure."""

from __future__ import annotations

import lzma
from importlib import resources

from keeper.build import node_subject, pipeline
from keeper.config import parse
from keeper.core.batch import Chunk, SourceDown, SourceUp
from keeper.core.verdict import State
from keeper.formats.nodeos import NodeosFormat
from keeper.formats.nodeos_prefix import minute
from keeper.pipeline import SETTLE_LOG, Pipeline

SETTINGS = parse("[node]\nproducer = eosstore\nrole = B\nlog = file:/recorded\n[rule:peers_low]\nmin = 1\n", "x", {})
LOG = lzma.decompress(resources.files("keeper").joinpath("data", "antelope-4.1-B.log.xz").read_bytes())


def time(text: str) -> float:
    """`20:36:00` of the recording."""
    return minute(b"2026-11-20T" + text[:5].encode()) + float(text[6:])


def written(since: str, before: str) -> bytes:
    """The lines of the recording between two times."""
    lines = LOG.splitlines(keepends=True)
    return b"".join(line for line in lines if since.encode() <= line[17:25] < before.encode() and line[6:10] == b"2026")


def watched(now: float) -> Pipeline:
    return pipeline(node_subject(SETTINGS.nodes[0]), SETTINGS, NodeosFormat(), {}, lambda _s, _r, _now: None, now)


def state(watching: Pipeline, rule: str) -> State:
    return watching.judge.judged[rule].verdict.state


def test_a_backlog_in_several_chunks_raises_no_alarm() -> None:
    """keeper was down for twenty minutes, or begins with a megabyte of log: no chunk ends in the present."""
    now = time("20:34:00")
    watching = watched(now)
    fired = watching.take(SourceUp("bp1/log", now), "log", now, 0.0).transitions
    backlog = written("20:19:00", "20:34:00")
    start = 0
    while start < len(backlog):
        end = backlog.rfind(b"\n", start, start + 65_536) + 1
        fired += watching.take(Chunk("bp1/log", backlog[start:end], now, "{}"), "log", now, 0.0).transitions
        if end < len(backlog):
            assert state(watching, "head_stalled") is State.UNKNOWN
        start, now = end, now + 0.3
    fired += watching.advance((), now + SETTLE_LOG).transitions
    assert fired == []
    assert state(watching, "head_stalled") is State.OK
    assert state(watching, "own_missed") is State.OK


def test_a_backlog_that_ends_long_ago_tells_of_a_dead_node() -> None:
    """Nothing comes after it: two seconds later that is believed."""
    now = time("20:36:00")
    watching = watched(now)
    watching.take(SourceUp("bp1/log", now), "log", now, 0.0)
    watching.take(Chunk("bp1/log", written("20:30:00", "20:34:00"), now, "{}"), "log", now, 0.0)
    assert state(watching, "head_stalled") is State.UNKNOWN
    watching.take(SourceUp("bp1/log", now + SETTLE_LOG), "log", now + SETTLE_LOG, 0.0)
    assert state(watching, "head_stalled") is State.FAILING


def test_a_log_that_can_be_read_again_is_read_before_it_is_judged() -> None:
    """It was out of sight for a minute; its source says that it is back before it hands over that minute's lines."""
    now = time("20:33:00")
    watching = watched(now)
    watching.take(SourceUp("bp1/log", now), "log", now, 0.0)
    watching.take(Chunk("bp1/log", written("20:28:00", "20:33:00"), now, "{}"), "log", now, 0.0)
    watching.advance((), now + SETTLE_LOG)
    assert state(watching, "head_stalled") is State.OK
    watching.take(SourceDown("bp1/log", now + 3, "permission denied"), "log", now + 3, 0.0)
    watching.advance((), now + 60)
    assert state(watching, "source_down") is State.FAILING
    watching.take(SourceUp("bp1/log", now + 60), "log", now + 60, 0.0)
    assert state(watching, "head_stalled") is State.UNKNOWN
    watching.take(Chunk("bp1/log", written("20:33:00", "20:34:00"), now + 60, "{}"), "log", now + 60, 0.0)
    watching.advance((), now + 60 + SETTLE_LOG)
    assert state(watching, "head_stalled") is State.OK
    assert state(watching, "source_down") is State.OK
