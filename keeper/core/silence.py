"""Maintenance: for a time, nobody is told of new failures. It ends by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Silence:
    """Holds back new firings of `rule` (None: of every rule) about `subject` (None: about every subject) from `since`
    until `until`, because of `why`; `who` asked for it. `id` is 0 until it is stored."""

    id: int
    since: float
    until: float
    why: str
    who: str
    rule: str | None = None
    subject: str | None = None


def silencing(silences: Iterable[Silence], rule: str, subject: str, now: float) -> Silence | None:
    """The silence in force for this rule and subject that ends last, None when there is none."""
    in_force = (
        silence
        for silence in silences
        if silence.since <= now < silence.until and silence.rule in (None, rule) and silence.subject in (None, subject)
    )
    return max(in_force, key=lambda silence: silence.until, default=None)
