"""The alerts of one subject: steps each of them when its verdict changes or its time has come.

Alarms keep the verdicts they were told of, so that a step that was due before a verdict changed is made with the
verdict that held then: a replay that jumps over an hour fires what that hour would have fired.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from keeper.core.alert import FIRING, INACTIVE, Alert, Policy, Transition, due, rests, step
from keeper.core.verdict import FAILING, OK, UNKNOWN, Verdict, unknown
from keeper.rules.judge import Judged
from keeper.rules.rule import Rule

Silenced = Callable[[str, str, float], str | None]
"""(subject, rule, now) → why new alerts of it are held back, or None."""


class Alarms:
    """Alerts by rule. `due` is when the next of them may change though no verdict does."""

    def __init__(
        self, rules: Sequence[Rule], alerts: Mapping[str, Alert], silenced: Silenced, former: Alarms | None = None
    ) -> None:
        """`former` is what this one takes the place of, if keeper was running already."""
        self.alerts = dict(alerts)
        self.silenced = silenced
        self.due = float("inf")
        self._rules = {rule.name: rule for rule in rules}
        self._policies = {
            rule.name: Policy(severity=rule.severity, for_=rule.for_, recover=rule.recover) for rule in rules
        }
        self._verdicts: dict[str, Verdict] = {}
        # Of these it must be known until when another rule explained them, though they are well.
        self._explainable = frozenset(rule.name for rule in rules if rule.after and rule.remembers())
        self._explained: dict[str, tuple[float, str]] = {}
        self._proved_from: dict[str, float] = {}
        self._changed: set[str] = set()
        self._now = float("-inf")
        if former is not None:
            self._verdicts = {name: verdict for name, verdict in former._verdicts.items() if name in self._rules}
            self._explained = dict(former._explained)
            self._proved_from = dict(former._proved_from)
            self._now = self.due = former._now

    def woken(self, now: float) -> None:
        """Take up what an earlier keeper left: what fires because something happened, is over only when keeper itself
        has looked for as long as that counts."""
        for name, alert in self.alerts.items():
            if alert.phase is FIRING and (remembers := self._rules[name].remembers()):
                self._proved_from[name] = now + remembers

    def judged(self, judged: Judged, changed: bool, now: float) -> list[Transition]:
        """A rule answered. What was due before is stepped with the verdicts that held then; what follows from this one
        is stepped by `until`, when all that were judged at the same moment are known."""
        transitions: list[Transition] = []
        while self.due < now:
            transitions += self._step(self.due)
        before, verdict = self._verdicts.get(judged.rule.name), judged.verdict
        if changed or (before is not None and before.happened != verdict.happened):
            self.due = min(self.due, now)
        self._verdicts[judged.rule.name] = verdict
        self._reword(judged)
        return transitions

    def _reword(self, judged: Judged) -> None:
        """Keep the words of a firing alert fresh: the number of seconds grows, another window was missed."""
        alert, verdict = self.alerts[judged.rule.name], judged.verdict
        if alert.phase is FIRING and verdict.state is FAILING:
            self.alerts[judged.rule.name] = alert._replace(reason=verdict.reason, number=verdict.number)

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
        """The rule that explains this one: it fails now, or its alert has not been resolved yet. Of two that explain
        each other, the one that fires first explains the other."""
        for cause in self._rules[rule].after:
            verdict, alert = self._verdicts.get(cause), self.alerts.get(cause)
            if alert is not None and alert.phase is FIRING:
                return cause
            if verdict is not None and verdict.state is FAILING and rule not in self._rules[cause].after:
                return cause
        return None

    def _cause(self, rule: str, verdict: Verdict, now: float) -> str | None:
        """As `explained`; what happened while another rule explained it stays explained by it."""
        if (cause := self.explained(rule)) is not None:
            self._explained[rule] = (now, cause)
            return cause
        until, cause = self._explained.get(rule, (float("-inf"), None))
        return cause if verdict.happened is not None and verdict.happened <= until else None

    def _believed(self, rule: str, verdict: Verdict, now: float) -> Verdict:
        """That a rule knows of nothing is no recovery while keeper has not looked long enough."""
        proved = self._proved_from.get(rule)
        if proved is None:
            return verdict
        if verdict.state is OK and now < proved:
            return unknown("keeper was restarted and remembers nothing before", until=proved)
        if verdict.state is not UNKNOWN:
            del self._proved_from[rule]
        return verdict

    def _step(self, now: float) -> list[Transition]:
        """Step all, and again while that makes one fire or end, because others may have waited for it."""
        self._now = now = max(now, self._now)
        transitions: list[Transition] = []
        for _ in self._verdicts:
            told = self._step_each(now)
            transitions += told
            if not told:
                break
        return transitions

    def _step_each(self, now: float) -> list[Transition]:
        transitions: list[Transition] = []
        soonest = float("inf")
        for name, judged in self._verdicts.items():
            alert = self.alerts[name]
            if alert.phase is INACTIVE and judged.state is not FAILING and name not in self._explainable:
                continue
            policy = self._policies[name]
            if name not in self._proved_from and rests(alert, judged, now):
                if name in self._explainable:
                    self._cause(name, judged, now)
                soonest = min(soonest, due(alert, now, policy))
                continue
            verdict = self._believed(name, judged, now)
            stepped, transition = step(
                alert, verdict, now, policy, self._cause(name, verdict, now), self.silenced(alert.subject, name, now)
            )
            if stepped is not alert:
                self.alerts[name] = stepped
                self._changed.add(name)
            if transition is not None:
                transitions.append(transition)
            proved = self._proved_from.get(name, 0.0)
            soonest = min(soonest, max(due(stepped, now, policy), now + 0.001), proved if proved > now else soonest)
        self.due = soonest
        return transitions
