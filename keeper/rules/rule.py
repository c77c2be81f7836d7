"""What every rule is: a frozen dataclass whose fields are its options, and `judge(view) -> Verdict`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from keeper.core.event import Event
from keeper.core.memory import Subject, View
from keeper.core.options import choice, duration, flag, names
from keeper.core.verdict import Verdict

SEVERITIES = ("critical", "warning", "info")


def routed_as(severity: str) -> Any:
    """The severity of a rule, with its default."""
    return choice(severity, SEVERITIES, "label of the alert: where it is routed")


def resolved_after(time: str) -> Any:
    """How long a rule must be well, with its default."""
    return duration(time, "how long it must be well before it is resolved")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The options every rule has. A rule keeps no state: what it needs to know of the past is in the view.

    `name` is the rule's name in the configuration, metrics and alerts; `kinds` the kinds of subject it judges; `after`
    the rules whose failure explains this one, so that one cause raises one alert; `wakes` the events after which a
    verdict may change before its `until`, and `heeds_ours` whether it may too when a producer of ours signs again;
    `rests` is for how many seconds it is left alone after an answer, however often it is woken.
    """

    @property
    def name(self) -> str:
        """A constant of the class; only a rule of the site has one of its own, which is its section's."""
        raise NotImplementedError

    kinds: ClassVar[tuple[str, ...]] = ("node",)
    after: ClassVar[tuple[str, ...]] = ()
    wakes: ClassVar[tuple[type, ...]] = ()
    heeds_ours: ClassVar[bool] = False
    rests: ClassVar[float] = 0.0

    enabled: bool = flag("yes", "no switches the rule off")
    severity: str = routed_as("critical")
    for_: float = duration("0s", "how long it must fail before it fires", key="for")
    recover: float = resolved_after("10s")
    subjects: tuple[str, ...] = names("", "names of the nodes, logs, endpoints or agents it judges; empty: all")

    def remembers(self) -> float:
        """For how many seconds a single thing counts, of a rule that tells of such; 0 where what fails lasts.

        keeper remembers no events over its own restart: for so long after it, that nothing is known proves nothing.
        """
        return 0.0

    def heeds(self, event: Event, before: Event | None, subject: Subject) -> bool:
        """Whether an event of the kinds it wakes for can change its answer about this subject; `before` is the last one
        of that kind."""
        return True

    def holds(self, view: View) -> float:
        """Until when an OK given before is known to hold now, where that costs less than to judge anew; else 0.0."""
        return 0.0

    @abstractmethod
    def judge(self, view: View) -> Verdict:
        """Judge one subject now. Never raises; answers UNKNOWN, with the reason, for what cannot be seen."""
