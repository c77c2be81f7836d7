"""Rounds at a fixed rate, each printed whole, for as long as somebody reads them."""

from __future__ import annotations

import contextlib
import math
import os
import select
import time
from collections.abc import Callable

from keeper.shipped.point import Point, Say, lines

Subject = Callable[[], list[Point]]

STDOUT, STDERR = 1, 2
NOTHING_HERE = 13  # the exit code that asks tcollector, and keeper, not to start it again


class Complaints:
    """Says on stderr what is wrong: each thing once, and not endlessly many."""

    MOST = 200

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, sentence: str) -> None:
        if sentence in self._said or len(self._said) >= self.MOST:
            return
        self._said.add(sentence)
        with contextlib.suppress(OSError):  # whom should it tell
            os.write(STDERR, f"{sentence}\n".encode(errors="backslashreplace"))


class Rounds:
    """Asks all subjects, by name, and prints what they say."""

    def __init__(self, subjects: dict[str, Subject], say: Say) -> None:
        self._subjects = subjects
        self._say = say
        self._last = 0  # second of the last round

    def once(self) -> int:
        """Print one round. Return the exit code: 0, also when nobody reads it, or that there is nothing here."""
        at = self._second()
        points = [point for name in list(self._subjects) for point in self._ask(name)]
        if not self._subjects:
            return NOTHING_HERE
        with contextlib.suppress(BrokenPipeError):
            _write(lines(points, at, self._say).encode())
        return 0

    def forever(self, every: int) -> int:
        """Print a round every so many seconds until stdout is closed or the parent has died; return the exit code."""
        parent, start = os.getppid(), time.monotonic()
        while (code := self.once()) == 0 and _read_until(following(start, every, time.monotonic())):
            if os.getppid() != parent:
                break
        return code

    def _ask(self, name: str) -> list[Point]:
        try:
            return self._subjects[name]()
        except FileNotFoundError as error:
            self._say(f"{name}: this host has no {error.filename}: it is left out from now on")
            del self._subjects[name]
        except (OSError, ValueError, LookupError) as error:
            self._say(f"{name} is left out of a round: {error}")
        return []

    def _second(self) -> int:
        """Return now, as the clock says it, but never the same second twice: a TSD takes one point for each."""
        now = int(time.time())
        self._last = now if now != self._last else now + 1
        return self._last


def following(start: float, every: int, now: float) -> float:
    """Return when the next round is due: on the grid from `start`, so that nothing adds up; late ones are skipped."""
    return start + (math.floor((now - start) / every) + 1) * every


def _read_until(due: float) -> bool:
    """Wait until then; False, at once, when the other end of stdout is closed: nobody will read any more."""
    reader = select.poll()
    reader.register(STDOUT, 0)  # what is reported unasked: an error, a hangup
    return not reader.poll(max(0.0, due - time.monotonic()) * 1000)


def _write(text: bytes) -> None:
    while text:
        text = text[os.write(STDOUT, text) :]
