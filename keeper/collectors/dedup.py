"""Leaves out points that say nothing new, as tcollector does: a database keeps years of them."""

from __future__ import annotations

from collections.abc import Iterable

from keeper.core.point import Number, Point, Series


class _Sent:
    """What was last sent of a series, and the newest point since that only repeats it."""

    __slots__ = ("at", "held", "value")

    def __init__(self, value: Number, at: int) -> None:
        self.value = value
        self.at = at
        self.held: Point | None = None


class Dedup:
    """A point with the value of the one before is held back while less than `interval` seconds have passed since one
    was sent. When the value changes, the newest that is held is sent first, so that a graph is flat up to the change
    and steep at it. `held` counts those that were never sent.

    A series is forgotten when nothing came of it for `evict` seconds; its next point is sent, whatever its value.
    """

    def __init__(self, interval: float = 300.0, evict: float = 6000.0) -> None:
        self.held = 0
        self._interval = round(interval * 1000)
        self._evict = round(evict * 1000)
        self._sent: dict[Series, _Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def take(self, points: Iterable[Point]) -> list[Point]:
        """What of these is to be sent now, with what was held before, each series in order."""
        sent_of, interval = self._sent, self._interval
        out = []
        for point in points:
            series, at, value = point
            sent = sent_of.get(series)
            if sent is None:
                sent_of[series] = _Sent(value, at)
            elif value == sent.value and 0 <= at - sent.at < interval:  # less: the clock was set back
                sent.held = point
                self.held += 1
                continue
            else:
                if sent.held is not None:
                    if value != sent.value:
                        out.append(sent.held)
                        self.held -= 1
                    sent.held = None
                sent.value, sent.at = value, at
            out.append(point)
        return out

    def evict(self, now: int) -> int:
        """Forget the series that went quiet; `now` in milliseconds as points have it. Returns how many."""
        before = now - self._evict
        gone = [series for series, sent in self._sent.items() if (sent.held.at if sent.held else sent.at) < before]
        for series in gone:
            del self._sent[series]
        return len(gone)
