"""What was taken for sending is remembered over restarts."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.errors import KeeperError
from keeper.opentsdb import newest
from keeper.opentsdb.newest import FILE, Newest


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def take(it: Newest, *points: tuple[str, int]) -> list[tuple[str, int]]:
    fresh = [point for point in points if it.fresh(*point)]
    it.took(fresh)
    return fresh


def test_a_point_is_fresh_once_also_after_a_restart(tmp_path: Path) -> None:
    """However old its own time is; other series are their own."""
    clock = Clock()
    it = Newest(tmp_path, 6000, clock)
    assert take(it, ("a x=y", 1000), ("a x=y", 2000), ("b", 1000)) == [("a x=y", 1000), ("a x=y", 2000), ("b", 1000)]
    assert take(it, ("a x=y", 2000), ("a x=y", 1500)) == []
    assert it.repeated == 2
    clock.now += 100
    again = Newest(tmp_path, 6000, clock)  # the one before was killed
    assert take(again, ("a x=y", 2000), ("a x=y", 3000), ("b", 1000)) == [("a x=y", 3000)]


def test_what_is_quiet_is_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    take(Newest(tmp_path, 6000, clock), ("a", 1000))
    clock.now += 6001
    assert len(Newest(tmp_path, 6000, clock)) == 0


def test_the_file_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line a series and a bounded number more, however many points there were."""
    monkeypatch.setattr(newest, "SPARE", 10)
    it = Newest(tmp_path, 6000, Clock())
    for at in range(1, 500):
        take(it, ("a", at), ("b", at))
    assert len((tmp_path / FILE).read_text().splitlines()) <= 2 + 10 + 2
    assert take(Newest(tmp_path, 6000, Clock()), ("a", 499), ("b", 500)) == [("b", 500)]


def test_a_torn_line_and_strange_ones_are_left_out(tmp_path: Path) -> None:
    """The last line of a full disk, and what somebody wrote into it."""
    clock = Clock()
    take(Newest(tmp_path, 6000, clock), ("a", 1000))
    with (tmp_path / FILE).open("ab") as opened:
        opened.write(b"\xff\xff\nx y z\n\n99\n2000 1800000000 a x=y")
    it = Newest(tmp_path, 6000, clock)
    assert len(it) == 1
    assert take(it, ("a", 1000)) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(KeeperError, match="newest cannot be read: Is a directory"):
        Newest(tmp_path, 6000, Clock())


def test_a_full_disk_is_said_and_costs_nothing_else(tmp_path: Path) -> None:
    it = Newest(tmp_path, 6000, Clock())
    it.close()  # as good as a disk that takes nothing
    (tmp_path / "newest.new").mkdir()
    assert take(it, ("a", 1000)) == [("a", 1000)]
    assert "newest cannot be written" in it.trouble
    assert take(it, ("a", 1000)) == []


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_full_disk_did_not_take_is_written_when_it_can_be(tmp_path: Path, begun: bool) -> None:
    """Also by a keeper that was started on it; then nothing is wrong any more."""
    if begun:
        it = Newest(tmp_path, 6000, Clock())
        it.close()
        (tmp_path / "newest.new").mkdir()
    else:
        (tmp_path / "newest.new").mkdir()
        it = Newest(tmp_path, 6000, Clock())
    take(it, ("a", 1000))
    assert it.trouble
    (tmp_path / "newest.new").rmdir()
    take(it, ("b", 1000))
    assert it.trouble == ""
    assert take(Newest(tmp_path, 6000, Clock()), ("a", 1000), ("b", 1000)) == []


def test_series_that_come_once_and_never_again_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In memory and in the file: of too many the oldest are forgotten."""
    monkeypatch.setattr(newest, "SPARE", 10)
    monkeypatch.setattr(newest, "MOST", 50)
    it = Newest(tmp_path, 6000, Clock())
    for n in range(500):
        take(it, (f"a n={n}", 1000))
    assert len(it) <= 60
    assert len((tmp_path / FILE).read_text().splitlines()) <= 60


def test_a_clock_that_was_far_ahead_silences_nothing(tmp_path: Path) -> None:
    """A day of points from the future is no reason to send none for a day; an hour's is."""
    clock = Clock()
    now = round(clock.now * 1000)
    it = Newest(tmp_path, 600_000, clock)
    clock.now += 86_400
    assert take(it, ("a", now + 86_400_000)) != []
    clock.now -= 86_400
    assert take(it, ("a", now), ("a", now), ("a", now + 1000)) == [("a", now), ("a", now + 1000)]
    assert take(it, ("a", now + 1_800_000), ("a", now + 2000)) == [("a", now + 1_800_000)]
