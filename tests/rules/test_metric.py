"""Rules of the site about what collectors measure."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.alarms import Alarms
from keeper.core.alert import Alert
from keeper.core.batch import Answers, SourceDown, SourceUp
from keeper.core.event import Event, PointSeen
from keeper.core.memory import Bounds, Memory, Subject, View
from keeper.core.verdict import State, Verdict
from keeper.pipeline import Pipeline
from keeper.rules.judge import Judge
from keeper.rules.metric import Condition, MetricRule, read_condition

T0 = 1_800_000_000.0
Pairs = list[tuple[float, float]]


def seen(pairs: Pairs, metric: str = "m", lasts: float = 30.0, **tags: str) -> list[Event]:
    return [PointSeen(T0 + at, metric, tuple(sorted(tags.items())), T0 + at, value, lasts) for at, value in pairs]


def judge(condition: str, events: list[Event], now: float, **rule: Any) -> Verdict:
    """The verdict `now` seconds after T0, in sight all the time."""
    memory = Memory(Subject("collectors", "collectors", sources=frozenset({"collectors"})), Bounds(100), 1.0, T0)
    memory.sees("collectors", T0)
    events = sorted(events, key=lambda event: event.at)
    if events:
        memory.take(events, 0, len(events))
    memory.sees("collectors", T0 + now)
    made = MetricRule(name="mine", condition=read_condition(condition), **rule)
    return made.judge(View(memory, T0 + now))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("df.percent above 90 for 5m", Condition("df.percent", (), "above", 90.0, 300.0)),
        (
            "df.percent  mount=/  host=*  below  -1.5",
            Condition("df.percent", (("host", "*"), ("mount", "/")), "below", -1.5, 0.0),
        ),
        ("a.b rate above 1e3 for 10s", Condition("a.b", (), "rate above", 1000.0, 10.0)),
        ("a.b rate  below 0", Condition("a.b", (), "rate below", 0.0, 0.0)),
        ("a.b absent for 2m", Condition("a.b", (), "absent", 0.0, 120.0)),
        ("a.b x=y flat for 1h", Condition("a.b", (("x", "y"),), "flat", 0.0, 3600.0)),
    ],
)
def test_a_condition_is_read(text: str, condition: Condition) -> None:
    assert read_condition(text) == condition


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("df.percent > 90", "is no condition; write METRIC"),
        ("df.percent above ninety", "is no condition"),
        ("df.percent above", "is no condition"),
        ("df.percent absent", "does not say for how long"),
        ("df.percent flat", "does not say for how long"),
        ("df.percent above 90 for 5", "is not a duration"),
        ("df.percent a=b a=c above 90", "names a tag twice"),
        ("", "is no condition"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_cure(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_condition(text)


@pytest.mark.parametrize(
    ("condition", "points", "now", "state", "reason"),
    [
        ("m above 90", [(0, 95)], 1, State.FAILING, "m is 95, above 90"),
        ("m above 90", [(0, 90)], 1, State.OK, "m is 90"),
        ("m below 5", [(0, 4.5)], 1, State.FAILING, "m is 4.5, below 5"),
        ("m above 90 for 20s", [(0, 95), (15, 96)], 19, State.OK, "m is 96"),
        ("m above 90 for 20s", [(0, 95), (15, 96)], 20, State.FAILING, "m is 96, above 90 for 20 s"),
        ("m above 90 for 20s", [(0, 95), (10, 80), (15, 96)], 25, State.OK, "m is 96"),
        ("m above 90 for 40s", [(0, 95), (60, 96)], 65, State.OK, "m is 96"),  # 30 s of it nobody knew
        ("m above 90", [(0, 95)], 31, State.UNKNOWN, "m was last measured 31 s ago"),
        ("m above 90", [], 5, State.UNKNOWN, "m has not been measured yet"),
        ("m rate above 10", [(0, 0), (10, 50)], 11, State.OK, "m changes by 5 a second"),
        ("m rate above 10", [(0, 0), (10, 200)], 11, State.FAILING, "m changes by 20 a second, above 10"),
        ("m rate above 10", [(0, 10_000), (10, 300)], 11, State.FAILING, "m changes by 30 a second, above 10"),
        (
            "m rate above 10 for 15s",
            [(0, 0), (10, 200), (20, 400)],
            21,
            State.FAILING,
            "m changes by 20 a second, above 10 for 21 s",
        ),
        ("m rate above 10 for 15s", [(0, 0), (10, 5), (20, 400)], 21, State.OK, "m changes by 39.5 a second"),
        ("m rate below -1", [(0, 100), (10, 50)], 11, State.FAILING, "m changes by -5 a second, below -1"),
        ("m rate above 10", [(0, 0)], 1, State.OK, "m changes by 0 a second"),
        ("m flat for 20s", [(0, 7), (10, 7), (20, 7)], 21, State.FAILING, "m has not changed for 21 s"),
        ("m flat for 20s", [(0, 7), (10, 8), (20, 8)], 21, State.OK, "m changed 11 s ago"),
        ("m flat for 20s", [(0, 7), (50, 7)], 55, State.OK, "m changed 5 s ago"),
        ("m absent for 20s", [(0, 7)], 19, State.OK, "m is measured"),
        ("m absent for 20s", [(0, 7)], 20, State.FAILING, "m has not been measured for 20 s"),
        ("m absent for 20s", [], 19, State.UNKNOWN, "m has not been measured yet"),
        ("m absent for 20s", [], 20, State.FAILING, "m has not been measured for 20 s"),
    ],
)
def test_what_a_rule_says(condition: str, points: Pairs, now: float, state: State, reason: str) -> None:
    verdict = judge(condition, seen(points), now)
    assert (verdict.state, verdict.reason) == (state, reason)


def test_it_speaks_of_the_worst_and_counts_the_others() -> None:
    """Of all series that match; tags choose among them."""
    events = seen([(0, 95)], mount="/") + seen([(0, 99)], mount="/data") + seen([(0, 100)], "other", mount="/")
    assert judge("m above 90", events, 1).reason == "m mount=/data is 99, above 90 (and 1 more series)"
    assert judge("m mount=/ above 90", events, 1).reason == "m mount=/ is 95, above 90"
    assert judge("m mount=* above 98", events, 1).reason == "m mount=/data is 99, above 98"
    assert judge("m below 98", events, 1).reason == "m mount=/ is 95, below 98"
    assert judge("m mount=/no above 90", events, 1).state is State.UNKNOWN
    assert judge("m host=* above 90", events, 1).state is State.UNKNOWN


def test_a_series_that_went_quiet_does_not_hide_another() -> None:
    events = seen([(0, 99)], mount="/old") + seen([(40, 50)], mount="/")
    assert judge("m above 90", events, 41).reason == "m mount=/ is 50"


def test_nothing_is_said_while_the_scripts_cannot_be_heard() -> None:
    """Neither that something is too high nor that it is absent: absence counts from when they are heard again."""
    memory = Memory(Subject("collectors", "collectors", sources=frozenset({"collectors"})), Bounds(100), 1.0, T0)
    absent = MetricRule(name="mine", condition=read_condition("m absent for 20s"))
    assert absent.judge(View(memory, T0 + 30)).state is State.UNKNOWN
    memory.sees("collectors", T0)
    memory.blinded("collectors", T0 + 10, "the runner is gone")
    verdict = absent.judge(View(memory, T0 + 60))
    assert (verdict.state, verdict.reason) == (State.UNKNOWN, "the collectors cannot be heard: the runner is gone")
    memory.sees("collectors", T0 + 60)
    assert absent.judge(View(memory, T0 + 79)).state is State.UNKNOWN
    memory.sees("collectors", T0 + 80)
    assert absent.judge(View(memory, T0 + 80)).state is State.FAILING


def pipeline(rule: MetricRule) -> Pipeline:
    memory = Memory(Subject("collectors", "collectors", sources=frozenset({"collectors"})), Bounds(100), 1.0, T0)
    return Pipeline(
        memory, Judge(memory, [rule], T0), Alarms([rule], {"mine": Alert("mine", "collectors")}, lambda *_: None), None
    )


def test_a_deadline_is_kept_to_the_moment() -> None:
    """It fires when its time is over though nothing arrives, and is unknown when the value is too old."""
    rule = MetricRule(name="mine", condition=read_condition("m above 90 for 20s"))
    line = pipeline(rule)
    line.take(SourceUp("collectors", T0), "collectors", T0, 0.0)
    line.take(Answers("collectors", tuple(seen([(1, 95)]))), "collectors", T0 + 1, 0.0)

    def stands_at(seconds: float) -> State:
        line.memory.sees("collectors", T0 + seconds)
        line.advance((), T0 + seconds)
        return line.judge.judged["mine"].verdict.state

    assert stands_at(2) is State.OK
    assert stands_at(22) is State.FAILING
    assert line.judge.judged["mine"].since == T0 + 21
    assert stands_at(32) is State.UNKNOWN
    line.take(SourceDown("collectors", T0 + 33, "gone"), "collectors", T0 + 33, 0.0)
    assert line.judge.judged["mine"].verdict.reason == "the collectors cannot be heard: gone"


def test_memory_is_bounded_and_makes_room() -> None:
    """Series beyond the bound are counted and left out, until some have gone quiet."""
    memory = Memory(Subject("collectors", "collectors"), Bounds(3), 1.0, T0)
    memory.points._series = 2  # a bound small enough to reach
    events = [event for n in range(3) for event in seen([(0, n)], n=str(n))]
    memory.take(events, 0, len(events))
    assert (len(memory.points), memory.points.forgotten) == (2, 1)
    more = seen([(60, 1), (61, 2), (62, 3), (63, 4)], n="new")
    memory.take(more, 0, len(more))
    [track] = memory.points.of("m", [("n", "new")])
    assert [sample.value for sample in track.samples] == [2, 3, 4]
