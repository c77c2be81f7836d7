"""Which producer schedule is in force, judged by the blocks themselves.

The API and the log announce schedules, but not the block from which they hold. So an announced schedule is a candidate
until blocks agree with it, and is dropped as soon as one block contradicts it. Where nobody announces anything (old
nodes, a log that begins in the middle) the schedule is read off the blocks, as soon as one turn of it has come back.
"""

from __future__ import annotations

from keeper.core.slots import scheduled

MAX_CANDIDATES = 4
MAX_PRODUCERS = 125  # the largest schedule the chain allows (config.hpp)
MAX_WINDOWS = 2 * MAX_PRODUCERS + 8
PROOF_WINDOWS = 3  # windows that must repeat before a schedule is read off the blocks


class Schedule:
    """Belief about the active schedule.

    `producers` is empty while unknown; `since` is the window it holds from, `replaced` the schedule believed before and
    refuted by a block (empty if none was), and `took_over` says that something else was in force before `since`, so
    that this window need not be whole. `changes` counts how often `producers` became something else.
    """

    __slots__ = ("_candidates", "_windows", "changes", "producers", "replaced", "since", "took_over")

    def __init__(self) -> None:
        self.producers: tuple[str, ...] = ()
        self.since = 0
        self.replaced: tuple[str, ...] = ()
        self.took_over = False
        self.changes = 0
        self._candidates: list[tuple[str, ...]] = []
        self._windows: dict[int, str] = {}

    def announce(self, producers: tuple[str, ...]) -> None:
        """Take a schedule somebody named. It counts when blocks agree with it."""
        if not producers or producers == self.producers:
            return
        if producers in self._candidates:
            self._candidates.remove(producers)
        self._candidates.append(producers)
        del self._candidates[:-MAX_CANDIDATES]
        if not self.producers:
            self._adopt(producers)

    def observe(self, window: int, producer: str) -> None:
        """Note who signed in a window; called once for each window and producer, in any order of windows."""
        if self.producers:
            if scheduled(window, self.producers) == producer:
                self._note(window, producer)
                return
            if window < self.since:
                return  # a late block of the schedule before this one
            self._refute()
        self._note(window, producer)
        for candidate in reversed(self._candidates):
            if scheduled(window, candidate) == producer and self._adopt(candidate):
                return
        self._infer(window)

    def _note(self, window: int, producer: str) -> None:
        if window not in self._windows and len(self._windows) >= MAX_WINDOWS:
            del self._windows[next(iter(self._windows))]
        self._windows[window] = producer

    def _refute(self) -> None:
        if self.producers in self._candidates:
            self._candidates.remove(self.producers)
        self.replaced, self.producers = self.producers, ()
        self.changes += 1

    def _adopt(self, producers: tuple[str, ...]) -> bool:
        """Believe it as far back as the blocks agree without a break; not at all if the newest does not."""
        since = None
        took_over = False
        for window in sorted(self._windows, reverse=True):
            if scheduled(window, producers) != self._windows[window]:
                took_over = True
                break
            since = window
        if since is None:
            return False
        self.producers, self.since, self.took_over = producers, since, took_over
        self.changes += 1
        return True

    def _infer(self, newest: int) -> None:
        """Read the schedule off the blocks, if the producer of the newest window was there before.

        The distance between the two is the size of the turn, unless one came between in another place. A window nobody
        signed is no hindrance if the turn before it names its producer.
        """
        known = self._windows
        producer = known[newest]
        for size in range(1, MAX_PRODUCERS + 1):
            if known.get(newest - size) == producer:
                self._read_turn(newest, size)
                return

    def _read_turn(self, newest: int, size: int) -> None:
        order: dict[int, str] = {}
        repeated = 0
        for window in range(newest, newest - 2 * size - PROOF_WINDOWS, -1):
            producer = self._windows.get(window)
            if producer is None:
                continue
            place = window % size
            if place not in order:
                if producer in order.values():
                    break
                order[place] = producer
            elif order[place] == producer:
                repeated += 1
            else:
                break
        if len(order) == size and repeated >= PROOF_WINDOWS:
            self._adopt(tuple(order[place] for place in range(size)))
