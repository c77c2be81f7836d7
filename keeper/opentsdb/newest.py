"""The time of the newest point of each series that was taken for sending, over restarts.

A script that prints the time of what it measures, not that of the clock, prints the same point again after a restart of
keeper; nobody else remembers that it is sent already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from keeper.core.source import Now
from keeper.errors import KeeperError
from keeper.formats.datapoint import AHEAD

FILE = "newest"
MOST = 200_000  # series
SPARE = 20_000  # lines beside one for each series, until the file is written anew
MAX_BYTES = 64 << 20
NEVER = (0, 0)


class Newest:
    """One thread. A line of the file is a point's time in milliseconds, when it came, in seconds, and its series; of
    several lines the last counts. It is written without waiting for the disk: a kill -9 takes nothing from it, a power
    failure the last moments."""

    def __init__(self, folder: Path, keep: float, now: Now) -> None:
        """`keep`: seconds after which a series without points is forgotten. Raises KeeperError."""
        self.repeated = 0
        self.trouble = ""
        self._path = folder / FILE
        self._keep = keep
        self._now = now
        self._times: dict[str, tuple[int, int]] = {}  # of the point, and when it came
        self._lines = 0
        self._file = -1
        self._read()
        self._write_anew()

    def __len__(self) -> int:
        return len(self._times)

    def fresh(self, series: str, at: int) -> bool:
        """Whether this point is newer than all there were of its series; then it is the newest. Others are counted.

        One that is far ahead of the clock does not count: the clock was set back since."""
        newest = self._times.get(series, NEVER)[0]
        if at > newest or newest > (self._now() + AHEAD) * 1000 >= at:
            self._times[series] = (at, int(self._now()))
            return True
        self.repeated += 1
        return False

    def took(self, points: Iterable[tuple[str, int]]) -> None:
        """Remember these, after they were stored for sending."""
        came = int(self._now())
        text = "".join([f"{at} {came} {series}\n" for series, at in points]).encode()
        self._lines += text.count(b"\n")
        try:
            if not self.trouble and os.write(self._file, text) < len(text):
                self.trouble = f"{self._path} cannot be written: a part is missing"
        except OSError as error:
            self.trouble = f"{self._path} cannot be written: {error.strerror}"
        # What could not be written is in no other place: the whole file is, as soon as that is possible.
        if self.trouble or self._lines > min(len(self._times), MOST) + SPARE:
            self._write_anew()

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._file)
        self._file = -1

    def _read(self) -> None:
        try:
            with self._path.open("rb") as opened:
                data = opened.read(MAX_BYTES)
        except FileNotFoundError:
            return
        except OSError as error:
            raise KeeperError(f"{self._path} cannot be read: {error.strerror}") from error
        for line in data.split(b"\n")[:-1]:  # the last is empty, or was cut
            words = line.decode("ascii", "replace").split(" ", 2)
            if len(words) == 3 and words[0].isdigit() and words[1].isdigit():
                self._times[words[2]] = (int(words[0]), int(words[1]))

    def _write_anew(self) -> None:
        """One line for each series that is not too old."""
        last = self._now() - self._keep
        kept = [(series, times) for series, times in self._times.items() if times[1] >= last]
        self._times = dict(sorted(kept, key=lambda one: one[1][1])[-MOST:])
        self._lines = len(self._times)
        beside = self._path.with_suffix(".new")
        try:
            with beside.open("wb") as opened:
                opened.write("".join(f"{at} {came} {series}\n" for series, (at, came) in self._times.items()).encode())
                opened.flush()
                os.fsync(opened.fileno())
            beside.replace(self._path)
            self.close()
            self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self.trouble = ""
        except OSError as error:
            self.trouble = f"{self._path} cannot be written: {error.strerror}"
