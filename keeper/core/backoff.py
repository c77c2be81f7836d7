"""How long to leave a receiver alone that did not take what was sent."""

from __future__ import annotations

FIRST = 1.0  # seconds
LONGEST = 60.0


def delay(failures: int, chance: float, asked: float | None = None, longest: float = LONGEST) -> float:
    """Seconds until the next try after `failures` (1 or more) in a row: doubling from one second up to `longest`.

    `chance` in [0, 1) spreads it over the upper half, so that many keepers do not come back in step. What the receiver
    `asked` for (Retry-After) is a minimum, but never keeps keeper silent for more than `longest`.
    """
    doubled = min(longest, FIRST * 2.0 ** min(failures - 1, 30))
    chosen = doubled * (0.5 + 0.5 * chance)
    return chosen if asked is None else max(chosen, min(asked, longest))
