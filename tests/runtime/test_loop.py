"""The loop: deadlines, distrust of itself, and what it hands to whoever stores."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from keeper.build import forms, pipeline, subjects
from keeper.config import parse
from keeper.core.batch import Answers, Chunk, Lost, SourceUp
from keeper.core.event import AnswerFailed, InfoAnswer, WindowClosed
from keeper.core.verdict import State
from keeper.metrics import Metrics
from keeper.runtime.inbox import INBOX_ITEMS, Inbox
from keeper.runtime.loop import Limits, Loop, Turned
from keeper.runtime.measure import MAX_PRODUCERS, Measure

START = 1_795_206_000.0
API_ONLY = "[node]\nproducer = eosstore\napi = http://127.0.0.1:1\n[rule:http_down]\nrecover = 2s\n"
WITH_LOG = "[node]\nproducer = eosstore\nlog = file:/x\napi = http://127.0.0.1:1\n"


class ScriptedClock:
    """Time as the test says; waiting costs nothing."""

    def __init__(self) -> None:
        self.time = START
        self.off = 0.0

    def now(self) -> float:
        return self.time

    def drift(self) -> float:
        return self.off

    def real(self, seconds: float) -> float:
        return 0.0


class Bench:
    """A loop with one node and nobody behind it."""

    def __init__(self, config: str) -> None:
        settings = parse(config, "config.ini", {})
        self.clock = ScriptedClock()
        self.metrics = Metrics(CollectorRegistry())
        self.turned: list[Turned] = []
        self.inbox = Inbox(lambda subject: None)
        measure = Measure(self.metrics)
        self.loop = Loop(self.clock, self.inbox, Limits(2.0, 2.0), measure, self.turned.append)
        made = forms(settings)
        self.loop.adopt(
            [pipeline(s, settings, made.get(s.name), {}, lambda _s, _r, _n: None, START) for s in subjects(settings)]
        )
        self.api = self.inbox.poster("node", "api")
        self.log = self.inbox.poster("node", "log")

    def pass_time(self, seconds: float, answering: bool, step: float = 0.5) -> None:
        """Let time pass in small turns, the API answering or refusing at each."""
        until = self.clock.time + seconds
        while self.clock.time < until:
            self.clock.time += step
            now = self.clock.time
            event = (
                InfoAnswer(now, int(now), "00", now, "bpa", int(now) - 10, "", "", 0.01)
                if answering
                else AnswerFailed(now, "info", "http://127.0.0.1:1", "connection refused")
            )
            self.api(Answers("node/api", (event,)))
            self.loop.turn(step)

    def state(self, rule: str) -> State:
        return self.loop.pipelines["node"].judge.judged[rule].verdict.state

    def told(self) -> list[tuple[str, str]]:
        return [(t.kind, t.rule) for turned in self.turned for t in turned.transitions]


def test_an_api_that_stops_answering_fires_once_and_is_resolved_once() -> None:
    """Five seconds of silence fire http_down with the reason; answers resolve it after `recover`."""
    bench = Bench(API_ONLY)
    bench.pass_time(10, answering=True)
    bench.pass_time(8, answering=False)
    assert bench.told() == [("firing", "http_down")]
    firing = next(t for turned in bench.turned for t in turned.transitions)
    assert firing.alert.reason == "get_info has given no valid answer for 5 s: connection refused"
    bench.pass_time(6, answering=True)
    assert bench.told() == [("firing", "http_down"), ("resolved", "http_down")]


def test_a_loop_that_stood_still_believes_nothing_until_sources_caught_up() -> None:
    """After twenty seconds in which keeper itself was frozen, no rule fails: all are unknown and self_late says why."""
    bench = Bench(API_ONLY)
    bench.pass_time(10, answering=True)
    bench.clock.time += 20
    bench.loop.turn(0.5)
    assert bench.state("http_down") is State.UNKNOWN
    keeper = bench.loop.pipelines["keeper"].judge.judged["self_late"]
    assert keeper.verdict.state is State.FAILING
    bench.pass_time(5, answering=True)
    assert bench.state("http_down") is State.OK
    assert "http_down" not in {rule for _, rule in bench.told()}


def test_a_clock_that_jumps_makes_verdicts_unknown_and_is_said() -> None:
    """The wall clock set forward by an hour: verdicts wait ten seconds, nothing fires but clock_jump."""
    bench = Bench(API_ONLY)
    bench.pass_time(10, answering=True)
    bench.clock.off = 3600.0
    bench.pass_time(1, answering=True)
    assert bench.state("head_stalled") is State.UNKNOWN
    bench.pass_time(15, answering=True)
    assert bench.state("head_stalled") is State.OK
    assert {rule for _, rule in bench.told()} == {"clock_jump"}


def test_log_times_after_a_clock_jump_are_taken_on_the_steady_clock() -> None:
    """A block logged after the jump is not an hour in the future."""
    bench = Bench(WITH_LOG)
    bench.log(SourceUp("node/log", START))
    bench.loop.turn(0.0)
    bench.clock.off = 3600.0
    bench.clock.time += 1
    line = (
        b"info  2026-11-20T21:20:01.000 nodeos    x.cpp:1                  f                    ] Received block "
        b"0102030405060708... #7 @ 2026-11-20T21:20:01.000 signed by bpa [trxs: 0, lib: 5, conf: 0, latency: 0 ms]\n"
    )
    bench.log(Chunk("node/log", line, bench.clock.time, "p"))
    bench.loop.turn(0.0)
    assert bench.loop.pipelines["node"].memory.chain.received_at == START + 1


def test_positions_of_chunks_and_losses_are_handed_over_with_what_they_led_to() -> None:
    """The newest position of each source is in the same turn as its events; a loss is journaled with its place."""
    bench = Bench(WITH_LOG)
    bench.log(SourceUp("node/log", START))
    bench.log(Chunk("node/log", b"x\n", START, "one"))
    bench.log(Lost("node/log", START, 17, 100, "/x", "truncated", "two"))
    bench.loop.turn(0.0)
    assert bench.turned[-1].positions == {"node/log": "two"}
    lost = next(e for e in bench.turned[-1].entries if e.kind == "lost")
    assert "17 bytes lost from offset 100 of /x: truncated" in lost.text


def test_a_full_inbox_drops_answers_and_counts_them_but_never_lines() -> None:
    """Answers beyond the bound are dropped and told; nothing grows."""
    dropped: list[str] = []
    inbox = Inbox(dropped.append)
    emit = inbox.poster("node", "api")
    for _ in range(INBOX_ITEMS + 5):
        emit(Answers("node/api", ()))
    assert dropped == ["node"] * 5
    assert len(inbox) == INBOX_ITEMS


def test_items_of_a_subject_that_was_removed_are_ignored() -> None:
    """A reload may remove a node while its last answer is on the way."""
    bench = Bench(API_ONLY)
    bench.inbox.poster("gone", "api")(Answers("gone/api", ()))
    bench.loop.turn(0.0)


def test_a_subject_that_is_no_longer_watched_leaves_no_series_behind() -> None:
    """After a reload without the node, /metrics does not speak of it any more."""
    bench = Bench(API_ONLY)
    bench.pass_time(2, answering=True)
    bench.loop.measure.levels(bench.loop.pipelines.values(), bench.clock.time)
    assert b'"node"' in generate_latest(bench.metrics.registry)
    bench.loop.adopt([bench.loop.pipelines["keeper"]])
    assert b'"node"' not in generate_latest(bench.metrics.registry)


def test_producers_of_a_hostile_chain_cannot_grow_the_metrics() -> None:
    """Beyond the bound of names, windows are counted under `other`."""
    bench = Bench(API_ONLY)
    windows = [WindowClosed(START, START, f"bp{number}", 0, 0) for number in range(MAX_PRODUCERS + 50)]
    bench.loop.measure.events("node", "log", windows)
    page = generate_latest(bench.metrics.registry).decode()
    assert 'keeper_missed_blocks_total{node="node",producer="other"}' in page
    assert page.count("keeper_missed_blocks_total{") == MAX_PRODUCERS + 1
