"""Calls what is to be called when a file descriptor is ready. (`selectors` does the same at four times the cost, which
for a thousand pipes a minute is what the scripts' output costs altogether.)"""

from __future__ import annotations

import select
from collections.abc import Callable

AT_ONCE = 256  # descriptors that are looked at in one turn

Call = Callable[[], object]


class Ready:
    """For one thread. A descriptor is watched until it is forgotten; one that is closed must be forgotten before."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._calls: dict[int, Call] = {}

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._calls

    def read(self, descriptor: int, call: Call) -> None:
        """Call when there is something to read, or its end."""
        self._epoll.register(descriptor, select.EPOLLIN)
        self._calls[descriptor] = call

    def write(self, descriptor: int, call: Call) -> None:
        """Call when it takes something."""
        self._epoll.register(descriptor, select.EPOLLOUT)
        self._calls[descriptor] = call

    def forget(self, descriptor: int) -> None:
        """Nothing when it is not watched."""
        if self._calls.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def wait(self, seconds: float) -> bool:
        """Wait for any of them, no longer than that, and call what is ready; whether anything was."""
        found = self._epoll.poll(max(0.0, seconds), AT_ONCE)
        for descriptor, _ in found:
            call = self._calls.get(descriptor)  # another call of this turn may have forgotten it
            if call is not None:
                call()
        return bool(found)

    @staticmethod
    def rest(seconds: float) -> None:
        """Let more come before it is looked at."""
        select.select([], [], [], seconds)
