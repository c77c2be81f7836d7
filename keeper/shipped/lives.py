"""Counts how often the processes of a name were started again, and the time they used, past ones included."""

from __future__ import annotations

from typing import TypeAlias

Birth: TypeAlias = tuple[str, int]  # pid, and when it started: a pid alone may have been given again


class Lives:
    """What was alive in the last round, and what is left of those before: numbers only."""

    def __init__(self) -> None:
        self.restarts = 0
        self._alive: dict[Birth, int] = {}  # with the ticks used
        self._past = 0  # ticks used by those that are gone
        self._vacant = 0  # places of those that are gone and that nobody took

    @property
    def cpu(self) -> int:
        """Ticks used by all that were ever seen: it never falls."""
        return self._past + sum(self._alive.values())

    def see(self, alive: dict[Birth, int]) -> None:
        """Compare with the last round: a new one in the place of one that is gone is a restart."""
        gone = self._alive.keys() - alive.keys()
        self._past += sum(self._alive[birth] for birth in gone)
        self._vacant += len(gone)
        again = min(self._vacant, len(alive.keys() - self._alive.keys()))
        self._vacant -= again
        self.restarts += again
        self._alive = alive
