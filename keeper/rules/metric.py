"""A rule of the site about what collectors measure: `[rule:NAME] metric = df.percent mount=/ above 90 for 5m`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from keeper.core.event import Event, PointSeen
from keeper.core.memory import Subject, View
from keeper.core.options import option, read_duration
from keeper.core.points import Tags, Track
from keeper.core.verdict import Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import span
from keeper.rules.rule import Rule, routed_as

SOURCE = "collectors"
_WORD = r"[-_./a-zA-Z0-9]+"
_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_WRITTEN = re.compile(
    rf"({_WORD})((?:\s+{_WORD}=(?:\*|{_WORD}))*)\s+"
    rf"(?:(above|below|rate\s+above|rate\s+below)\s+({_NUMBER})|(absent|flat))(?:\s+for\s+(\S+))?"
)
HOW_TO = (
    "write METRIC [TAG=VALUE ...] above|below|rate above|rate below NUMBER [for TIME], or METRIC [TAG=VALUE ...] "
    "absent|flat for TIME, such as df.percent mount=/ above 90 for 5m"
)


class Condition(NamedTuple):
    """`says` is `above`, `below`, `rate above`, `rate below`, `absent` or `flat`; `limit` belongs to the first four, a
    rate is in units a second; `seconds` for how long it must have been so."""

    metric: str
    tags: Tags
    says: str
    limit: float
    seconds: float

    @property
    def series(self) -> str:
        return " ".join((self.metric, *(f"{name}={value}" for name, value in self.tags)))


def read_condition(text: str) -> Condition:
    """Raises ValueError with how to write it."""
    match = _WRITTEN.fullmatch(" ".join(text.split()))
    if not match:
        raise ValueError(f"{text!r} is no condition; {HOW_TO}")
    metric, tags, compares, number, state, time = match.groups()
    pairs = tuple(sorted(_pair(word) for word in tags.split()))
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError(f"{text!r} names a tag twice")
    if state and not time:
        raise ValueError(f"{text!r} does not say for how long; {HOW_TO}")
    seconds = read_duration(time) if time else 0.0
    return Condition(metric, pairs, compares or state, float(number) if number else 0.0, seconds)


def _pair(word: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name, value


@dataclass(frozen=True, kw_only=True)
class MetricRule(Rule):
    """Something a collector measures is above or below a limit, rises or falls too fast, does not change, or is not
    measured at all. Judges every series the condition matches, and speaks of the worst.

    A name of its own in the configuration makes another rule of this kind.
    """

    kinds = ("collectors",)
    wakes = (PointSeen,)
    rests = 0.25

    name: str = ""
    severity: str = routed_as("warning")
    condition: Condition = option(  # noqa: RUF009  # a field
        None, read_condition, "what must not be, such as df.percent mount=/ above 90 for 5m", key="metric"
    )

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        return isinstance(event, PointSeen) and event.metric == self.condition.metric

    def judge(self, view: View) -> Verdict:
        sight = view.sight(SOURCE)
        if sight is None:
            return unknown("no collectors are configured")
        if blind := sight.blind(view.now):
            return unknown(f"the collectors cannot be heard: {blind}", until=view.now + FRESH)
        tracks = view.memory.points.of(self.condition.metric, self.condition.tags)
        fresh = [track for track in tracks if track.known_until > view.now]
        if self.condition.says == "absent":
            return self._absence(view, tracks, sight.known_from)
        if not fresh:
            return unknown(self._unseen(view, tracks), until=view.now + FRESH)
        return self._worst(view, fresh)

    def _unseen(self, view: View, tracks: list[Track]) -> str:
        if not tracks:
            return f"{self.condition.series} has not been measured yet"
        last = max(track.last.at for track in tracks)
        return f"{self.condition.series} was last measured {span(view.now - last)} ago"

    def _absence(self, view: View, tracks: list[Track], known_from: float) -> Verdict:
        wanted = self.condition.seconds
        last = max((track.last.at for track in tracks), default=None)
        since = known_from if last is None else max(last, known_from)
        missing = view.now - since
        if missing >= wanted:
            reason = f"{self.condition.series} has not been measured for {span(missing)}"
            return failing(reason, missing, until=view.now + FRESH)
        if last is None:
            return unknown(self._unseen(view, tracks), until=since + wanted)
        return ok(f"{self.condition.series} is measured", missing, until=since + wanted)

    def _worst(self, view: View, tracks: list[Track]) -> Verdict:
        condition = self.condition
        seen = [_Seen(*_judge(track, condition, view.now), track.text) for track in tracks]
        long = [one for one in seen if view.now - one.since >= condition.seconds]
        worst = min if condition.says.endswith("below") else max
        if long:
            one = worst(long)
            more = f" (and {len(long) - 1} more series)" if len(long) > 1 else ""
            reason = f"{one.text} {_said(condition, one.number, view.now - one.since)}{more}"
            return failing(reason, one.number, until=view.now + FRESH)
        one = worst(seen)
        soonest = min(one.since for one in seen) + condition.seconds
        known = min(track.known_until for track in tracks)
        return ok(f"{one.text} {_well(condition, one.number)}", one.number, until=min(soonest, known))


class _Seen(NamedTuple):
    """`number` is what decides, and `since` since when it has been as it must not be; infinity when it is not."""

    number: float
    since: float
    text: str


def _judge(track: Track, condition: Condition, now: float) -> tuple[float, float]:
    if condition.says == "flat":
        return now - track.changed, track.changed
    if condition.says.startswith("rate"):
        return _rate(track, condition)
    value = track.last.value
    if not _beyond(value, condition):
        return value, inf
    since = track.last.at
    for _, older in track.steps():
        if not _beyond(older.value, condition):
            break
        since = older.at
    return value, since


def _rate(track: Track, condition: Condition) -> tuple[float, float]:
    """The newest rate; a counter that fell began anew at nought, as counters do."""
    newest, since = 0.0, inf
    for number, (newer, older) in enumerate(track.steps()):
        elapsed = newer.time - older.time
        if elapsed <= 0:
            break
        grown = newer.value - older.value
        if grown < 0 and condition.says == "rate above":
            grown = newer.value
        rate = grown / elapsed
        newest = newest if number else rate
        if not _beyond(rate, condition):
            break
        since = older.at
    return newest, since


def _beyond(number: float, condition: Condition) -> bool:
    return number < condition.limit if condition.says.endswith("below") else number > condition.limit


def _said(condition: Condition, number: float, seconds: float) -> str:
    if condition.says == "flat":
        return f"has not changed for {span(seconds)}"
    lasted = f" for {span(seconds)}" if condition.seconds else ""
    if condition.says.startswith("rate"):
        return f"changes by {number:.6g} a second, {condition.says[5:]} {condition.limit:g}{lasted}"
    return f"is {number:.6g}, {condition.says} {condition.limit:g}{lasted}"


def _well(condition: Condition, number: float) -> str:
    if condition.says == "flat":
        return f"changed {span(number)} ago"
    if condition.says.startswith("rate"):
        return f"changes by {number:.6g} a second"
    return f"is {number:.6g}"


def watched(rules: Iterable[Rule]) -> list[Condition]:
    """What these rules want to know of all that is measured."""
    return [rule.condition for rule in rules if isinstance(rule, MetricRule) and rule.enabled]
