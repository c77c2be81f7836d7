"""The alerts of one subject: steps each of them when its verdict changes or its time has come.

Alarms keep the verdicts they were told of, so that a step that was due before a verdict changed is made with the
verdict that held then: a replay that jumps over an hour fires what that hour would have fired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from keeper.core.alert import Alert, Phase, Policy, Transition, due, step
from keeper.core.verdict import State, Verdict
from keeper.rules.judge import Judged
from keeper.rules.rule import Rule

Silenced = Callable[[str, str, float], str | None]
"""(subject, rule, now) → why new alerts of it are held back, or None."""


class Alarms:
    """Alerts by rule. `due` is when the next of them may change though no verdict does."""

    def __init__(self, rules: Sequence[Rule], alerts: Mapping[str, Alert], silenced: Silenced) -> None:
        self.alerts = dict(alerts)
        self.silenced = silenced
        self.due = float("inf")
        self._rules = {rule.name: rule for rule in rules}
        self._policies = {
            rule.name: Policy(severity=rule.severity, for_=rule.for_, recover=rule.recover) for rule in rules
        }
        self._verdicts: dict[str, Verdict] = {}
        self._changed: set[str] = set()

    def judged(self, judged: Judged, changed: bool) -> list[Transition]:
        """A rule answered: everything due before is stepped first, then, if its state changed, all alerts."""
        transitions = self.until(judged.since) if changed else []
        self._verdicts[judged.rule.name] = judged.verdict
        if changed:
            transitions += self._step(judged.since)
        else:
            self._reword(judged)
        return transitions

    def _reword(self, judged: Judged) -> None:
        """Keep the words of a firing alert fresh: the number of seconds grows, another window was missed."""
        alert, verdict = self.alerts[judged.rule.name], judged.verdict
        if alert.phase is Phase.FIRING and verdict.state is State.FAILING:
            self.alerts[judged.rule.name] = replace(alert, reason=verdict.reason, number=verdict.number)

    def until(self, now: float) -> list[Transition]:
        """Step what is due up to `now`."""
        transitions: list[Transition] = []
        while self.due <= now:
            transitions += self._step(self.due)
        return transitions

    def restep(self, now: float) -> list[Transition]:
        """Step everything now: a silence began or ended."""
        return self.until(now) + self._step(now)

    def changed(self) -> list[Alert]:
        """The alerts that are not what they were when this was asked last: what the database does not know yet."""
        changed = [self.alerts[name] for name in sorted(self._changed)]
        self._changed.clear()
        return changed

    def explained(self, rule: str) -> str | None:
        """The failing rule that explains this one: it fails now, or its alert has not been resolved yet."""
        for cause in self._rules[rule].after:
            verdict, alert = self._verdicts.get(cause), self.alerts.get(cause)
            if (verdict is not None and verdict.state is State.FAILING) or (
                alert is not None and alert.phase is Phase.FIRING
            ):
                return cause
        return None

    def _step(self, now: float) -> list[Transition]:
        transitions: list[Transition] = []
        soonest = float("inf")
        for name, verdict in self._verdicts.items():
            alert, policy = self.alerts[name], self._policies[name]
            stepped, transition = step(
                alert, verdict, now, policy, self.explained(name), self.silenced(alert.subject, name, now)
            )
            if stepped is not alert:
                self.alerts[name] = stepped
                self._changed.add(name)
            if transition is not None:
                transitions.append(transition)
            soonest = min(soonest, max(due(stepped, now, policy), now + 0.001))
        self.due = soonest
        return transitions
