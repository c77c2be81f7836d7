"""The series of a collector by their text: the same object for the same series, as long as it is used."""

from __future__ import annotations

from keeper.core.point import Series


class KnownSeries:
    """At most `most` series that were used lately, and as many that were not and are forgotten next."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: dict[str, Series] = {}
        self._old: dict[str, Series] = {}

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def of(self, text: str) -> Series:
        """`text` was checked where the series was made."""
        series = self._new.get(text)
        if series is None:
            series = self._old.pop(text, None) or read_series(text)
            if len(self._new) >= self._most:
                self._old, self._new = self._new, {}
            self._new[text] = series
        return series


def read_series(text: str) -> Series:
    metric, *words = text.split(" ")
    pairs = [word.partition("=") for word in words]
    return Series(metric, tuple((name, value) for name, _, value in pairs))
