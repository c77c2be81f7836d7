"""A watched HTTP endpoint does not answer as it should."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

from keeper.core.event import AnswerFailed, EndpointAnswer
from keeper.core.memory import View
from keeper.core.options import duration
from keeper.core.verdict import FOREVER, Verdict, failing, ok, unknown
from keeper.rules.looks import FRESH
from keeper.rules.phrases import quoted, span
from keeper.rules.rule import Rule


@dataclass(frozen=True, kw_only=True)
class EndpointFailing(Rule):
    """No answer with the expected status for `window`, or the watched field is out of its range or does not change.

    What is expected is configured with the endpoint.
    """

    name = "endpoint_failing"
    kinds = ("endpoint",)
    wakes = (EndpointAnswer,)

    window: float = duration("5s", "how long there may be no good answer", minimum=1)

    def judge(self, view: View) -> Verdict:
        sight = view.sight("endpoint")
        if sight is None:
            return unknown("no endpoint is configured")
        expected = view.subject.expected
        good = next((a for a in view.newest_first(EndpointAnswer) if a.status == expected.status), None)
        since = sight.known_from if good is None else max(good.at, sight.known_from)
        silent = view.now - since
        if silent >= self.window:
            if blind := sight.blind(view.now):
                return unknown(f"the endpoint is not being asked: {blind}", until=view.now + FRESH)
            reason = f"no good answer for {span(silent)}{_why(view, since)}"
            return failing(reason, silent, until=view.now + FRESH)
        if good is None:
            return unknown("no answer yet", until=min(since + self.window, view.now + FRESH))
        value = _value_verdict(view, good)
        return value._replace(until=min(value.until, since + self.window))


def _why(view: View, since: float) -> str:
    """The last thing that went wrong."""
    failed = view.last(AnswerFailed)
    answer = view.last(EndpointAnswer)
    if answer is not None and answer.at > since and (failed is None or failed.at < answer.at):
        return f": it answers with status {answer.status}, not {view.subject.expected.status}"
    return f": {failed.reason}" if failed is not None and failed.at > since else ""


def _value_verdict(view: View, answer: EndpointAnswer) -> Verdict:
    expected = view.subject.expected
    took = f"answered in {answer.took * 1000:.0f} ms"
    if answer.value is None:
        return ok(took, answer.took)
    shown = quoted(answer.value)
    if expected.least is not None or expected.most is not None:
        number = _number(answer.value)
        if number is None:
            return failing(f"the value {shown!r} is not a number", None, until=view.now + FRESH)
        if expected.least is not None and number < expected.least:
            reason = f"the value {shown} is below {expected.least:g}"
            return failing(reason, number, until=view.now + FRESH)
        if expected.most is not None and number > expected.most:
            reason = f"the value {shown} is above {expected.most:g}"
            return failing(reason, number, until=view.now + FRESH)
    until = FOREVER
    since = view.memory.value_since
    if expected.changes_within and since is not None:
        until = since + expected.changes_within
        same = answer.at - since
        if same >= expected.changes_within:
            return failing(f"the value {shown} has not changed for {span(same)}", same, until=view.now + FRESH)
    return ok(f"{took}, the value is {shown}", answer.took, until=max(until, view.now))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if isnan(number) else number
