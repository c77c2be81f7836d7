"""What a rule says: OK, FAILING or UNKNOWN, why, and for how long that holds."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(Enum):
    OK = "ok"
    FAILING = "failing"
    UNKNOWN = "unknown"


# A global name is found at a seventh of what an attribute of an enumeration costs (CPython 3.11).
OK, FAILING, UNKNOWN = State.OK, State.FAILING, State.UNKNOWN
FOREVER = float("inf")


class Verdict(NamedTuple):
    """A rule's answer about one node.

    `reason` is one sentence for a person. `number` is the figure that decided (seconds, blocks, peers), None where
    there is none. `until` is the promise that lets keeper sleep and replay fast: as long as no event arrives that the
    rule listens to (its `wakes`), the rule would answer the same state until that time.

    `quiet` is such a promise for the time in which nothing at all is heard of the subject, where it reaches further: a
    head that stands still does so until something comes. None where there is none.

    `happened` is when the newest thing happened for which it fails, of a rule that tells of single things for a while;
    None where what fails lasts. A thing another rule explains stays explained when that rule is well again.
    """

    state: State
    reason: str
    number: float | None
    until: float
    happened: float | None = None
    quiet: float | None = None


def ok(reason: str, number: float | None = None, until: float = FOREVER) -> Verdict:
    return Verdict(OK, reason, number, until)


def failing(
    reason: str,
    number: float | None = None,
    until: float = FOREVER,
    happened: float | None = None,
    quiet: float | None = None,
) -> Verdict:
    return Verdict(FAILING, reason, number, until, happened, quiet)


def unknown(reason: str, until: float = FOREVER, quiet: float | None = None) -> Verdict:
    return Verdict(UNKNOWN, reason, None, until, None, quiet)
