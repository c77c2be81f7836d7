"""Which points a TSD's complaints on a telnet connection are about."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from keeper.opentsdb.outcome import Refused
from keeper.opentsdb.put import Complaint
from keeper.opentsdb.record import Line


def blame(lines: Sequence[Line], complaints: Sequence[Complaint]) -> tuple[Refused, ...]:
    """One refused point for each complaint, no more than there are. A TSD says one thing for each point it refuses, in
    their order, and quotes a metric, a tag or a value of it, or nothing."""
    index = _Index(lines)
    return tuple(Refused(index.take(complaint.names), complaint.why) for complaint in complaints[: len(lines)])


class _Index:
    """The lines that hold a word, in order. Each is given once."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._given: set[int] = set()
        self._of_metric: defaultdict[bytes, deque[int]] = defaultdict(deque)
        self._of_word: defaultdict[bytes, deque[int]] = defaultdict(deque)
        for number, line in enumerate(lines):
            metric, _, value, *tags = line.split(b" ")
            self._of_metric[metric].append(number)
            parts = [part for tag in tags for part in (tag, *tag.split(b"=", 1))]
            for word in dict.fromkeys((value, *parts)):
                self._of_word[word].append(number)

    def take(self, names: Sequence[Line]) -> Line:
        """The first line that fits and was not given; empty when none does."""
        for place in (self._of_metric, self._of_word):
            for name in names:
                waiting = place.get(name, deque())
                while waiting:
                    number = waiting.popleft()
                    if number not in self._given:
                        self._given.add(number)
                        return self._lines[number]
        return b""
