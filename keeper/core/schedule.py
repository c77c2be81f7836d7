"""Which producer schedule is in force, judged by the blocks themselves.

The API and the log announce schedules, but not the block from which they hold. So an announced schedule is a candidate
until blocks agree with it, and is dropped as soon as one block contradicts it. Where nobody announces anything (old
nodes, a log that begins in the middle) the schedule is read off one full round of blocks.
"""

from __future__ import annotations

from collections import OrderedDict

from keeper.core.slots import scheduled

MAX_CANDIDATES = 4
MAX_WINDOWS = 2 * 125 + 8  # two rounds of the largest schedule the chain allows (max_producers = 125)
PROOF_WINDOWS = 3  # windows that must repeat before a schedule is read off the blocks


class Schedule:
    """Belief about the active schedule. `producers` is empty while unknown; `since` is the window it holds from."""

    __slots__ = ("_candidates", "_windows", "producers", "since")

    def __init__(self) -> None:
        self.producers: tuple[str, ...] = ()
        self.since = 0
        self._candidates: list[tuple[str, ...]] = []
        self._windows: OrderedDict[int, str] = OrderedDict()

    def announce(self, producers: tuple[str, ...]) -> None:
        """Take a schedule somebody named. It counts when blocks agree with it."""
        if not producers or producers in self._candidates:
            return
        self._candidates.append(producers)
        del self._candidates[:-MAX_CANDIDATES]
        if not self.producers:
            self._adopt(producers)

    def observe(self, window: int, producer: str) -> None:
        """Note who signed in a window; called once for each window and producer, in any order of windows."""
        self._windows[window] = producer
        if len(self._windows) > MAX_WINDOWS:
            self._windows.popitem(last=False)
        if self.producers:
            if scheduled(window, self.producers) == producer:
                return
            if window < self.since:
                return  # a late block of the schedule before this one
            self.producers = ()
        for candidate in reversed(self._candidates):
            if scheduled(window, candidate) == producer:
                self._adopt(candidate)
                return
        self._infer()

    def _adopt(self, producers: tuple[str, ...]) -> None:
        """Believe it as far back as the blocks agree without a break."""
        since = None
        for window in sorted(self._windows, reverse=True):
            if scheduled(window, producers) != self._windows[window]:
                break
            since = window
        if since is not None:
            self.producers, self.since = producers, since

    def _infer(self) -> None:
        """Read the schedule off the blocks: the shortest turn after which every producer came back in its place."""
        windows = sorted(self._windows)
        newest = windows[-1]
        for size in range(1, len(windows)):
            turn = [self._windows.get(w) for w in range(newest - size + 1, newest + 1)]
            if None in turn or len(set(turn)) != size:
                continue
            before = range(newest - size - PROOF_WINDOWS + 1, newest - size + 1)
            if all(self._windows.get(w) == self._windows[w + size] for w in before if w + size in self._windows):
                if any(w not in self._windows for w in before):
                    continue
                order = [""] * size
                for w in range(newest - size + 1, newest + 1):
                    order[w % size] = self._windows[w]
                self._adopt(tuple(order))
                return
