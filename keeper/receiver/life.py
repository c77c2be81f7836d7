"""When a worker that died is started again. Pure."""

from __future__ import annotations

from collections import deque

from keeper.core.backoff import delay

LOOP = 5  # deaths within LOOP_WINDOW are a crash loop
LOOP_WINDOW = 60.0  # seconds
LONGEST = 30.0  # seconds between two starts, in a crash loop always


class Life:
    """The deaths of one worker. A worker that lived longer than LOOP_WINDOW begins anew."""

    def __init__(self) -> None:
        self.deaths = 0
        self._lately: deque[float] = deque(maxlen=LOOP)

    def died(self, began: float, now: float, chance: float) -> float:
        """Seconds to rest until it is started again."""
        self.deaths += 1
        if now - began > LOOP_WINDOW:
            self._lately.clear()
        self._lately.append(now)
        return LONGEST if self.looping(now) else delay(len(self._lately), chance, longest=LONGEST)

    def looping(self, now: float) -> bool:
        return len(self._lately) == LOOP and now - self._lately[0] <= LOOP_WINDOW + LOOP * LONGEST
