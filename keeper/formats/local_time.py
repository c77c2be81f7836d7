"""Local times without a zone, as old logs print them, into seconds since the Unix epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # naive on purpose: local time without zone
FOLD = 300_000  # milliseconds: a step back by more, inside the hour that comes twice, is its second coming
_MINUTE = 60_000


def naive_ms(text: str) -> int:
    """`2015-01-23 15:47` and longer ISO forms → milliseconds of the local clock since 1970. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is not None:
        raise ValueError(f"{text!r} has a zone")
    return (at - _EPOCH) // timedelta(milliseconds=1)


def naive_text(local: int) -> str:
    """Milliseconds of the local clock since 1970 → `2015-01-23 15:47:58`."""
    return str(_EPOCH + timedelta(seconds=local // 1000))


class LocalTime:
    """Turns the local times of one log, fed in the order of its lines, into Unix time.

    When clocks are set back an hour comes twice. Its first coming is assumed until the times step back inside it. A
    log that begins in that hour cannot tell, and is taken for the first.
    """

    def __init__(self, zone: tzinfo | None) -> None:
        """`zone` None is the host's."""
        self._zone = zone
        self._last: int | None = None
        self._second = False
        self._minute: int | None = None
        self._offset = 0  # milliseconds that turn local into Unix time, in `_minute`

    def seconds(self, local: int) -> float:
        """Milliseconds of the local clock → seconds since the Unix epoch."""
        if self._last is not None and local < self._last - FOLD:
            self._second = True
            self._minute = None
        self._last = local
        minute = local // _MINUTE
        if minute != self._minute:
            self._minute = minute
            self._offset = self._offset_at(minute)
        return (local + self._offset) / 1000

    def _offset_at(self, minute: int) -> int:
        at = _EPOCH + timedelta(minutes=minute)
        first, second = (self._unix(at.replace(fold=fold)) for fold in (0, 1))
        if second <= first:  # not the hour that comes twice
            self._second = False
        return round((second if self._second else first) * 1000) - minute * _MINUTE

    def _unix(self, at: datetime) -> float:
        # A naive `timestamp()` takes the host's zone; both ways know `fold`.
        return at.timestamp() if self._zone is None else at.replace(tzinfo=self._zone).astimezone(UTC).timestamp()
