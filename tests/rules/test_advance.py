"""Events at their times, deadlines at theirs, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keeper.core.event import BlocksMissed, Event, ForkSwitched, PeerCount, WindowClosed
from keeper.core.memory import View
from keeper.core.verdict import Verdict, failing, ok
from keeper.rules.advance import QUIET, advance
from keeper.rules.judge import Judge, Judged
from keeper.rules.own_missed import OwnMissed
from keeper.rules.rule import Rule
from keeper.rules.table import RULES
from tests.rules.build import T0, Scene, blocks, received


@dataclass(frozen=True, kw_only=True)
class Watching(Rule):
    """Notes when it was asked and how many peers it saw; asked again every `pace` seconds."""

    name = "watching"
    wakes = (ForkSwitched,)

    pace: float = 10.0
    fails: bool = False
    asked: list[tuple[float, int]] = field(default_factory=list)

    def judge(self, view: View) -> Verdict:
        self.asked.append((round(view.now - T0, 3), len(view.memory.ring(PeerCount))))
        return (failing if self.fails else ok)(f"asked {len(self.asked)}", until=view.now + self.pace)


def peers(*times: float) -> list[Event]:
    return [PeerCount(T0 + time, 1, 1) for time in times]


def go(scene: Scene, judge: Judge, events: Sequence[Event], upto: float) -> tuple[list[Judged], list[Event]]:
    followed: list[Event] = []
    return list(advance(scene.memory, judge, events, T0 + upto, followed.append)), followed


def watching(**options: object) -> tuple[Scene, Watching, Judge]:
    scene = Scene().sees("log", 0)
    rule = Watching(**options)  # type: ignore[arg-type]  # fields of Watching
    return scene, rule, Judge(scene.memory, [rule], T0)


def test_deadlines_between_events_are_kept() -> None:
    """With what was known then: the event of 12 comes after the question of 10."""
    scene, rule, judge = watching()
    go(scene, judge, peers(0, 3, 12, 25), 25)
    assert rule.asked == [(0, 0), (10, 2), (20, 3)]


def test_an_event_at_a_deadline_comes_after_it() -> None:
    """What fails at ten seconds fails at ten seconds."""
    scene, rule, judge = watching()
    go(scene, judge, peers(0, 10), 10)
    assert rule.asked == [(0, 0), (10, 1)]


def test_time_goes_on_without_events() -> None:
    """Up to `upto` and no further, over several calls."""
    scene, rule, judge = watching()
    for upto in (0, 15, 25, 25, 26):
        go(scene, judge, (), upto)
    assert rule.asked == [(0, 0), (10, 0), (20, 0)]
    assert judge.due == T0 + 30


def test_a_waking_event_asks_at_its_own_time() -> None:
    """Before the next event is taken."""
    scene, rule, judge = watching()
    go(scene, judge, [*peers(0, 1), ForkSwitched(T0 + 2, 1, 2, "x"), *peers(2.5, 3)], 5)
    assert rule.asked == [(0, 0), (2, 2)]


def test_the_last_event_wakes_too() -> None:
    """Nothing is left for the next call."""
    scene, rule, judge = watching()
    go(scene, judge, [ForkSwitched(T0 + 2, 1, 2, "x")], 5)
    assert rule.asked == [(2, 0), (2, 0)]


def test_time_never_runs_backwards() -> None:
    """Lines that come late are taken at the time already reached."""
    scene, rule, judge = watching()
    go(scene, judge, (), 8)
    go(scene, judge, [*peers(1), ForkSwitched(T0 + 2, 1, 2, "x")], 9)
    assert [time for time, _ in rule.asked] == [8, 8]


def test_windows_of_a_backlog_are_closed_by_the_times_of_the_log() -> None:
    """Time has come further than the log, in which a block came late but within the grace of our window."""
    scene = Scene().sees("log", -60, float("inf")).knows()
    judge = Judge(scene.memory, [OwnMissed()], T0)
    go(scene, judge, (), 500)
    events = blocks(-6, 8, without="a", first=988)
    late = received(5.5, 1000, "a", late=1.3, branch="f")
    _, followed = go(scene, judge, [*events[:13], late, *events[13:]], 501)
    assert [event for event in followed if isinstance(event, WindowClosed)] == [
        WindowClosed(T0 + 500, T0 - 6, "g", 12, 4095),
        WindowClosed(T0 + 500, T0, "a", 1, 1 << 11),
    ]


def test_an_event_from_the_future_does_not_take_time_along() -> None:
    """The clock of the log's host is wrong."""
    scene, rule, judge = watching()
    go(scene, judge, peers(0, 5000), 15)
    assert rule.asked == [(0, 0), (10, 1)]


def test_what_the_caller_told_is_heeded_at_the_time_of_the_call() -> None:
    """Not at that of the last one."""
    scene, rule, judge = watching()
    go(scene, judge, (), 1)
    scene.blinded("log", 4)
    go(scene, judge, (), 4)
    assert [time for time, _ in rule.asked] == [1, 4]


def test_windows_are_closed_at_their_times_and_wake_the_rules() -> None:
    """Our window of 0 to 6 was missed: known at 7, told to whoever counts."""
    scene = Scene().sees("log", -60, float("inf")).knows()
    judge = Judge(scene.memory, [OwnMissed()], T0 - 12)
    told, followed = go(scene, judge, blocks(-12, 9, without="a", first=976), 9)
    assert [(round(j.since - T0, 3), j.verdict.state.value) for j in told][-1] == (7.0, "failing")
    assert followed == [
        WindowClosed(T0 - 5, T0 - 12, "f", 12, 4095),
        BlocksMissed(T0 + 6.1, 12),
        WindowClosed(T0 + 6.1, T0 - 6, "g", 12, 4095),
        WindowClosed(T0 + 7, T0, "a", 0, 0),
    ]
    assert scene.memory.ring(WindowClosed).last == followed[-1]


def test_a_whole_batch_and_single_events_tell_the_same() -> None:
    """However the lines were cut into chunks."""
    told: list[list[tuple[float, str, str]]] = []
    for size in (1, 7, 10_000):
        scene = Scene(role="A").sees("log", -60, float("inf"))
        judge = Judge(scene.memory, [rule() for rule in RULES.values() if "node" in rule.kinds], T0)
        events: list[Event] = [*blocks(0, 150, without="c", own="a"), received(150, 2000, "z"), *peers(151, 180)]
        changes: list[tuple[float, str, str]] = []
        for start in range(0, len(events), size):
            batch = events[start : start + size]
            for judged in advance(scene.memory, judge, batch, batch[-1].at):
                changes.append((judged.since, judged.rule.name, judged.verdict.state.value))
        states: dict[str, str] = {}
        told.append([])
        for since, rule, state in changes:
            if states.get(rule) != state:
                states[rule] = state
                told[-1].append((since, rule, state))
    assert told[0] == told[1] == told[2]


def test_a_gap_of_days_costs_hundreds_of_questions() -> None:
    """A rule that wants to stay fresh every second is asked ever less often while nothing happens, and again at once
    when something does."""
    scene, rule, judge = watching(pace=1.0, fails=True)
    days = 30 * 86400.0
    go(scene, judge, peers(0, days, days + 1), days + 3)
    assert len(rule.asked) < QUIET + 1000
    assert [time for time, _ in rule.asked[-4:]] == [days, days + 1, days + 2, days + 3]


def test_exact_deadlines_are_kept_in_a_gap() -> None:
    """They are not for freshness."""
    scene, rule, judge = watching(pace=86400.0)
    go(scene, judge, peers(0, 3 * 86400.0), 3 * 86400.0)
    assert [time for time, _ in rule.asked] == [0, 86400, 172800, 259200, 259200]
