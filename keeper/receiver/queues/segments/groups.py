"""What waits for the disk: handed over by the loop, fetched by the thread that writes, all of it together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keeper.receiver.queues.queue import NotTaken

GROUP_BYTES = 4 << 20  # written at once; what is more waits for the next time


class Put(NamedTuple):
    """Records that came `at` a time, all of them or none; `size` in bytes."""

    records: Sequence[bytes]
    size: int
    at: float
    done: Callable[[NotTaken | None], None]


class Groups:
    def __init__(self) -> None:
        self._handed: deque[Put] = deque()
        self._closed = False
        self._some = threading.Condition()  # guards the two

    def hand_over(self, puts: Sequence[Put]) -> None:
        with self._some:
            self._handed.extend(puts)
            self._some.notify()

    def close(self) -> None:
        """What was handed over is still fetched."""
        with self._some:
            self._closed = True
            self._some.notify()

    def fetch(self) -> list[Put]:
        """Wait for some; none when it is closed and all is fetched."""
        group: list[Put] = []
        size = 0
        with self._some:
            self._some.wait_for(lambda: self._handed or self._closed)
            while self._handed and (not group or size + self._handed[0].size <= GROUP_BYTES):
                group.append(self._handed.popleft())
                size += group[-1].size
        return group
