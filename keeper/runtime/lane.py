"""A lane: a thread that does one thing after the other, so that what hangs holds up nothing but its own kind."""

from __future__ import annotations

import queue
from collections.abc import Callable

from keeper.core.source import Wait
from keeper.runtime.watch import Thread

WAITING = 8  # things to do that may wait; more are refused: whoever wants them decides anew every moment
SLICE = 0.5  # seconds between two looks at whether to stop

Todo = Callable[[], None]


class Lane:
    """`failed` hears of a thing to do that raised: a bug, which ends keeper."""

    def __init__(self, name: str, failed: Callable[[str], None]) -> None:
        self._queue: queue.Queue[Todo] = queue.Queue(WAITING)
        self._busy = False
        self._once: set[str] = set()
        self.refused = 0
        self._thread = Thread(f"failover:{name}", self._run, failed)

    def start(self) -> None:
        self._thread.start()

    def put(self, todo: Todo) -> bool:
        """False when too much is waiting already: then it is not done, and counted."""
        try:
            self._queue.put_nowait(todo)
        except queue.Full:
            self.refused += 1
            return False
        return True

    def put_once(self, name: str, todo: Todo) -> None:
        """Not again while the same, by its name, is still waiting: what is asked every second shall not be done twice
        in a row, long after it was wanted, when what came before it took longer."""
        if name in self._once:
            return

        def do() -> None:
            self._once.discard(name)
            todo()

        self._once.add(name)
        if not self.put(do):
            self._once.discard(name)

    @property
    def idle(self) -> bool:
        """Nothing is done and nothing waits, as far as that can be said from outside."""
        return not self._busy and self._queue.empty()

    def stop(self) -> None:
        self._thread.stop()

    def join(self, seconds: float) -> bool:
        return self._thread.join(seconds)

    def _run(self, wait: Wait) -> None:
        while not wait(0):
            try:
                todo = self._queue.get(timeout=SLICE)
            except queue.Empty:
                continue
            self._busy = True
            try:
                todo()
            finally:
                self._busy = False
