"""The alerts of one subject together: what explains what, and for how long. All rules are at their defaults."""

from __future__ import annotations

from graphlib import TopologicalSorter

from keeper.alarms import Alarms
from keeper.core.alert import Alert, Phase
from keeper.core.verdict import State, Verdict, failing, ok
from keeper.rules.judge import Judged
from keeper.rules.table import RULES

NODE = "tokyo"
MADE = {name: rule() for name, rule in RULES.items()}
BAD = failing("bad")
WELL = ok("well")


class Story:
    """Tells alarms of verdicts at given times and keeps what they led to."""

    def __init__(self, **left: Alert) -> None:
        """`left` are the alerts an earlier keeper left; this one starts at 0."""
        alerts = {name: Alert(name, NODE) for name in RULES}
        self._alarms = Alarms(list(MADE.values()), {**alerts, **left}, lambda _subject, _rule, _now: None)
        self._alarms.woken(0)
        self._states: dict[str, State] = {}

    def at(self, now: float, **verdicts: Verdict) -> set[str]:
        """What happens up to `now`, when these verdicts are told: `RULE firing`, `RULE resolved`."""
        told = self._alarms.until(now)
        for name, verdict in verdicts.items():
            changed = self._states.get(name) is not verdict.state
            self._states[name] = verdict.state
            told += self._alarms.judged(Judged(MADE[name], NODE, verdict, now), changed, now)
        told += self._alarms.until(now)
        return {f"{transition.rule} {transition.kind}" for transition in told}

    def held(self, rule: str) -> str | None:
        return self._alarms.alerts[rule].held


def test_a_hang_is_one_alert_although_its_effects_last_longer() -> None:
    """What follows from a failure is held until the failure's own alert is resolved, not only while it lasts."""
    story = Story()
    assert story.at(5, http_down=BAD) == {"http_down firing"}
    assert story.at(10, head_stalled=BAD) == set()
    assert story.at(20, lib_stalled=BAD, log_silent=BAD) == set()
    assert story.held("lib_stalled") == "caused by http_down"
    assert story.at(26, http_down=WELL, head_stalled=WELL, log_silent=WELL) == set()
    assert story.at(30, lib_stalled=WELL) == set()
    assert story.at(60) == {"http_down resolved"}


def test_what_still_fails_after_its_cause_is_told_then() -> None:
    """An effect that outlives its cause is a failure of its own."""
    story = Story()
    story.at(5, head_stalled=BAD)
    story.at(20, lib_stalled=BAD)
    assert story.at(30, head_stalled=WELL) == set()
    assert story.at(51) == {"head_stalled resolved", "lib_stalled firing"}


def test_an_island_that_moves_in_its_own_turns_does_not_flap() -> None:
    """Of two rules that explain each other the first to fire speaks; when it ends, the other takes over for good."""
    story = Story()
    assert story.at(10, head_stalled=BAD) == {"head_stalled firing"}
    assert story.at(24, head_stalled=WELL) == set()
    assert story.at(30, few_producers=BAD) == set()
    assert story.at(44) == {"head_stalled resolved", "few_producers firing"}
    for turn in range(60, 400, 60):
        assert story.at(turn, head_stalled=BAD) == set()
        assert story.at(turn + 15, head_stalled=WELL) == set()
    assert story.at(500, few_producers=WELL) == set()
    assert story.at(505, head_stalled=BAD) == set()
    assert story.at(520) == {"few_producers resolved", "head_stalled firing"}


def test_two_that_explain_each_other_do_not_silence_each_other() -> None:
    """Both fail in one moment: exactly one alert fires."""
    story = Story()
    story.at(0, head_stalled=WELL, few_producers=WELL)
    assert story.at(10, few_producers=BAD, head_stalled=BAD) == {"head_stalled firing"}


def test_something_that_happened_under_a_cause_is_not_told_when_the_cause_is_over() -> None:
    """A gap in the chain is explained by the standstill that made it, also in the minutes it is remembered."""
    story = Story()
    story.at(10, head_stalled=BAD)
    assert story.at(24, missed_blocks=failing("a gap", happened=24), head_stalled=WELL) == set()
    assert story.at(45) == {"head_stalled resolved"}
    assert story.held("missed_blocks") == "caused by head_stalled"
    assert story.at(50, missed_blocks=failing("a gap, 26 s ago", happened=24)) == set()
    assert story.at(60, missed_blocks=failing("another gap", happened=60)) == {"missed_blocks firing"}


def test_a_restart_that_forgot_what_happened_does_not_say_that_it_is_over() -> None:
    """An alert about a single thing fires on until keeper itself has looked as long as such a thing counts."""
    fires = Alert("double_production", NODE, Phase.FIRING, since=-50, started=-50, blind_since=-5, incident=1)
    story = Story(double_production=fires)
    assert story.at(1, double_production=WELL) == set()
    assert story.at(600) == set()
    assert story.at(611) == {"double_production resolved"}


def test_a_thing_that_happens_again_after_a_restart_recovers_as_usual() -> None:
    """Once seen by this keeper, its own memory decides when it is over."""
    fires = Alert("fork", NODE, Phase.FIRING, since=-50, started=-50, blind_since=-5, incident=1)
    story = Story(fork=fires)
    assert story.at(1, fork=WELL) == set()
    assert story.at(5, fork=failing("again", happened=5)) == set()
    assert story.at(50, fork=WELL) == set()
    assert story.at(61) == {"fork resolved"}


def test_a_restart_does_not_hold_up_what_lasts() -> None:
    """What can be seen now needs no memory: an API that answers is up."""
    fires = Alert("http_down", NODE, Phase.FIRING, since=-50, started=-50, blind_since=-5, incident=1)
    story = Story(http_down=fires)
    assert story.at(1, http_down=WELL) == set()
    assert story.at(12) == {"http_down resolved"}


def test_packets_that_failed_in_an_outage_are_told_once() -> None:
    """They count as failures for minutes after it; those that fail when it has been resolved are news."""
    story = Story()
    begun = {"delivery_outage": BAD, "delivery_failing": failing("31 of 40", happened=59)}
    assert story.at(60, **begun) == {"delivery_outage firing"}
    assert story.at(90, delivery_outage=WELL, delivery_failing=failing("50 of 60", happened=89)) == set()
    assert story.at(100) == {"delivery_outage resolved"}
    assert story.at(200, delivery_failing=failing("50 of 90", happened=89)) == set()
    assert story.at(210, delivery_failing=failing("51 of 95", happened=210)) == set(), "its `for` begins"
    assert story.at(284, delivery_failing=failing("60 of 120", happened=280)) == set()
    assert story.at(286, delivery_failing=failing("61 of 121", happened=286)) == {"delivery_failing firing"}


def test_no_circle_of_causes_can_silence_all_of_its_rules() -> None:
    """Whatever fails at once, at least one rule of it is free to fire: causes form no circle but pairs."""
    one_sided = {
        name: {cause for cause in rule.after if name not in RULES[cause].after} for name, rule in RULES.items()
    }
    assert list(TopologicalSorter(one_sided).static_order())
